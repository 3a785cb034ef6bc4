// One gMLP block, chunk by chunk: three fused kernels forward, the same three backward in reverse.
//
//   forward    channel_in -> spatial_gate -> channel_out
//   backward   channel_out <- spatial_gate <- channel_in
//
// Weights are packed once a call, for all chunks: 2 D F + D E numbers against 2 R (2 D F + D E)
// multiply-adds.

#include "core/profile.h"
#include "kernels/fused/channel_in.h"
#include "kernels/fused/channel_out.h"
#include "kernels/fused/spatial_gate.h"
#include "kernels/fused/table.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

struct ForwardRoom {
  float* w1;      // W1ᵀ packed, (D,F)
  float* w2;      // W2ᵀ packed, (E,D)
  float* x_hat;   // (R,D)
  float* z;       // (R,F)
  float* gated;   // (R,E)
  float* packed;  // spatial panels of all tasks
  float* stats;   // 4 R, where nothing is saved
};

ForwardRoom carve_forward(Carver& carver, const BlockShape& s) {
  const int64_t rows = chunk_samples(s) * s.tokens;
  const int64_t width = s.d_ffn / 2;
  ForwardRoom room;
  room.w1 = carver.floats(packed_b_size(s.d_model, s.d_ffn));
  room.w2 = carver.floats(packed_b_size(width, s.d_model));
  room.x_hat = carver.floats(rows * s.d_model);
  room.z = carver.floats(rows * s.d_ffn);
  room.gated = carver.floats(rows * width);
  room.packed = carver.floats(chunk_samples(s) * spatial_groups(width) * spatial_pack_size(s));
  room.stats = carver.floats(4 * rows);
  return room;
}

struct BackwardRoom {
  float* w1;            // W1 packed, (F,D)
  float* w2;            // W2 packed, (D,E)
  float* w_transposed;  // Wᵀ (N,N)
  float* dh;            // (R,F)
  float* dt;            // (R,E)
  float* gated;         // (R,E); later v̂
  float* dv_hat;        // (R,E)
  float* x_hat;         // (R,D); before that dr
  float* dx_hat;        // (R,D)
  float* packed;        // the widest packed B of any step
  float* a_room;        // packed tiles of a transposed A
  float* partials;      // norm gradients of row blocks
};

BackwardRoom carve_backward(Carver& carver, const BlockShape& s) {
  const int64_t rows = chunk_samples(s) * s.tokens;
  const int64_t width = s.d_ffn / 2;
  const int64_t wider = s.d_model > width ? s.d_model : width;
  int64_t packed = packed_b_size(rows, wider);
  const int64_t spatial = chunk_samples(s) * spatial_groups(width) * spatial_pack_size(s);
  const int64_t spatial_transposed = chunk_samples(s) * packed_b_size(width, s.tokens);
  packed = packed > spatial ? packed : spatial;
  packed = packed > spatial_transposed ? packed : spatial_transposed;
  BackwardRoom room;
  room.w1 = carver.floats(packed_b_size(s.d_ffn, s.d_model));
  room.w2 = carver.floats(packed_b_size(s.d_model, width));
  room.w_transposed = carver.floats(s.tokens * s.tokens);
  room.dh = carver.floats(rows * s.d_ffn);
  room.dt = carver.floats(rows * width);
  room.gated = carver.floats(rows * width);
  room.dv_hat = carver.floats(rows * width);
  room.x_hat = carver.floats(rows * s.d_model);
  room.dx_hat = carver.floats(rows * s.d_model);
  room.packed = carver.floats(packed);
  room.a_room = carver.floats(packed_a_size(s.d_ffn > s.d_model ? s.d_ffn : s.d_model, kDepth));
  room.partials = carver.floats(2 * wider * row_blocks(rows));
  return room;
}

/// What is saved at row `row`, or the workspace's own room when nothing is saved.
BlockSaved saved_at(const BlockSaved& saved, int64_t row, const BlockShape& s) {
  const int64_t width = s.d_ffn / 2;
  return {saved.mean + row,      saved.rstd + row,      saved.h + row * s.d_ffn,
          saved.t + row * width, saved.gate_mean + row, saved.gate_rstd + row};
}

}  // namespace

int64_t block_workspace(const BlockShape& s) {
  Carver forward{nullptr, 0};
  carve_forward(forward, s);
  Carver backward{nullptr, 0};
  carve_backward(backward, s);
  return forward.used > backward.used ? forward.used : backward.used;
}

void block_forward(float* y, const BlockSaved& saved, const float* x, const float* drop_scales,
                   const BlockWeights<const float>& w, void* workspace, const BlockShape& s) {
  Carver carver{static_cast<char*>(workspace), 0};
  const ForwardRoom room = carve_forward(carver, s);
  const int64_t width = s.d_ffn / 2;
  const int64_t step = chunk_samples(s);
  pack_b(room.w1, w.fc1_weight, s.d_model, s.d_model, s.d_ffn, true);
  pack_b(room.w2, w.fc2_weight, width, width, s.d_model, true);
  profile_mark("pack weights");
  for (int64_t first = 0; first < s.batch; first += step) {
    const int64_t row = first * s.tokens;
    Chunk chunk{};
    chunk.samples = smaller(step, s.batch - first);
    chunk.rows = chunk.samples * s.tokens;
    chunk.x = x + row * s.d_model;
    chunk.y = y + row * s.d_model;
    chunk.drop_scales = drop_scales == nullptr ? nullptr : drop_scales + first;
    if (saved.h != nullptr) {
      chunk.saved = saved_at(saved, row, s);
    } else {
      const int64_t r = chunk.rows;
      chunk.saved = {room.stats, room.stats + r,     room.z,
                     room.gated, room.stats + 2 * r, room.stats + 3 * r};
    }
    channel_in_forward(room.z, chunk.saved.h, chunk, room.x_hat, room.w1, w, s);
    profile_mark("forward channel_in");
    spatial_gate_forward(room.gated, chunk.saved.t, room.z, chunk, room.packed, w, s);
    profile_mark("forward spatial_gate");
    channel_out_forward(chunk, room.gated, room.w2, w, s);
    profile_mark("forward channel_out");
  }
}

void block_backward(float* dx, const BlockWeights<float>& grad, const float* dy, const float* x,
                    const float* drop_scales, const BlockSaved& saved,
                    const BlockWeights<const float>& w, void* workspace, const BlockShape& s) {
  Carver carver{static_cast<char*>(workspace), 0};
  const BackwardRoom room = carve_backward(carver, s);
  const int64_t width = s.d_ffn / 2;
  const int64_t step = chunk_samples(s);
  pack_b(room.w1, w.fc1_weight, s.d_model, s.d_ffn, s.d_model, false);
  pack_b(room.w2, w.fc2_weight, width, s.d_model, width, false);
  for (int64_t i = 0; i < s.tokens; ++i) {
    for (int64_t j = 0; j < s.tokens; ++j) {
      room.w_transposed[i * s.tokens + j] = w.spatial_weight[j * s.tokens + i];
    }
  }
  for (int64_t first = 0; first < s.batch; first += step) {
    const int64_t row = first * s.tokens;
    Chunk chunk{};
    chunk.samples = smaller(step, s.batch - first);
    chunk.rows = chunk.samples * s.tokens;
    chunk.x = x + row * s.d_model;
    chunk.dy = dy + row * s.d_model;
    chunk.dx = dx + row * s.d_model;
    chunk.drop_scales = drop_scales == nullptr ? nullptr : drop_scales + first;
    chunk.saved = saved_at(saved, row, s);
    channel_out_backward(room.dh, room.dt, grad, chunk, room.gated, room.x_hat, room.packed,
                         room.a_room, room.w2, w, s);
    spatial_gate_backward(room.dh, grad, room.dt, chunk, room.gated, room.dv_hat, room.packed,
                          room.partials, room.w_transposed, w, s);
    channel_in_backward(grad, room.dh, chunk, room.x_hat, room.dx_hat, room.packed, room.a_room,
                        room.partials, room.w1, w, s);
  }
}

}  // namespace gmlp::fused::GMLP_ISA
