#pragma once
// The first channel projection with the norm before it and the GELU after it.
//
//   forward    x̂ = layernorm(x)        h = x̂ W1ᵀ + b1        z = gelu(h)
//              x (R,D), W1 (F,D), h and z (R,F); R = rows of the chunk
//              and, since the rows of z are at hand, the statistics of the gate's norm over v
//   backward   (dh comes from spatial_gate.h)
//              dW1 += dhᵀ x̂      db1 += sum_r dh      dx̂ = dh W1
//              dx = dy + layernorm_backward(dx̂)
//
// Saved: h, and two numbers a row of each norm. z is recomputed from h, x̂ from x.

#include "kernels/fused/chunk.h"
#include "kernels/math/gelu.h"
#include "kernels/math/layernorm.h"

namespace gmlp::fused::GMLP_ISA {

/// (1) x -> x̂, (2) x̂ -> h -> z, (3) statistics of the gate's half of z, for `rows` rows from r0
/// on. `x_hat` is room for them; `next` to `next_end` is what will be normalised after them.
template <typename T, typename S>
GMLP_INLINE void norm_fc1_gelu_rows(T* z, const Chunk<S>& chunk, T* x_hat, const float* next,
                                    const float* next_end, const PackedB& w1,
                                    const BlockWeights<const float*>& w, const BlockShape& s,
                                    int64_t r0, int64_t rows) {
  const int64_t d = s.d_model;
  const int64_t f = s.d_ffn;
  const int64_t d_stride = stride_of<T>(d);
  const int64_t f_stride = stride_of<T>(f);
  normalise_rows(x_hat, d_stride, chunk.mean + r0, chunk.rstd + r0, chunk.x + r0 * d,  // (1)
                 w.norm_weight, w.norm_bias, rows, d, s.norm_eps);
  z += r0 * f_stride;
  S* h_saved = chunk.h == nullptr ? nullptr : chunk.h + r0 * f;
  const float* bias = w.fc1_bias;
  // The next rows of x are asked for during the product, a share with each tile.
  int64_t tiles = panels_of(f) * tiles_of(rows);
  const auto prepare = [&](Lines& lines, int64_t row, int64_t col) {
    add_later(lines, next, next_end, tiles--);
    add_lines(lines, z + row * f_stride + col, f_stride);
  };
  gemm_rows(RowMajor<T>{x_hat, d_stride}, w1, 0, rows, Triangle::kNone,
            prepare,  // (2)
            [=](int64_t row, int64_t col, int64_t cols, F32x16 sum) {
              const F32x16 h = rounded(sum + load(bias + col, cols), S{});
              store(z + row * f_stride + col, gelu(h), cols);
              if (h_saved != nullptr) stream(h_saved + row * f + col, h, cols);
            });
  store_fence();
  const int64_t width = gate_width(s);
  for (int64_t r = 0; r < rows; ++r) {  // (3)
    const RowStats stats = row_stats(z + r * f_stride + f - width, width, s.gate_eps);
    chunk.gate_mean[r0 + r] = stats.mean;
    chunk.gate_rstd[r0 + r] = stats.rstd;
  }
}

template <typename T, typename S>
GMLP_INLINE void norm_fc1_gelu_forward(T* z, const Chunk<S>& chunk, T* x_hat, const PackedB& w1,
                                       const BlockWeights<const float*>& w, const BlockShape& s) {
  parallel_tasks(row_blocks(chunk.rows), [&](const TaskSlot& turn) {
    const int64_t r0 = turn.task * kMC;
    const int64_t next0 = min(turn.next * kMC, chunk.rows);
    const int64_t next1 = min(next0 + kMC, chunk.rows);
    norm_fc1_gelu_rows(z, chunk, x_hat + turn.first * kMC * stride_of<T>(s.d_model),
                       chunk.x + next0 * s.d_model, chunk.x + next1 * s.d_model, w1, w, s, r0,
                       min(kMC, chunk.rows - r0));
  });
}

/// dW1 and db1: of the chunk's first half into `grad_first`, of the second into `grad`. `packed`
/// and `a_room` are room.
template <typename T, typename S>
GMLP_INLINE void norm_fc1_gelu_weight(const BlockWeights<float*>& grad,
                                      const BlockWeights<float*>& grad_first, const T* dh,
                                      const Chunk<S>& chunk, float* packed, float* a_room,
                                      const BlockWeights<const float*>& w, const BlockShape& s) {
  const int64_t d = s.d_model;
  const HalvedB b = halved_b<T>(packed, chunk.rows, d);
  // x̂ again, where the GEMM wants its B: "h = x̂ W1ᵀ" gives dW1 = dhᵀ x̂.
  parallel_tasks(row_blocks(chunk.rows), [&](const TaskSlot& turn) {
    const int64_t block = turn.task;
    for (int64_t r = block * kMC; r < min((block + 1) * kMC, chunk.rows); ++r) {
      const RowStats stats{chunk.mean[r], chunk.rstd[r]};
      for (int64_t c = 0; c < panels_of(d) * kNR; c += kLanes) {
        const int64_t count = max(0, min(kLanes, d - c));
        const F32x16 x_hat =
            normalise(load(chunk.x + r * d + c, count), stats, load(w.norm_weight + c, count),
                      load(w.norm_bias + c, count));
        put_in_panel(b.at(r), b.row_in_half(r), c, x_hat, T{});
      }
    }
  });
  halved_weight(
      HalvedGradient{grad_first.fc1_weight, grad_first.fc1_bias, grad.fc1_weight, grad.fc1_bias},
      dh, stride_of<T>(s.d_ffn), b, a_room, s.d_ffn, chunk.rows);
}

/// Undoes (2), then (1). `dx_hat` (R,D) is room; `partials` holds 2 D floats a row block.
template <typename T, typename S>
GMLP_INLINE void norm_fc1_gelu_backward(const BlockWeights<float*>& grad, const T* dh,
                                        const Chunk<S>& chunk, float* dx_hat, float* partials,
                                        const PackedB& w1, const BlockWeights<const float*>& w,
                                        const BlockShape& s) {
  const int64_t d = s.d_model;
  parallel_tasks(row_blocks(chunk.rows), [&](const TaskSlot& turn) {
    const int64_t block = turn.task;
    const int64_t r0 = block * kMC;
    const int64_t r1 = min(r0 + kMC, chunk.rows);
    float* dgamma = partials + block * 2 * d;
    float* dbeta = dgamma + d;
    for (int64_t c = 0; c < 2 * d; ++c) dgamma[c] = 0;
    gemm_rows(
        RowMajor<T>{dh, stride_of<T>(s.d_ffn)}, w1, r0, r1, Triangle::kNone,
        [&](Lines& lines, int64_t row, int64_t col) {
          add_lines(lines, dx_hat + row * d + col, d);
        },
        [&](int64_t row, int64_t col, int64_t cols, F32x16 sum) {
          store(dx_hat + row * d + col, sum, cols);
        });
    for (int64_t r = r0; r < r1; ++r) {
      const RowStats stats{chunk.mean[r], chunk.rstd[r]};
      const float* x = chunk.x + r * d;
      const float* dy_hat = dx_hat + r * d;
      const RowMeans means = norm_backward_means(dgamma, dbeta, dy_hat, x, stats, w.norm_weight, d);
      for (int64_t c = 0; c < d; c += kLanes) {
        const int64_t count = min(kLanes, d - c);
        const F32x16 branch = norm_backward(load(dy_hat + c, count), load(x + c, count), stats,
                                            means, load(w.norm_weight + c, count));
        // "y = x + ..." of fc2_residual.h: the shortcut's gradient joins here.
        store(chunk.dx + r * d + c, load(chunk.dy + r * d + c, count) + branch, count);
      }
    }
  });
  add_norm_partials(grad.norm_weight, grad.norm_bias, partials, row_blocks(chunk.rows), d);
}

}  // namespace gmlp::fused::GMLP_ISA
