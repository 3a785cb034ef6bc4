#pragma once
// The spatial gating unit (paper, section 2.1), split form.
//
//   forward    z = (u, v), each (R,E)    v̂ = layernorm(v)    t = W v̂ per sample
//              s = u * (t + b)
//              W (N,N) over tokens, b (N); E = F/2; u and v are halves of z = gelu(h)
//   backward   (ds, and the products with u and t + b, are in channel_out.h)
//              dv̂ = Wᵀ dt per sample       dW += dt v̂ᵀ       db[i] += sum_e dt[i,e]
//              dv = layernorm_backward(dv̂)      dh_v = dv gelu'(h_v)
//
// Saved: t, without b: in bf16, 1 + t would round small t away. v̂ and u are recomputed from h.

#include "kernels/fused/chunk.h"
#include "kernels/fused/layernorm.h"
#include "kernels/fused/vector_math.h"

namespace gmlp::fused::GMLP_ISA {

/// A task of the spatial products: a sample and a group of channels.
struct SpatialTask {
  int64_t sample;
  int64_t col;   // first channel of the group
  int64_t cols;  // how many
};
GMLP_INLINE int64_t spatial_groups(int64_t width) {
  return ceil_div(width, kGroupPanels * kPanel);
}
GMLP_INLINE SpatialTask spatial_task(int64_t task, int64_t width) {
  const int64_t groups = spatial_groups(width);
  const int64_t col = task % groups * kGroupPanels * kPanel;
  return {task / groups, col, smaller(kGroupPanels * kPanel, width - col)};
}
/// Floats of packed B that one task needs; tasks use places of their own.
GMLP_INLINE int64_t spatial_pack_size(const BlockShape& s) {
  return packed_b_size(s.tokens, kGroupPanels * kPanel);
}

/// (1) v -> v̂, straight into the panels that the GEMM reads; (2) t = W v̂; (3) s = u (t + b).
/// `t` may be `gated` itself when nothing is saved. `packed` holds spatial_pack_size() a task.
GMLP_INLINE void spatial_gate_forward(float* gated, float* t, const float* z, const Chunk& chunk,
                                      float* packed, const BlockWeights<const float>& w,
                                      const BlockShape& s) {
  const int64_t n = s.tokens;
  const int64_t width = s.d_ffn / 2;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t i = 0; i < chunk.samples * spatial_groups(width); ++i) {
    const SpatialTask task = spatial_task(i, width);
    const int64_t first = task.sample * n;  // this sample's first row
    float* v_hat = packed + i * spatial_pack_size(s);
    for (int64_t panel = 0; panel < panels_of(task.cols); ++panel) {  // (1)
      const int64_t col = task.col + panel * kPanel;
      const int64_t cols = smaller(kPanel, width - col);
      const V16 gamma = load(w.gate_norm_weight + col, cols);
      const V16 beta = load(w.gate_norm_bias + col, cols);
      for (int64_t j = 0; j < n; ++j) {
        const int64_t row = first + j;
        const RowStats stats{chunk.saved.gate_mean[row], chunk.saved.gate_rstd[row]};
        const V16 v = load(z + row * s.d_ffn + width + col, cols);
        const int64_t k0 = j / kDepth * kDepth;
        store(
            v_hat + panel_offset(k0, smaller(kDepth, n - k0), panel, task.cols) + (j - k0) * kPanel,
            normalise(v, stats, gamma, beta));
      }
    }
    gemm_rows(t + first * width + task.col, width, w.spatial_weight, n, v_hat, 0, n, task.cols, n,
              [&](int64_t token, int64_t col, int64_t cols, V16 sum) {
                const int64_t row = first + token;
                const int64_t place = row * width + task.col + col;
                store(t + place, sum, cols);  // (2)
                const V16 u = load(z + row * s.d_ffn + task.col + col, cols);
                store(gated + place, u * (sum + set1(w.spatial_bias[token])), cols);  // (3)
              });
  }
}

/// dv̂ = Wᵀ dt, by the same tasks. `w_transposed` (N,N).
GMLP_INLINE void spatial_backward_input(float* dv_hat, const float* dt, const Chunk& chunk,
                                        float* packed, const float* w_transposed,
                                        const BlockShape& s) {
  const int64_t n = s.tokens;
  const int64_t width = s.d_ffn / 2;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t i = 0; i < chunk.samples * spatial_groups(width); ++i) {
    const SpatialTask task = spatial_task(i, width);
    const float* dt_group = dt + task.sample * n * width + task.col;
    float* dv_group = dv_hat + task.sample * n * width + task.col;
    float* dt_packed = packed + i * spatial_pack_size(s);
    for (int64_t k0 = 0; k0 < n; k0 += kDepth) {
      const int64_t depth = smaller(kDepth, n - k0);
      for (int64_t panel = 0; panel < panels_of(task.cols); ++panel) {
        pack_panel(dt_packed + panel_offset(k0, depth, panel, task.cols), dt_group, width, k0,
                   depth, panel, task.cols);
      }
    }
    gemm_rows(dv_group, width, w_transposed, n, dt_packed, 0, n, task.cols, n,
              [&](int64_t token, int64_t col, int64_t cols, V16 sum) {
                store(dv_group + token * width + col, sum, cols);
              });
  }
}

/// dW += dt v̂ᵀ over the samples in order, and db. `packed` holds packed_b_size(E, N) a sample.
GMLP_INLINE void spatial_backward_weight(float* dweight, float* dbias, const float* dt,
                                         const float* v_hat, const Chunk& chunk, float* packed,
                                         const BlockShape& s) {
  const int64_t n = s.tokens;
  const int64_t width = s.d_ffn / 2;
  const int64_t pack_size = packed_b_size(width, n);
  const int64_t panels = panels_of(n);
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t i = 0; i < chunk.samples * panels; ++i) {
    const int64_t sample = i / panels;
    for (int64_t k0 = 0; k0 < width; k0 += kDepth) {
      const int64_t depth = smaller(kDepth, width - k0);
      pack_panel_transposed(packed + sample * pack_size + panel_offset(k0, depth, i % panels, n),
                            v_hat + sample * n * width, width, k0, depth, i % panels, n);
    }
  }
  const int64_t share = owned_tiles(n) * kTileRows;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t task = 0; task < ceil_div(n, share); ++task) {
    const int64_t r0 = task * share;
    const int64_t r1 = smaller(r0 + share, n);
    for (int64_t sample = 0; sample < chunk.samples; ++sample) {
      const float* dt_sample = dt + sample * n * width;
      gemm_rows_accumulate(dweight, n, dt_sample, width, packed + sample * pack_size, r0, r1, n,
                           width);
      for (int64_t i = r0; i < r1; ++i) {
        V16 total = zero();
        for (int64_t e = 0; e < width; e += kPanel) {
          total = total + load(dt_sample + i * width + e, smaller(kPanel, width - e));
        }
        dbias[i] += sum(total);
      }
    }
  }
}

/// Undoes (3) and (2) for v, then (1) and the GELU: dh[:, E:] from dt. `v_hat` and `dv_hat` (R,E)
/// are filled on the way; `partials` holds 2 E floats a row block.
GMLP_INLINE void spatial_gate_backward(float* dh, const BlockWeights<float>& grad, const float* dt,
                                       const Chunk& chunk, float* v_hat, float* dv_hat,
                                       float* packed, float* partials, const float* w_transposed,
                                       const BlockWeights<const float>& w, const BlockShape& s) {
  const int64_t width = s.d_ffn / 2;
  spatial_backward_input(dv_hat, dt, chunk, packed, w_transposed, s);
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(chunk.rows); ++block) {
    float* dgamma = partials + block * 2 * width;
    float* dbeta = dgamma + width;
    for (int64_t c = 0; c < 2 * width; ++c) dgamma[c] = 0;
    for (int64_t r = block * kRowBlock; r < smaller((block + 1) * kRowBlock, chunk.rows); ++r) {
      const RowStats stats{chunk.saved.gate_mean[r], chunk.saved.gate_rstd[r]};
      const float* h_v = chunk.saved.h + r * s.d_ffn + width;
      float* dh_v = dh + r * s.d_ffn + width;
      float* v = v_hat + r * width;
      const float* dv = dv_hat + r * width;
      for (int64_t c = 0; c < width; c += kPanel) {  // "z = gelu(h)" again, and its derivative
        const int64_t count = smaller(kPanel, width - c);
        const V16 h = load(h_v + c, count);
        const Normal phi = normal(h);
        store(v + c, h * phi.cdf, count);
        store(dh_v + c, fma(h, phi.pdf, phi.cdf), count);
      }
      const RowMeans means =
          norm_backward_means(dgamma, dbeta, dv, v, stats, w.gate_norm_weight, width);
      for (int64_t c = 0; c < width; c += kPanel) {
        const int64_t count = smaller(kPanel, width - c);
        const V16 gamma = load(w.gate_norm_weight + c, count);
        const V16 v_c = load(v + c, count);
        const V16 dv_c = norm_backward(load(dv + c, count), v_c, stats, means, gamma);
        store(dh_v + c, dv_c * load(dh_v + c, count), count);
        store(v + c, normalise(v_c, stats, gamma, load(w.gate_norm_bias + c, count)), count);
      }
    }
  }
  add_norm_partials(grad.gate_norm_weight, grad.gate_norm_bias, partials, row_blocks(chunk.rows),
                    width);
  spatial_backward_weight(grad.spatial_weight, grad.spatial_bias, dt, v_hat, chunk, packed, s);
}

}  // namespace gmlp::fused::GMLP_ISA
