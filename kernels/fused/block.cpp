// One gMLP block, chunk by chunk: three fused kernels forward, the same three backward in reverse.
//
//   forward    norm_fc1_gelu -> spatial_gate -> fc2_residual
//   backward   fc2_residual <- spatial_gate <- norm_fc1_gelu
//
// Weights are packed once a call, for all chunks: D F + D E numbers against R (D F + D E)
// multiply-adds. For one image that is a tenth of its time, so where they do not change a caller
// keeps them packed (BlockData::packed).

#include "core/profile.h"
#include "kernels/fused/fc2_residual.h"
#include "kernels/fused/norm_fc1_gelu.h"
#include "kernels/fused/spatial_gate.h"
#include "kernels/fused/table.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

// Products take T; what is saved is in S.
template <typename T>
struct ForwardRoom {
  PackedB w1;        // W1ᵀ (D,F)
  PackedB w2;        // W2ᵀ (E,D)
  Tiles<T> w_token;  // W (N,N)
  T* x_hat;          // (R,D), whole row blocks: the place of one serves a thread for others
  T* z;              // (R,F)
  T* gated;          // (R,E)
  float* packed;     // spatial panels of all tasks
  float* stats;      // 4 R, where nothing is saved
};

/// `packed` gives the weights' places, `carver` all others; they may be the same.
template <typename T>
ForwardRoom<T> allocate_forward(WorkspaceAllocator& packed, WorkspaceAllocator& carver,
                                const BlockShape& s) {
  const int64_t samples = chunk_samples(s);
  const int64_t rows = samples * s.tokens;
  const int64_t width = gate_width(s);
  ForwardRoom<T> room;
  room.w1 = allocate_b(packed, words_of<T>(s.d_model), s.d_ffn);
  room.w2 = allocate_b(packed, words_of<T>(width), s.d_model);
  room.w_token = allocate_weight_tiles<T>(packed, s.tokens);
  room.x_hat = allocate<T>(carver, row_blocks(rows) * kMC * stride_of<T>(s.d_model));
  room.z = allocate<T>(carver, rows * stride_of<T>(s.d_ffn));
  room.gated = allocate<T>(carver, rows * stride_of<T>(width));
  room.packed =
      allocate<float>(carver, spatial_tasks(samples, width) * spatial_pack_size<T>(s.tokens));
  room.stats = allocate<float>(carver, 4 * rows);
  return room;
}

template <typename T>
struct BackwardRoom {
  PackedB w1;                       // W1 (F,D)
  PackedB w2;                       // W2 (D,E)
  Tiles<T> w_transposed;            // Wᵀ (N,N)
  T* dh;                            // (R,F)
  T* dt;                            // (R,E)
  T* v_hat;                         // (R,E)
  T* dv_hat;                        // (R,E)
  T* dr;                            // (R,D)
  float* dx_hat;                    // (R,D)
  float* packed;                    // the widest packed B of any step
  float* a_room;                    // packed tiles of a transposed A
  float* partials;                  // norm gradients of row blocks
  BlockWeights<float*> grad_first;  // weight gradients of the chunks' first halves (chunk.h)
};

template <typename T>
BackwardRoom<T> allocate_backward(WorkspaceAllocator& carver, const BlockShape& s) {
  const int64_t samples = chunk_samples(s);
  const int64_t rows = samples * s.tokens;
  const int64_t width = gate_width(s);
  const int64_t row_panels = packed_b_size(words_of<T>(rows), max(s.d_model, width));
  const int64_t token_panels = spatial_tasks(samples, width) * spatial_pack_size<T>(s.tokens);
  const int64_t width_panels = samples * packed_b_size(words_of<T>(width), s.tokens);
  BackwardRoom<T> room;
  room.w1 = allocate_b(carver, words_of<T>(s.d_ffn), s.d_model);
  room.w2 = allocate_b(carver, words_of<T>(s.d_model), width);
  room.w_transposed = allocate_weight_tiles<T>(carver, s.tokens);
  room.dh = allocate<T>(carver, rows * stride_of<T>(s.d_ffn));
  room.dt = allocate<T>(carver, rows * stride_of<T>(width));
  room.v_hat = allocate<T>(carver, rows * stride_of<T>(width));
  room.dv_hat = allocate<T>(carver, rows * stride_of<T>(width));
  room.dr = allocate<T>(carver, rows * stride_of<T>(s.d_model));
  room.dx_hat = allocate<float>(carver, rows * s.d_model);
  room.packed = allocate<float>(carver, max(row_panels, max(token_panels, width_panels)));
  const int64_t half_words = words_of<T>(longest_half(rows));
  room.a_room = allocate<float>(
      carver, 2 * max(owned_room(s.d_ffn, half_words), owned_room(s.d_model, half_words)));
  room.partials = allocate<float>(carver, row_blocks(rows) * max(2 * s.d_model, 4 * width));
  room.grad_first = {};
  room.grad_first.fc1_weight = allocate<float>(carver, s.d_ffn * s.d_model);
  room.grad_first.fc1_bias = allocate<float>(carver, s.d_ffn);
  room.grad_first.spatial_weight = allocate<float>(carver, s.tokens * s.tokens);
  room.grad_first.spatial_bias = allocate<float>(carver, s.tokens);
  room.grad_first.fc2_weight = allocate<float>(carver, s.d_model * width);
  room.grad_first.fc2_bias = allocate<float>(carver, s.d_model);
  return room;
}

/// The samples from `first` on, as many as a chunk takes.
template <typename S>
Chunk<S> chunk_at(const BlockData& data, const BlockSaved& saved, int64_t first,
                  const BlockShape& s) {
  const int64_t row = first * s.tokens;
  const int64_t width = gate_width(s);
  const auto at = [](auto* base, int64_t offset) {
    return base == nullptr ? nullptr : base + offset;
  };
  Chunk<S> chunk;
  chunk.samples = min(chunk_samples(s), s.batch - first);
  chunk.rows = chunk.samples * s.tokens;
  chunk.x = at(data.x, row * s.d_model);
  chunk.y = at(data.y, row * s.d_model);
  chunk.dy = at(data.dy, row * s.d_model);
  chunk.dx = at(data.dx, row * s.d_model);
  chunk.drop_scales = at(data.drop_scales, first);
  chunk.gate_extra = at(data.gate_extra, row * width);
  chunk.dgate_extra = at(data.dgate_extra, row * width);
  chunk.mean = at(saved.mean, row);
  chunk.rstd = at(saved.rstd, row);
  chunk.gate_mean = at(saved.gate_mean, row);
  chunk.gate_rstd = at(saved.gate_rstd, row);
  chunk.h = at(static_cast<S*>(saved.h), row * s.d_ffn);
  chunk.t = at(static_cast<S*>(saved.t), row * width);
  return chunk;
}

template <typename T>
int64_t workspace_of(const BlockShape& s) {
  WorkspaceAllocator forward{nullptr, 0};
  allocate_forward<T>(forward, forward, s);
  WorkspaceAllocator backward{nullptr, 0};
  allocate_backward<T>(backward, s);
  return max(forward.used, backward.used);
}

template <typename T>
int64_t packed_of(const BlockShape& s) {
  WorkspaceAllocator packed{nullptr, 0};
  WorkspaceAllocator others{nullptr, 0};
  allocate_forward<T>(packed, others, s);
  return packed.used;
}

/// Where nothing is saved the norms' statistics go into `stats`, which every chunk uses anew.
template <typename S>
void put_stats(Chunk<S>& chunk, float* stats) {
  chunk.mean = stats;
  chunk.rstd = stats + chunk.rows;
  chunk.gate_mean = stats + 2 * chunk.rows;
  chunk.gate_rstd = stats + 3 * chunk.rows;
}

template <typename T, typename S>
void forward(const BlockData& data, const BlockSaved& saved, const BlockWeights<const float*>& w,
             void* workspace, const BlockShape& s) {
  WorkspaceAllocator carver{static_cast<char*>(workspace), 0};
  WorkspaceAllocator packed{static_cast<char*>(data.packed), 0};
  const ForwardRoom<T> room =
      allocate_forward<T>(data.packed == nullptr ? carver : packed, carver, s);
  if (!data.is_packed) {
    pack_b<T>(room.w1, w.fc1_weight, s.d_model, s.d_model, true);
    pack_b<T>(room.w2, w.fc2_weight, gate_width(s), gate_width(s), true);
    pack_weight_tiles<T>(room.w_token.data, w.spatial_weight, s.tokens, false);
    profile_mark("forward pack weights");
  }
  for (int64_t first = 0; first < s.batch; first += chunk_samples(s)) {
    Chunk<S> chunk = chunk_at<S>(data, saved, first, s);
    if (saved.mean == nullptr) put_stats(chunk, room.stats);
    PackedB w1 = room.w1;
    PackedB w2 = room.w2;
    w1.far = w2.far = data.is_packed && first == 0;  // all other blocks' weights came in between
    norm_fc1_gelu_forward(room.z, chunk, room.x_hat, w1, w, s);
    profile_mark("forward norm_fc1_gelu");
    spatial_gate_forward(room.gated, room.z, chunk, room.packed, room.w_token, w, s);
    profile_mark("forward spatial_gate");
    fc2_residual_forward(chunk, room.gated, w2, w, s);
    profile_mark("forward fc2_residual");
  }
}

/// Calls body(grad, partial, count) for each sixteen numbers of the gradients that have a partial
/// sum, on all threads.
template <typename Body>
void each_partial(const BlockWeights<float*>& grad, const BlockWeights<float*>& partial_grad,
                  const BlockShape& shape, const Body& body) {
  constexpr int64_t kShares = 16;
  parallel_tasks(kShares, [&](const TaskSlot& slot) {
    for_each_weight(
        [&](const char* /*name*/, float* sum, float* partial, int64_t size) {
          if (partial == nullptr) return;
          const int64_t vectors = ceil_div(size, kLanes);
          const int64_t begin = vectors * slot.task / kShares * kLanes;
          const int64_t end = min(vectors * (slot.task + 1) / kShares * kLanes, size);
          for (int64_t i = begin; i < end; i += kLanes) {
            body(sum + i, partial + i, min(kLanes, end - i));
          }
        },
        grad, partial_grad, weight_sizes(shape));
  });
}

template <typename T, typename S>
void backward(const BlockData& data, const BlockWeights<float*>& grad, const BlockSaved& saved,
              const BlockWeights<const float*>& w, void* workspace, const BlockShape& s) {
  WorkspaceAllocator carver{static_cast<char*>(workspace), 0};
  const BackwardRoom<T> room = allocate_backward<T>(carver, s);
  T* dr = room.dr;
  pack_b<T>(room.w1, w.fc1_weight, s.d_model, s.d_ffn, false);
  pack_b<T>(room.w2, w.fc2_weight, gate_width(s), s.d_model, false);
  pack_weight_tiles<T>(room.w_transposed.data, w.spatial_weight, s.tokens, true);
  profile_mark("backward pack weights");
  const bool halved = chunk_samples(s) > 1 || row_blocks(s.tokens) > 1;
  if (halved) {
    each_partial(grad, room.grad_first, s,
                 [](float*, float* first, int64_t count) { store(first, zero(), count); });
    profile_mark("backward halves of dW");
  }
  for (int64_t sample = 0; sample < s.batch; sample += chunk_samples(s)) {
    const Chunk<S> chunk = chunk_at<S>(data, saved, sample, s);
    const HalvedB gated = halved_b<T>(room.packed, chunk.rows, gate_width(s));
    fc2_residual_backward(room.dh, room.dt, chunk, gated, dr, room.w2, w, s);
    profile_mark("backward fc2_residual");
    fc2_residual_weight(grad, room.grad_first, chunk, gated, dr, room.a_room, s);
    profile_mark("backward fc2_residual, dW");
    spatial_backward_input(room.dv_hat, room.dt, chunk, room.packed, room.w_transposed, s);
    profile_mark("backward spatial_gate");
    gate_norm_backward(room.dh, grad, room.v_hat, room.dv_hat, chunk, room.partials, w, s);
    profile_mark("backward gate norm, GELU");
    spatial_backward_weight(grad, room.grad_first, room.dt, room.v_hat, chunk, room.packed, s);
    profile_mark("backward spatial_gate, dW");
    norm_fc1_gelu_weight(grad, room.grad_first, room.dh, chunk, room.packed, room.a_room, w, s);
    profile_mark("backward norm_fc1_gelu, dW");
    norm_fc1_gelu_backward(grad, room.dh, chunk, room.dx_hat, room.partials, room.w1, w, s);
    profile_mark("backward norm_fc1_gelu");
  }
  if (halved) {
    each_partial(grad, room.grad_first, s, [](float* sum, const float* first, int64_t count) {
      store(sum, load(sum, count) + load(first, count), count);
    });
    profile_mark("backward halves of dW");
  }
}

}  // namespace

int64_t block_workspace(const BlockShape& s) {
  const auto of = [&](auto operand) { return workspace_of<decltype(operand)>(s); };
  return s.precision == Precision::kBf16 ? of(Bf16Operand{}) : of(0.0f);
}

int64_t block_packed(const BlockShape& s) {
  const auto of = [&](auto operand) { return packed_of<decltype(operand)>(s); };
  return s.precision == Precision::kBf16 ? of(Bf16Operand{}) : of(0.0f);
}

void block_forward(const BlockData& data, const BlockSaved& saved,
                   const BlockWeights<const float*>& weights, void* workspace,
                   const BlockShape& s) {
  if (s.precision == Precision::kBf16) {
    forward<Bf16Operand, Bf16>(data, saved, weights, workspace, s);
  } else {
    forward<float, float>(data, saved, weights, workspace, s);
  }
}

void block_backward(const BlockData& data, const BlockWeights<float*>& gradients,
                    const BlockSaved& saved, const BlockWeights<const float*>& weights,
                    void* workspace, const BlockShape& s) {
  if (s.precision == Precision::kBf16) {
    backward<Bf16Operand, Bf16>(data, gradients, saved, weights, workspace, s);
  } else {
    backward<float, float>(data, gradients, saved, weights, workspace, s);
  }
}

void norm_fc1_gelu(void* z, const float* x, const BlockWeights<const float*>& weights,
                   void* workspace, const BlockShape& s) {
  const auto run = [&](auto operand, auto saved) {
    using T = decltype(operand);
    using S = decltype(saved);
    WorkspaceAllocator carver{static_cast<char*>(workspace), 0};
    const ForwardRoom<T> room = allocate_forward<T>(carver, carver, s);
    if (z == nullptr) {
      pack_b<T>(room.w1, weights.fc1_weight, s.d_model, s.d_model, true);
      return;
    }
    BlockData data{};
    data.x = x;
    for (int64_t first = 0; first < s.batch; first += chunk_samples(s)) {
      Chunk<S> chunk = chunk_at<S>(data, BlockSaved{}, first, s);
      put_stats(chunk, room.stats);
      norm_fc1_gelu_forward(static_cast<T*>(z) + first * s.tokens * stride_of<T>(s.d_ffn), chunk,
                            room.x_hat, room.w1, weights, s);
    }
  };
  if (s.precision == Precision::kBf16) {
    run(Bf16Operand{}, Bf16{});
  } else {
    run(0.0f, 0.0f);
  }
}

}  // namespace gmlp::fused::GMLP_ISA
