#pragma once
// The second channel projection (timm's fc2), with stochastic depth and the shortcut.
//
//   forward    y = x + p (s W2ᵀ + b2)         s (R,E), W2 (D,E), y (R,D)
//              p: the sample's drop-path scale
//   backward   dr = p dy        dW2 += drᵀ s        db2 += sum_r dr        ds = dr W2
//              and the gate's backward (spatial_gate.h) while ds is in registers:
//              ds -> dt = dg, du; with s = u g again, u = gelu(h_u), g = t + b (+ a)
//
// Saved: nothing of its own; s is recomputed from h and t.

#include "kernels/fused/block.h"
#include "kernels/fused/spatial_gate.h"

namespace gmlp::fused::GMLP_ISA {

template <typename Operand, typename Saved>
GMLP_INLINE void fc2_residual_forward(const Chunk<Operand, Saved>& chunk,
                                      const ForwardWorkspace<Operand>& ws,
                                      const BlockWeights<const float*>& w) {
  const int64_t d = chunk.d_model;
  const int64_t n = chunk.tokens;
  const auto plan_prefetch = [&](PrefetchPlan& plan, int64_t row, int64_t col) {
    add_rows(plan, chunk.x + row * d + col, d);
    add_rows(plan, chunk.y + row * d + col, d);
  };
  parallel_tiles<Operand>(chunk.rows, [&](int64_t r0, int64_t r1, auto...) {
    gemm_rows(RowMajor<Operand>{ws.gated, chunk.e_stride}, ws.w2, r0, r1, Triangle::kNone,
              plan_prefetch, [&](int64_t row, int64_t col, int64_t count, F32x16 sum) {
                F32x16 branch = sum + load(w.fc2.bias + col, count);
                if (chunk.drop_scales != nullptr)
                  branch = branch * set1(chunk.drop_scales[row / n]);
                store(chunk.y + row * d + col, load(chunk.x + row * d + col, count) + branch,
                      count);
              });
  });
}

/// Writes dh[:, :E], dt and dr (R,D), and s (R,E) into the panels `gated`.
template <typename Operand, typename Saved>
GMLP_INLINE void fc2_residual_backward(const SplitB& gated, const Chunk<Operand, Saved>& chunk,
                                       const BackwardWorkspace<Operand>& ws,
                                       const BlockWeights<const float*>& w) {
  constexpr int64_t kElements = KStep<Operand>::kElements;
  // Local copies, because the compiler would reload the chunk's fields after every store.
  const int64_t d = chunk.d_model;
  const int64_t d_stride = chunk.d_stride;
  const int64_t e = chunk.d_gate;
  const int64_t e_stride = chunk.e_stride;
  const int64_t f = chunk.d_ffn;
  const int64_t f_stride = chunk.f_stride;
  const Gate gate = chunk.gate;
  const Saved* h_saved = chunk.h;
  const Saved* t_saved = chunk.t;
  const float* gate_extra = chunk.gate_extra;
  float* dgate_extra = chunk.dgate_extra;
  Operand* dh = ws.dh;
  Operand* dt = ws.dt;
  Operand* dr = ws.dr;
  parallel_tiles<Operand>(chunk.rows, [&](int64_t r0, int64_t r1, auto...) {
    float biases[kMC];  // looked up once per row, so the epilogue does no modulo
    for (int64_t r = r0; r < r1; ++r) biases[r - r0] = w.spatial.bias[r % chunk.tokens];
    const float* bias = biases;
    for (int64_t r = r0; r < r1; ++r) {  // "branch * p"
      const float p = chunk.drop_scales == nullptr ? 1.0f : chunk.drop_scales[r / chunk.tokens];
      for (int64_t c = 0; c < d; c += kLanes) {
        const int64_t count = min(kLanes, d - c);
        store(dr + r * d_stride + c, load(chunk.dy + r * d + c, count) * set1(p), count);
      }
    }
    const PackedB gated_part = gated.at(r0);
    const int64_t part_begin = r0 - gated.row_in_part(r0);
    const auto plan_prefetch = [&](PrefetchPlan& plan, int64_t row, int64_t col) {
      // h and t are in DRAM: prefetched one panel ahead, and again when they are needed.
      const int64_t ahead = col + kNR < e ? kNR : 0;
      add_rows(plan, h_saved + row * f + col + ahead, f);
      add_rows(plan, t_saved + row * e + col + ahead, e);
      add_rows(plan, h_saved + row * f + col, f);
      add_rows(plan, t_saved + row * e + col, e);
      add_rows(plan, dt + row * e_stride + col, e_stride);
      add_rows(plan, panel_address(gated_part, (row - part_begin) / kElements, col),
               kNR / kElements);
      add_rows(plan, dh + row * f_stride + col, f_stride);
    };
    // Not overlapped: this epilogue has more latency than the next product can hide, but with
    // tmm the vector units are free for it.
    gemm_rows<kUsesTmm<Operand>>(
        RowMajor<Operand>{dr, d_stride}, ws.w2, r0, r1, Triangle::kNone, plan_prefetch,
        [=](int64_t row, int64_t col, int64_t count, F32x16 ds) {
          const int64_t at = row * e + col;
          F32x16 g = load(t_saved + at, count) + set1(bias[row - r0]);
          if (gate_extra != nullptr) g = g + load(gate_extra + at, count);
          const F32x16 h = load(h_saved + row * f + col, count);
          const GateGradients parts = gate_backward<Operand>(gate, ds, g, h);
          store(dt + row * e_stride + col, parts.dg, count);
          store_in_panel<Operand>(gated_part, row - part_begin, col, parts.s);
          store(dh + row * f_stride + col, parts.du, count);
          if (dgate_extra != nullptr) store(dgate_extra + at, parts.dg, count);
        });
  });
}

/// dW2 and db2.
template <typename Operand, typename Saved>
GMLP_INLINE void fc2_residual_weight(const BlockWeights<float*>& grad, const SplitB& gated,
                                     const Chunk<Operand, Saved>& chunk,
                                     const BackwardWorkspace<Operand>& ws) {
  add_split_gradient(grad.fc2, ws.partial_grad.fc2, ws.dr, chunk.d_stride, gated, ws.dy_tiles,
                     chunk.d_model, chunk.rows);
}

}  // namespace gmlp::fused::GMLP_ISA
