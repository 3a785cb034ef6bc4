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
#include "kernels/math/gelu.h"

namespace gmlp::fused::GMLP_ISA {

template <typename T, typename S>
GMLP_INLINE void fc2_residual_forward(const Chunk<S>& chunk, const T* gated, const PackedB& w2,
                                      const BlockWeights<const float*>& w, const BlockShape& s) {
  const int64_t d = s.d_model;
  parallel_tasks(row_blocks(chunk.rows), [&](const TaskSlot& turn) {
    const int64_t block = turn.task;
    const int64_t r0 = block * kMC;
    const int64_t r1 = min(r0 + kMC, chunk.rows);
    const auto prepare = [&](Lines& lines, int64_t row, int64_t col) {
      add_lines(lines, chunk.x + row * d + col, d);
      add_lines(lines, chunk.y + row * d + col, d);
    };
    gemm_rows(RowMajor<T>{gated, stride_of<T>(gate_width(s))}, w2, r0, r1, Triangle::kNone, prepare,
              [&](int64_t row, int64_t col, int64_t cols, F32x16 sum) {
                F32x16 branch = sum + load(w.fc2_bias + col, cols);
                if (chunk.drop_scales != nullptr) {
                  branch = branch * set1(chunk.drop_scales[row / s.tokens]);
                }
                store(chunk.y + row * d + col, load(chunk.x + row * d + col, cols) + branch, cols);
              });
  });
}

/// What ds becomes at a place whose gate is g and whose u, with its slope, comes from h.
struct GateGradients {
  F32x16 dg;     // of the gate, and so of t
  F32x16 du;     // of u; the split gate's is carried on to h at once, the others wait for v's share
  F32x16 gated;  // s, again
};
GMLP_INLINE GateGradients gate_backward(Gate gate, F32x16 ds, F32x16 g, F32x16 h) {
  const Gelu u = gelu_and_slope(h);
  switch (gate) {
    case Gate::kSplit:
      return {ds * u.value, ds * g * u.slope, u.value * g};
    case Gate::kMultiplicative:
      return {ds * u.value, ds * g, u.value * g};
    case Gate::kAdditive:
      return {ds, ds, u.value + g};
    case Gate::kLinear:
      break;
  }
  return {ds, zero(), g};
}

/// Writes dh[:, :E], dt (R,E) and, as room for dW2, `gated` (R,E) in panels and `dr` (R,D).
template <typename T, typename S>
GMLP_INLINE void fc2_residual_backward(T* dh, T* dt, const Chunk<S>& chunk, const HalvedB& gated,
                                       T* dr, const PackedB& w2,
                                       const BlockWeights<const float*>& w, const BlockShape& s) {
  const int64_t d = s.d_model;
  const int64_t d_stride = stride_of<T>(d);
  const int64_t width = gate_width(s);
  const int64_t e_stride = stride_of<T>(width);
  const int64_t f = s.d_ffn;
  const int64_t f_stride = stride_of<T>(f);
  // Copies: to the compiler a stored vector may change whatever is behind a pointer.
  const Gate gate = s.gate;
  const S* h_saved = chunk.h;
  const S* t_saved = chunk.t;
  const float* gate_extra = chunk.gate_extra;
  float* dgate_extra = chunk.dgate_extra;
  parallel_tasks(row_blocks(chunk.rows), [&](const TaskSlot& turn) {
    const int64_t block = turn.task;
    const int64_t r0 = block * kMC;
    const int64_t r1 = min(r0 + kMC, chunk.rows);
    float biases[kMC];  // of each row's token: here it costs one division a row
    for (int64_t r = r0; r < r1; ++r) biases[r - r0] = w.spatial_bias[r % s.tokens];
    const float* bias = biases;
    for (int64_t r = r0; r < r1; ++r) {  // "branch * p"
      const float p = chunk.drop_scales == nullptr ? 1.0f : chunk.drop_scales[r / s.tokens];
      for (int64_t c = 0; c < d; c += kLanes) {
        const int64_t count = min(kLanes, d - c);
        store(dr + r * d_stride + c, load(chunk.dy + r * d + c, count) * set1(p), count);
      }
    }
    const PackedB gated_half = gated.at(r0);
    const int64_t half_begin = r0 - gated.row_in_half(r0);
    const auto prepare = [&](Lines& lines, int64_t row, int64_t col) {
      // From memory: asked for a panel ahead, and once more when it is needed.
      const int64_t ahead = col + kNR < width ? kNR : 0;
      add_lines(lines, h_saved + row * f + col + ahead, f);
      add_lines(lines, t_saved + row * width + col + ahead, width);
      add_lines(lines, h_saved + row * f + col, f);
      add_lines(lines, t_saved + row * width + col, width);
      add_lines(lines, dt + row * e_stride + col, e_stride);
      add_lines(lines, place_of(gated_half, (row - half_begin) / Operand<T>::kPerWord, col),
                kNR / Operand<T>::kPerWord);  // a word has one row, or two
      add_lines(lines, dh + row * f_stride + col, f_stride);
    };
    // After each product: this epilogue waits longer for itself than a product beside it can hide.
    gemm_rows<false>(RowMajor<T>{dr, d_stride}, w2, r0, r1, Triangle::kNone, prepare,
                     [=](int64_t row, int64_t col, int64_t cols, F32x16 ds) {
                       const int64_t at = row * width + col;
                       F32x16 g = load(t_saved + at, cols) + set1(bias[row - r0]);
                       if (gate_extra != nullptr) g = g + load(gate_extra + at, cols);
                       const F32x16 h = load(h_saved + row * f + col, cols);
                       const GateGradients parts = gate_backward(gate, ds, g, h);
                       store(dt + row * e_stride + col, parts.dg, cols);
                       put_in_panel(gated_half, row - half_begin, col, parts.gated, T{});
                       store(dh + row * f_stride + col, parts.du, cols);
                       if (dgate_extra != nullptr) store(dgate_extra + at, parts.dg, cols);
                     });
  });
}

/// dW2 and db2: of the chunk's first half into `grad_first`, of the second into `grad`.
template <typename T, typename S>
GMLP_INLINE void fc2_residual_weight(const BlockWeights<float*>& grad,
                                     const BlockWeights<float*>& grad_first, const Chunk<S>& chunk,
                                     const HalvedB& gated, const T* dr, float* a_room,
                                     const BlockShape& s) {
  halved_weight(
      HalvedGradient{grad_first.fc2_weight, grad_first.fc2_bias, grad.fc2_weight, grad.fc2_bias},
      dr, stride_of<T>(s.d_model), gated, a_room, s.d_model, chunk.rows);
}

}  // namespace gmlp::fused::GMLP_ISA
