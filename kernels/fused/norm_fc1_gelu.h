#pragma once
// The first channel projection (timm's fc1), with the norm before it and the GELU after it.
//
//   forward    x̂ = layernorm(x)        h = x̂ W1ᵀ + b1        z = gelu(h)
//              x (R,D), W1 (F,D), h and z (R,F); R = rows of the chunk
//              and the statistics of the gate's norm over v, since the rows of z are in the cache
//   backward   fc2_residual.h (u half) and spatial_gate.h (v half) compute dh
//              dW1 += dhᵀ x̂      db1 += sum_r dh      dx̂ = dh W1
//              dx = dy + layernorm_backward(dx̂)
//
// Saved: h, and two numbers per row of each norm. z is recomputed from h, x̂ from x.

#include "kernels/fused/block.h"
#include "kernels/math/gelu.h"
#include "kernels/math/layernorm.h"

namespace gmlp::fused::GMLP_ISA {

/// (1) x -> x̂, (2) x̂ -> h -> z, (3) the statistics of v, the last E columns of z.
template <typename Operand, typename Saved>
GMLP_INLINE void norm_fc1_gelu_forward(const Chunk<Operand, Saved>& chunk,
                                       const ForwardWorkspace<Operand>& ws,
                                       const BlockWeights<const float*>& w) {
  const int64_t d = chunk.d_model;
  const int64_t f = chunk.d_ffn;
  const int64_t d_stride = chunk.d_stride;
  const int64_t f_stride = chunk.f_stride;
  parallel_tiles<Operand>(
      chunk.rows, [&](int64_t r0, int64_t r1, const TaskSlot& slot, const RowTasks& tasks) {
        const int64_t rows = r1 - r0;
        Operand* x_hat = ws.x_hat + slot.first * tasks.size * d_stride;
        normalize_rows(x_hat, d_stride, chunk.mean + r0, chunk.rstd + r0, chunk.x + r0 * d,  // (1)
                       w.norm.weight, w.norm.bias, rows, d, chunk.norm_eps);
        Operand* z = ws.z + r0 * f_stride;
        Saved* h_saved = offset(chunk.h, r0 * f);
        const float* bias = w.fc1.bias;
        // The product also prefetches the next task's rows of x, a share with each tile.
        const float* next = chunk.x + tasks.begin(slot.next) * d;
        const float* next_end = chunk.x + tasks.begin(slot.next + 1) * d;
        int64_t tiles = panels_of(f) * tiles_of<Operand>(rows);
        const auto plan_prefetch = [&](PrefetchPlan& plan, int64_t row, int64_t col) {
          add_contiguous(plan, next, next_end, tiles--);
          add_rows(plan, z + row * f_stride + col, f_stride);
        };
        gemm_rows(RowMajor<Operand>{x_hat, d_stride}, ws.w1, 0, rows, Triangle::kNone,  // (2)
                  plan_prefetch, [=](int64_t row, int64_t col, int64_t count, F32x16 sum) {
                    const F32x16 h = round_to<Saved>(sum + load(bias + col, count));
                    store(z + row * f_stride + col, gelu<Operand>(h), count);
                    if (h_saved != nullptr) store_nontemporal(h_saved + row * f + col, h, count);
                  });
        store_fence();
        for (int64_t r = 0; r < rows; ++r) {  // (3)
          const RowStats stats =
              row_stats(z + r * f_stride + f - chunk.d_gate, chunk.d_gate, chunk.gate_eps);
          chunk.gate_mean[r0 + r] = stats.mean;
          chunk.gate_rstd[r0 + r] = stats.rstd;
        }
      });
}

/// dW1 and db1.
template <typename Operand, typename Saved>
GMLP_INLINE void norm_fc1_gelu_weight(const BlockWeights<float*>& grad,
                                      const Chunk<Operand, Saved>& chunk,
                                      const BackwardWorkspace<Operand>& ws,
                                      const BlockWeights<const float*>& w) {
  const int64_t d = chunk.d_model;
  const SplitB b = split_b<Operand>(ws.panels, chunk.rows, d);
  // x̂ again, straight into the panels of B: "h = x̂ W1ᵀ" gives dW1 = dhᵀ x̂.
  parallel_tiles<Operand>(chunk.rows, [&](int64_t r0, int64_t r1, auto...) {
    for (int64_t r = r0; r < r1; ++r) {
      const RowStats stats{chunk.mean[r], chunk.rstd[r]};
      for (int64_t c = 0; c < panels_of(d) * kNR; c += kLanes) {
        const int64_t count = max(0, min(kLanes, d - c));
        const F32x16 x_hat =
            normalize(load(chunk.x + r * d + c, count), stats, load(w.norm.weight + c, count),
                      load(w.norm.bias + c, count));
        store_in_panel<Operand>(b.at(r), b.row_in_part(r), c, x_hat);
      }
    }
  });
  add_split_gradient(grad.fc1, ws.partial_grad.fc1, ws.dh, chunk.f_stride, b, ws.dy_tiles,
                     chunk.d_ffn, chunk.rows);
}

/// The backward of (2), then of (1).
template <typename Operand, typename Saved>
GMLP_INLINE void norm_fc1_gelu_backward(const BlockWeights<float*>& grad,
                                        const Chunk<Operand, Saved>& chunk,
                                        const BackwardWorkspace<Operand>& ws,
                                        const BlockWeights<const float*>& w) {
  const int64_t d = chunk.d_model;
  float* dx_hat = ws.dx_hat;
  const auto norm_backward_of = [&](int64_t r0, int64_t r1, const TaskSlot& slot) {
    // "y = x + ..." of fc2_residual.h: the shortcut's gradient, dy, joins here.
    norm_backward_rows(chunk.dx, ws.norm_sums + slot.task * 2 * d, dx_hat, chunk.x, chunk.mean,
                       chunk.rstd, w.norm.weight, chunk.dy, r0, r1, d);
  };
  // The sums belong to kMC rows. A product in such tasks leaves dx̂ in the cache for them.
  const bool together = choose_row_tasks<Operand>(chunk.rows, omp_get_max_threads()).size == kMC;
  parallel_tiles<Operand>(chunk.rows, [&](int64_t r0, int64_t r1, const TaskSlot& slot, auto...) {
    gemm_rows(dx_hat, RowMajor<Operand>{ws.dh, chunk.f_stride}, ws.w1, r0, r1);
    if (together) norm_backward_of(r0, r1, slot);
  });
  if (!together) parallel_rows(chunk.rows, norm_backward_of);
  add_norm_sums(grad.norm.weight, grad.norm.bias, ws.norm_sums, row_tasks(chunk.rows), d);
}

}  // namespace gmlp::fused::GMLP_ISA
