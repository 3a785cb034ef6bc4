#pragma once
// The second channel projection, with stochastic depth and the shortcut.
//
//   forward    y = x + p (s W2ᵀ + b2)         s (R,E), W2 (D,E), y (R,D)
//              p: the sample's drop-path scale
//   backward   dr = p dy        dW2 += drᵀ s        db2 += sum_r dr        ds = dr W2
//              and at once, while ds is in registers, the gate's products (split gate; the others
//              in gate_backward):
//              dt = ds * u         dh_u = ds * g * gelu'(h_u)         s = u g again, g = t + b (+
//              a)
//
// Saved: nothing of its own; s is recomputed from h and t.

#include "kernels/fused/chunk.h"
#include "kernels/fused/vector_math.h"

namespace gmlp::fused::GMLP_ISA {

template <typename T>
GMLP_INLINE void channel_out_forward(const Chunk<T>& chunk, const T* gated, const PackedB& w2,
                                     const BlockWeights<const float>& w, const BlockShape& s) {
  const int64_t d = s.d_model;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(chunk.rows); ++block) {
    const int64_t r0 = block * kRowBlock;
    const int64_t r1 = smaller(r0 + kRowBlock, chunk.rows);
    const auto prepare = [&](int64_t row, int64_t rows, int64_t col) {
      prefetch_tile(chunk.x + row * d + col, d, rows);
      prefetch_write_tile(chunk.y + row * d + col, d, rows);
    };
    gemm_rows(chunk.y, d, gated, stride_of<T>(gate_width(s)), w2, r0, r1, Triangle::kNone, prepare,
              [&](int64_t row, int64_t col, int64_t cols, V16 sum) {
                V16 branch = sum + load(w.fc2_bias + col, cols);
                if (chunk.drop_scales != nullptr) {
                  branch = branch * set1(chunk.drop_scales[row / s.tokens]);
                }
                store(chunk.y + row * d + col, load(chunk.x + row * d + col, cols) + branch, cols);
              });
  }
}

/// What ds becomes at a place whose gate is g and whose u, with its Φ and φ, comes from h.
struct GateGradients {
  V16 dg;     // of the gate, and so of t
  V16 du;     // of u; the split gate's is carried on to h at once, the others wait for v's share
  V16 gated;  // s, again
};
GMLP_INLINE GateGradients gate_backward(Gate gate, V16 ds, V16 g, V16 h) {
  const Normal phi = normal(h);
  const V16 u = h * phi.cdf;
  switch (gate) {
    case Gate::kSplit:
      return {ds * u, ds * g * fma(h, phi.pdf, phi.cdf), u * g};
    case Gate::kMultiplicative:
      return {ds * u, ds * g, u * g};
    case Gate::kAdditive:
      return {ds, ds, u + g};
    case Gate::kLinear:
      break;
  }
  return {ds, zero(), g};
}

/// Writes dh[:, :E], dt (R,E) and, as room, `gated` (R,E) and `dr` (R,D).
template <typename T>
GMLP_INLINE void channel_out_backward(T* dh, T* dt, const Chunk<T>& chunk, T* gated, T* dr,
                                      const PackedB& w2, const BlockWeights<const float>& w,
                                      const BlockShape& s) {
  const int64_t d = s.d_model;
  const int64_t d_stride = stride_of<T>(d);
  const int64_t width = gate_width(s);
  const int64_t e_stride = stride_of<T>(width);
  const int64_t f_stride = stride_of<T>(s.d_ffn);
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(chunk.rows); ++block) {
    const int64_t r0 = block * kRowBlock;
    const int64_t r1 = smaller(r0 + kRowBlock, chunk.rows);
    for (int64_t r = r0; r < r1; ++r) {  // "branch * p"
      const float p = chunk.drop_scales == nullptr ? 1.0f : chunk.drop_scales[r / s.tokens];
      for (int64_t c = 0; c < d; c += kLanes) {
        const int64_t count = smaller(kLanes, d - c);
        store(dr + r * d_stride + c, load(chunk.dy + r * d + c, count) * set1(p), count);
      }
    }
    float* sums = reinterpret_cast<float*>(dt);  // as in channel_in_rows
    const auto prepare = [&](int64_t row, int64_t rows, int64_t col) {
      prefetch_tile(chunk.h + row * s.d_ffn + col, s.d_ffn, rows);
      prefetch_tile(chunk.t + row * width + col, width, rows);
      prefetch_write_tile(dt + row * e_stride + col, e_stride, rows);
      prefetch_write_tile(gated + row * e_stride + col, e_stride, rows);
      prefetch_write_tile(dh + row * f_stride + col, f_stride, rows);
    };
    gemm_rows(sums, e_stride, dr, d_stride, w2, r0, r1, Triangle::kNone, prepare,
              [&](int64_t row, int64_t col, int64_t cols, V16 ds) {
                V16 g =
                    load(chunk.t + row * width + col, cols) + set1(w.spatial_bias[row % s.tokens]);
                if (chunk.gate_extra != nullptr) {
                  g = g + load(chunk.gate_extra + row * width + col, cols);
                }
                const V16 h = load(chunk.h + row * s.d_ffn + col, cols);
                const GateGradients parts = gate_backward(s.gate, ds, g, h);
                store(dt + row * e_stride + col, parts.dg, cols);
                store(gated + row * e_stride + col, parts.gated, cols);
                store(dh + row * f_stride + col, parts.du, cols);
                if (chunk.dgate_extra != nullptr) {
                  store(chunk.dgate_extra + row * width + col, parts.dg, cols);
                }
              });
  }
}

/// dW2 and db2.
template <typename T>
GMLP_INLINE void channel_out_weight(const BlockWeights<float>& grad, const Chunk<T>& chunk,
                                    const T* gated, const T* dr, float* packed, float* a_room,
                                    const BlockShape& s) {
  const int64_t width = gate_width(s);
  const PackedB b{packed, words_of<T>(chunk.rows), width, owned_block<T>(chunk.rows)};
  pack_b<T>(b, gated, stride_of<T>(width), chunk.rows, false);
  gemm_transposed(grad.fc2_weight, width, grad.fc2_bias, dr, stride_of<T>(s.d_model), b, a_room,
                  s.d_model, chunk.rows);
}

}  // namespace gmlp::fused::GMLP_ISA
