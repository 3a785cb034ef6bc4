#pragma once
// The second channel projection, with stochastic depth and the shortcut.
//
//   forward    y = x + p (s W2ᵀ + b2)         s (R,E), W2 (D,E), y (R,D)
//              p: the sample's drop-path scale
//   backward   dr = p dy        dW2 += drᵀ s        db2 += sum_r dr        ds = dr W2
//              and at once, while ds is in registers, the gate's products:
//              dt = ds * u         dh_u = ds * (t + b) * gelu'(h_u)         s = u (t + b), again
//
// Saved: nothing of its own; s is recomputed from h and t.

#include "kernels/fused/chunk.h"
#include "kernels/fused/vector_math.h"

namespace gmlp::fused::GMLP_ISA {

GMLP_INLINE void channel_out_forward(const Chunk& chunk, const float* gated, const float* w2_packed,
                                     const BlockWeights<const float>& w, const BlockShape& s) {
  const int64_t d = s.d_model;
  const int64_t width = s.d_ffn / 2;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(chunk.rows); ++block) {
    const int64_t r0 = block * kRowBlock;
    const int64_t r1 = smaller(r0 + kRowBlock, chunk.rows);
    gemm_rows(chunk.y, d, gated, width, w2_packed, r0, r1, d, width,
              [&](int64_t row, int64_t col, int64_t cols, V16 sum) {
                V16 branch = sum + load(w.fc2_bias + col, cols);
                if (chunk.drop_scales != nullptr) {
                  branch = branch * set1(chunk.drop_scales[row / s.tokens]);
                }
                store(chunk.y + row * d + col, load(chunk.x + row * d + col, cols) + branch, cols);
              });
  }
}

/// Writes dh[:, :E], dt (R,E) and, as room, `gated` (R,E) and `dr` (R,D); adds to dW2 and db2.
GMLP_INLINE void channel_out_backward(float* dh, float* dt, const BlockWeights<float>& grad,
                                      const Chunk& chunk, float* gated, float* dr_room,
                                      float* packed, float* a_room, const float* w2_packed,
                                      const BlockWeights<const float>& w, const BlockShape& s) {
  const int64_t d = s.d_model;
  const int64_t width = s.d_ffn / 2;
  const float* dr = chunk.drop_scales == nullptr ? chunk.dy : dr_room;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(chunk.rows); ++block) {
    const int64_t r0 = block * kRowBlock;
    const int64_t r1 = smaller(r0 + kRowBlock, chunk.rows);
    if (chunk.drop_scales != nullptr) {  // "branch * p"
      for (int64_t r = r0; r < r1; ++r) {
        const V16 scale = set1(chunk.drop_scales[r / s.tokens]);
        for (int64_t c = 0; c < d; c += kPanel) {
          const int64_t count = smaller(kPanel, d - c);
          store(dr_room + r * d + c, load(chunk.dy + r * d + c, count) * scale, count);
        }
      }
    }
    gemm_rows(dt, width, dr, d, w2_packed, r0, r1, width, d,
              [&](int64_t row, int64_t col, int64_t cols, V16 ds) {
                const int64_t place = row * width + col;
                const V16 h = load(chunk.saved.h + row * s.d_ffn + col, cols);
                const Normal phi = normal(h);
                const V16 u = h * phi.cdf;
                const V16 gate =
                    load(chunk.saved.t + place, cols) + set1(w.spatial_bias[row % s.tokens]);
                store(dt + place, ds * u, cols);
                store(gated + place, u * gate, cols);
                store(dh + row * s.d_ffn + col, ds * gate * fma(h, phi.pdf, phi.cdf), cols);
              });
  }
  pack_b(packed, gated, width, chunk.rows, width, false);
  gemm_transposed(grad.fc2_weight, width, dr, d, packed, a_room, d, width, chunk.rows);
  add_column_sums(grad.fc2_bias, dr, d, chunk.rows, d);
}

}  // namespace gmlp::fused::GMLP_ISA
