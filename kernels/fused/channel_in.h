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
#include "kernels/fused/layernorm.h"
#include "kernels/fused/vector_math.h"

namespace gmlp::fused::GMLP_ISA {

/// (1) x -> x̂, (2) x̂ -> h -> z, (3) statistics of the gate's half of z. h may be z itself when
/// nothing is saved.
GMLP_INLINE void channel_in_forward(float* z, float* h, const Chunk& chunk, float* x_hat,
                                    const float* w1_packed, const BlockWeights<const float>& w,
                                    const BlockShape& s) {
  const int64_t gate_width = s.d_ffn / 2;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(chunk.rows); ++block) {
    const int64_t r0 = block * kRowBlock;
    const int64_t r1 = smaller(r0 + kRowBlock, chunk.rows);
    for (int64_t r = r0; r < r1; ++r) {  // (1)
      const float* x = chunk.x + r * s.d_model;
      const RowStats stats = row_stats(x, s.d_model, s.norm_eps);
      chunk.saved.mean[r] = stats.mean;
      chunk.saved.rstd[r] = stats.rstd;
      normalise_row(x_hat + r * s.d_model, x, stats, w.norm_weight, w.norm_bias, s.d_model);
    }
    gemm_rows(h, s.d_ffn, x_hat, s.d_model, w1_packed, r0, r1, s.d_ffn, s.d_model,  // (2)
              [&](int64_t row, int64_t col, int64_t cols, V16 sum) {
                const V16 value = sum + load(w.fc1_bias + col, cols);
                store(h + row * s.d_ffn + col, value, cols);
                store(z + row * s.d_ffn + col, gelu(value), cols);
              });
    for (int64_t r = r0; r < r1; ++r) {  // (3)
      const RowStats stats = row_stats(z + r * s.d_ffn + gate_width, gate_width, s.gate_eps);
      chunk.saved.gate_mean[r] = stats.mean;
      chunk.saved.gate_rstd[r] = stats.rstd;
    }
  }
}

/// Undoes (2), then (1). `x_hat` and `dx_hat` (R,D), `packed` and `a_room` are room; `partials`
/// holds 2 D floats a row block.
GMLP_INLINE void channel_in_backward(const BlockWeights<float>& grad, const float* dh,
                                     const Chunk& chunk, float* x_hat, float* dx_hat, float* packed,
                                     float* a_room, float* partials, const float* w1_packed,
                                     const BlockWeights<const float>& w, const BlockShape& s) {
  const int64_t d = s.d_model;
  // x̂ again, which dW1 needs as the GEMM's B: "h = x̂ W1ᵀ" gives dW1 = dhᵀ x̂.
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(chunk.rows); ++block) {
    for (int64_t r = block * kRowBlock; r < smaller((block + 1) * kRowBlock, chunk.rows); ++r) {
      const RowStats stats{chunk.saved.mean[r], chunk.saved.rstd[r]};
      normalise_row(x_hat + r * d, chunk.x + r * d, stats, w.norm_weight, w.norm_bias, d);
    }
  }
  pack_b(packed, x_hat, d, chunk.rows, d, false);
  gemm_transposed(grad.fc1_weight, d, dh, s.d_ffn, packed, a_room, s.d_ffn, d, chunk.rows);
  add_column_sums(grad.fc1_bias, dh, s.d_ffn, chunk.rows, s.d_ffn);

#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(chunk.rows); ++block) {
    const int64_t r0 = block * kRowBlock;
    const int64_t r1 = smaller(r0 + kRowBlock, chunk.rows);
    float* dgamma = partials + block * 2 * d;
    float* dbeta = dgamma + d;
    for (int64_t c = 0; c < 2 * d; ++c) dgamma[c] = 0;
    gemm_rows(dx_hat, d, dh, s.d_ffn, w1_packed, r0, r1, d, s.d_ffn,
              [&](int64_t row, int64_t col, int64_t cols, V16 sum) {
                store(dx_hat + row * d + col, sum, cols);
              });
    for (int64_t r = r0; r < r1; ++r) {
      const RowStats stats{chunk.saved.mean[r], chunk.saved.rstd[r]};
      const float* x = chunk.x + r * d;
      const float* dy_hat = dx_hat + r * d;
      const RowMeans means = norm_backward_means(dgamma, dbeta, dy_hat, x, stats, w.norm_weight, d);
      for (int64_t c = 0; c < d; c += kPanel) {
        const int64_t count = smaller(kPanel, d - c);
        const V16 branch = norm_backward(load(dy_hat + c, count), load(x + c, count), stats, means,
                                         load(w.norm_weight + c, count));
        // "y = x + ..." of channel_out.h: the shortcut's gradient joins here.
        store(chunk.dx + r * d + c, load(chunk.dy + r * d + c, count) + branch, count);
      }
    }
  }
  add_norm_partials(grad.norm_weight, grad.norm_bias, partials, row_blocks(chunk.rows), d);
}

}  // namespace gmlp::fused::GMLP_ISA
