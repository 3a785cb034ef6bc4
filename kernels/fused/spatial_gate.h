#pragma once
// The spatial gating unit (paper, section 2.1), and its variants of Table 3.
//
//   forward    z = (u, v), each (R,E)    v̂ = layernorm(v)    t = W v̂ per sample
//              g = t + b (+ a, the tiny attention's output)      s = u * g
//              W (N,N) over tokens, b (N); E = F/2; u and v are halves of z = gelu(h)
//              not split: E = F, u = v = z, and s = u * g, u + g or g
//   backward   (ds, and its products with u and g, are in fc2_residual.h)
//              dv̂ = Wᵀ dt per sample       dW += dt v̂ᵀ       db[i] += sum_e dt[i,e]
//              dv = layernorm_backward(dv̂)      dh_v = dv gelu'(h_v)
//              not split: dh = (du + dv) gelu'(h)
//
// Saved: t, without b: in bf16, 1 + t would round small t away. v̂ and u are recomputed from h.
// A causal W is zero above its diagonal: each row tile's product stops at its last row.

#include "kernels/fused/chunk.h"
#include "kernels/math/gelu.h"
#include "kernels/math/layernorm.h"

namespace gmlp::fused::GMLP_ISA {

/// A task of the spatial products: a sample and a group of channels.
struct SpatialTask {
  int64_t sample;
  int64_t col;   // first channel of the group
  int64_t cols;  // how many
};
GMLP_INLINE int64_t spatial_tasks(int64_t samples, int64_t width) {
  return samples * ceil_div(width, kGroup);
}
GMLP_INLINE SpatialTask spatial_task(int64_t task, int64_t width) {
  const int64_t groups = ceil_div(width, kGroup);
  const int64_t col = task % groups * kGroup;
  return {task / groups, col, min(kGroup, width - col)};
}
/// The packed v̂ or dt of one task; tasks use places of their own.
template <typename T>
GMLP_INLINE int64_t spatial_pack_size(int64_t tokens) {
  return packed_b_size(words_of<T>(tokens), kGroup);
}
template <typename T>
GMLP_INLINE PackedB spatial_panels(float* packed, int64_t i, int64_t cols, int64_t tokens) {
  return {packed + i * spatial_pack_size<T>(tokens), words_of<T>(tokens), cols};
}

GMLP_INLINE F32x16 gate_output(Gate gate, F32x16 u, F32x16 g) {
  switch (gate) {
    case Gate::kSplit:
    case Gate::kMultiplicative:
      return u * g;
    case Gate::kAdditive:
      return u + g;
    case Gate::kLinear:
      break;
  }
  return g;
}

/// v -> v̂ of one group, straight into the panels that the GEMM reads. z is at the sample's first
/// row, `first`.
template <typename T, typename S>
GMLP_INLINE void pack_normalised(const PackedB& b, const T* z, int64_t z_stride,
                                 const Chunk<S>& chunk, int64_t first, int64_t tokens,
                                 const float* gamma, const float* beta) {
  constexpr int64_t kPerWord = Operand<T>::kPerWord;
  for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
    F32x16 gamma_v[kNRVectors];
    F32x16 beta_v[kNRVectors];
    int64_t count[kNRVectors];
    for (int64_t v = 0; v < kNRVectors; ++v) {
      const int64_t col = panel * kNR + v * kLanes;
      count[v] = max(0, min(kLanes, b.n - col));
      gamma_v[v] = load(gamma + col, count[v]);
      beta_v[v] = load(beta + col, count[v]);
    }
    const auto v_hat = [&](int64_t j, int64_t v) {
      const RowStats stats{chunk.gate_mean[first + j], chunk.gate_rstd[first + j]};
      const T* place = z + j * z_stride + panel * kNR + v * kLanes;
      return normalise(load(place, count[v]), stats, gamma_v[v], beta_v[v]);
    };
    float* out = panel_at(b, panel);
    for (int64_t word = 0; word < b.words; ++word) {
      const int64_t j = word * kPerWord;
      for (int64_t v = 0; v < kNRVectors; ++v, out += kLanes) {
        if constexpr (kPerWord == 1) {
          store(out, v_hat(j, v));
        } else {
          store(out, pack_pairs(v_hat(j, v), j + 1 < tokens ? v_hat(j + 1, v) : zero()));
        }
      }
    }
  }
}

/// (1) v -> v̂, (2) t = W v̂, (3) s from u and g. `packed` holds spatial_pack_size() a task;
/// w_token is W (N,N) in tiles.
template <typename T, typename S>
GMLP_INLINE void spatial_gate_forward(T* gated, const T* z, const Chunk<S>& chunk, float* packed,
                                      const Tiles<T>& w_token, const BlockWeights<const float*>& w,
                                      const BlockShape& s) {
  const int64_t n = s.tokens;
  const int64_t width = gate_width(s);
  const int64_t e_stride = stride_of<T>(width);
  const int64_t f_stride = stride_of<T>(s.d_ffn);
  const Triangle triangle = s.causal ? Triangle::kLower : Triangle::kNone;
  const Gate gate = s.gate;
  S* t_saved = chunk.t;
  const float* gate_extra = chunk.gate_extra;
  const float* bias = w.spatial_bias;
  parallel_tasks(spatial_tasks(chunk.samples, width), [&](const TaskSlot& turn) {
    const SpatialTask task = spatial_task(turn.task, width);
    const SpatialTask next = spatial_task(turn.next, width);
    const int64_t first = task.sample * n;  // this sample's first row
    const PackedB v_hat = spatial_panels<T>(packed, turn.first, task.cols, n);
    const T* u = z + first * f_stride + task.col;
    pack_normalised(v_hat, u + s.d_ffn - width, f_stride, chunk, first, n,  // (1)
                    w.gate_norm_weight + task.col, w.gate_norm_bias + task.col);
    const T* next_v = z + next.sample * n * f_stride + s.d_ffn - width + next.col;
    const auto prepare = [&](Lines& lines, int64_t token, int64_t col) {
      if (next.sample < chunk.samples) add_lines(lines, next_v + token * f_stride + col, f_stride);
      add_lines(lines, u + token * f_stride + col, f_stride);
      add_lines(lines, gated + (first + token) * e_stride + task.col + col, e_stride);
    };
    gemm_rows(w_token, v_hat, 0, n, triangle, prepare,
              [&](int64_t token, int64_t col, int64_t cols, F32x16 sum) {
                const int64_t at = (first + token) * width + task.col + col;
                const F32x16 t = rounded(sum, S{});
                if (t_saved != nullptr) stream(t_saved + at, t, cols);  // (2)
                F32x16 g = t + set1(bias[token]);
                if (gate_extra != nullptr) g = g + load(gate_extra + at, cols);
                const F32x16 u_c = load(u + token * f_stride + col, cols);
                store(gated + (first + token) * e_stride + task.col + col,
                      gate_output(gate, u_c, g), cols);  // (3)
              });
    store_fence();
  });
}

/// dv̂ = Wᵀ dt, by the same tasks.
template <typename T, typename S>
GMLP_INLINE void spatial_backward_input(T* dv_hat, const T* dt, const Chunk<S>& chunk,
                                        float* packed, const Tiles<T>& w_transposed,
                                        const BlockShape& s) {
  const int64_t n = s.tokens;
  const int64_t width = gate_width(s);
  const int64_t e_stride = stride_of<T>(width);
  const Triangle triangle = s.causal ? Triangle::kUpper : Triangle::kNone;
  parallel_tasks(spatial_tasks(chunk.samples, width), [&](const TaskSlot& turn) {
    const SpatialTask task = spatial_task(turn.task, width);
    const SpatialTask next = spatial_task(turn.next, width);
    const T* dt_group = dt + task.sample * n * e_stride + task.col;
    T* dv_group = dv_hat + task.sample * n * e_stride + task.col;
    const PackedB b = spatial_panels<T>(packed, turn.first, task.cols, n);
    for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
      pack_panel<T>(b, dt_group, e_stride, n, panel);
    }
    const T* next_dt = dt + next.sample * n * e_stride + next.col;
    const auto prepare = [&](Lines& lines, int64_t token, int64_t col) {
      if (next.sample < chunk.samples) add_lines(lines, next_dt + token * e_stride + col, e_stride);
      add_lines(lines, dv_group + token * e_stride + col, e_stride);
    };
    gemm_rows(w_transposed, b, 0, n, triangle, prepare,
              [&](int64_t token, int64_t col, int64_t cols, F32x16 sum) {
                store(dv_group + token * e_stride + col, sum, cols);
              });
  });
}

/// One row: dv̂ -> dv -> dh, and v̂ on the way. `room` holds 2 E floats. Rows are f_stride (dh),
/// e_stride (v̂, dv̂) and d_ffn (h) apart: the next one is asked for, since to the hardware's
/// prefetcher each row is a new stream.
template <typename T, typename S>
GMLP_INLINE void gate_norm_backward_row(T* dh, T* v_hat, const T* dv_hat, const S* h,
                                        RowStats stats, float* dgamma, float* dbeta, float* room,
                                        const BlockWeights<const float*>& w, const BlockShape& s) {
  const Gate gate = s.gate;
  const int64_t width = gate_width(s);
  float* v = room;
  float* slope = room + width;
  for (int64_t c = 0; c < width; c += kLanes) {  // "z = gelu(h)" again, and its derivative
    const int64_t count = min(kLanes, width - c);
    prefetch(h + s.d_ffn + c);
    prefetch(dv_hat + stride_of<T>(width) + c);
    prefetch(v_hat + stride_of<T>(width) + c);
    prefetch(dh + stride_of<T>(s.d_ffn) + c);
    const F32x16 h_c = load(h + c, count);
    const Gelu z = gelu_and_slope(h_c);
    store(v + c, rounded(z.value, T{}), count);
    store(slope + c, z.slope, count);
  }
  const RowMeans means =
      norm_backward_means(dgamma, dbeta, dv_hat, v, stats, w.gate_norm_weight, width);
  for (int64_t c = 0; c < width; c += kLanes) {
    const int64_t count = min(kLanes, width - c);
    const F32x16 gamma = load(w.gate_norm_weight + c, count);
    const F32x16 v_c = load(v + c, count);
    F32x16 dz = norm_backward(load(dv_hat + c, count), v_c, stats, means, gamma);
    if (gate != Gate::kSplit) dz = dz + load(dh + c, count);  // du waits in dh's place
    store(dh + c, dz * load(slope + c, count), count);
    store(v_hat + c, normalise(v_c, stats, gamma, load(w.gate_norm_bias + c, count)), count);
  }
}

/// Undoes (1) and the GELU: dh[:, F-E:] from dv̂; v̂ (R,E) is filled on the way. `partials` holds
/// 4 E floats a row block.
template <typename T, typename S>
GMLP_INLINE void gate_norm_backward(T* dh, const BlockWeights<float*>& grad, T* v_hat,
                                    const T* dv_hat, const Chunk<S>& chunk, float* partials,
                                    const BlockWeights<const float*>& w, const BlockShape& s) {
  const int64_t width = gate_width(s);
  const int64_t e_stride = stride_of<T>(width);
  const int64_t f_stride = stride_of<T>(s.d_ffn);
  const int64_t blocks = row_blocks(chunk.rows);
  float* rooms = partials + blocks * 2 * width;
  parallel_tasks(blocks, [&](const TaskSlot& turn) {
    const int64_t block = turn.task;
    float* dgamma = partials + block * 2 * width;
    float* dbeta = dgamma + width;
    for (int64_t c = 0; c < 2 * width; ++c) dgamma[c] = 0;
    for (int64_t r = block * kMC; r < min((block + 1) * kMC, chunk.rows); ++r) {
      gate_norm_backward_row(dh + r * f_stride + s.d_ffn - width, v_hat + r * e_stride,
                             dv_hat + r * e_stride, chunk.h + r * s.d_ffn + s.d_ffn - width,
                             RowStats{chunk.gate_mean[r], chunk.gate_rstd[r]}, dgamma, dbeta,
                             rooms + block * 2 * width, w, s);
    }
  });
  add_norm_partials(grad.gate_norm_weight, grad.gate_norm_bias, partials, blocks, width);
}

/// dW += dt v̂ᵀ over the samples in order, and db: the first half of them into `grad_first`, the
/// others into `grad`. `packed` holds the panels of every sample.
template <typename T, typename S>
GMLP_INLINE void spatial_backward_weight(const BlockWeights<float*>& grad,
                                         const BlockWeights<float*>& grad_first, const T* dt,
                                         const T* v_hat, const Chunk<S>& chunk, float* packed,
                                         const BlockShape& s) {
  const int64_t n = s.tokens;
  const int64_t width = gate_width(s);
  const int64_t e_stride = stride_of<T>(width);
  const Triangle triangle = s.causal ? Triangle::kLower : Triangle::kNone;
  const int64_t words = words_of<T>(width);
  const auto panels_of_sample = [&](int64_t sample) {
    return PackedB{packed + sample * packed_b_size(words, n), words, n};
  };
  const int64_t panels = panels_of(n);
  parallel_tasks(chunk.samples * panels, [&](const TaskSlot& turn) {
    const int64_t i = turn.task;
    pack_panel_transposed<T>(panels_of_sample(i / panels), v_hat + i / panels * n * e_stride,
                             e_stride, width, i % panels);
  });
  const int64_t share = owned_tiles(n) * kMR;
  const int64_t shares = ceil_div(n, share);
  const int64_t middle = chunk.samples / 2;
  parallel_tasks(2 * shares, [&](const TaskSlot& turn) {
    const bool is_first = turn.task < shares;
    const int64_t r0 = turn.task % shares * share;
    const int64_t r1 = min(r0 + share, n);
    float* dweight = is_first ? grad_first.spatial_weight : grad.spatial_weight;
    float* dbias = is_first ? grad_first.spatial_bias : grad.spatial_bias;
    const int64_t end = is_first ? middle : chunk.samples;
    for (int64_t sample = is_first ? 0 : middle; sample < end; ++sample) {
      const T* dt_sample = dt + sample * n * e_stride;
      gemm_rows_accumulate(dweight, n, dt_sample, e_stride, panels_of_sample(sample), r0, r1,
                           triangle);
      for (int64_t i = r0; i < r1; ++i) {
        F32x16 total = zero();
        for (int64_t e = 0; e < width; e += kLanes) {
          total = total + load(dt_sample + i * e_stride + e, min(kLanes, width - e));
        }
        dbias[i] += sum(total);
      }
    }
  });
}

}  // namespace gmlp::fused::GMLP_ISA
