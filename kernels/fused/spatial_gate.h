#pragma once
// The spatial gating unit (paper, section 2.1), and its variants of Table 3.
//
//   forward    z = (u, v), each (R,E)    v̂ = layernorm(v)    t = W v̂ per sample
//              g = t + b (+ a, the tiny attention's output)      s = u * g
//              W (N,N) over tokens, b (N); E = F/2; u and v are the two parts of z = gelu(h)
//              not split: E = F, u = v = z
//   backward   fc2_residual.h computes dt and du from ds
//              dv̂ = Wᵀ dt per sample       dW += dt v̂ᵀ       db[i] += sum_e dt[i,e]
//              dv = layernorm_backward(dv̂)      dh_v = dv gelu'(h_v)
//              not split: dh = (du + dv) gelu'(h)
//
// The gate's output and its derivative:
//
//   split, multiplicative   s = u * g      dg = ds * u    du = ds * g
//   additive                s = u + g      dg = ds        du = ds
//   linear                  s = g          dg = ds        du = 0
//
// Only the split gate's u = gelu(h_u) is independent of v: its du goes on to h at once,
// dh_u = du * gelu'(h_u). The others wait for v's share in z.
//
// Saved: t without b, because b starts at 1 and bf16(b + t) would lose a small t. v̂ and u are
// recomputed. A causal W is zero above its diagonal: rows up to i need only the tokens up to i.

#include "kernels/fused/block.h"
#include "kernels/math/gelu.h"
#include "kernels/math/layernorm.h"

namespace gmlp::fused::GMLP_ISA {

GMLP_INLINE F32x16 gate_forward(Gate gate, F32x16 u, F32x16 g) {
  if (gate == Gate::kLinear) return g;
  return gate == Gate::kAdditive ? u + g : u * g;
}

struct GateGradients {
  F32x16 dg;
  F32x16 du;  // of h_u for the split gate
  F32x16 s;   // recomputed
};
/// Operand is the type of u and s in memory.
template <typename Operand>
GMLP_INLINE GateGradients gate_backward(Gate gate, F32x16 ds, F32x16 g, F32x16 h) {
  const Gelu u = gelu_and_slope<Operand>(h);
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

/// v -> v̂ of one task, straight into the panels that the GEMM reads. `v` is at the first row and
/// channel, `row0` is that row in the chunk.
template <typename Operand, typename Saved>
GMLP_INLINE void pack_normalized(const PackedB& b, const Operand* v,
                                 const Chunk<Operand, Saved>& chunk, int64_t row0,
                                 const float* gamma, const float* beta) {
  using Step = KStep<Operand>;
  for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
    F32x16 gammas[kNRVectors];
    F32x16 betas[kNRVectors];
    int64_t count[kNRVectors];
    for (int64_t i = 0; i < kNRVectors; ++i) {
      const int64_t col = panel * kNR + i * kLanes;
      count[i] = max(0, min(kLanes, b.n - col));
      gammas[i] = load(gamma + col, count[i]);
      betas[i] = load(beta + col, count[i]);
    }
    const auto v_hat = [&](int64_t token, int64_t i) {
      const RowStats stats{chunk.gate_mean[row0 + token], chunk.gate_rstd[row0 + token]};
      const Operand* place = v + token * chunk.f_stride + panel * kNR + i * kLanes;
      return normalize(load(place, count[i]), stats, gammas[i], betas[i]);
    };
    float* out = panel_at(b, panel);
    for (int64_t token = 0; token < b.k_steps * Step::kElements; token += Step::kElements) {
      for (int64_t i = 0; i < kNRVectors; ++i, out += kLanes) {
        const bool has_odd = Step::kElements == 2 && token + 1 < chunk.tokens;
        store(out, Step::pack(v_hat(token, i), has_odd ? v_hat(token + 1, i) : zero()));
      }
    }
  }
}

/// (1) v -> v̂, (2) t = W v̂, (3) s from u and g.
template <typename Operand, typename Saved>
GMLP_INLINE void spatial_gate_forward(const Chunk<Operand, Saved>& chunk,
                                      const ForwardWorkspace<Operand>& ws,
                                      const BlockWeights<const float*>& w) {
  const int64_t n = chunk.tokens;
  const int64_t e = chunk.d_gate;
  const int64_t e_stride = chunk.e_stride;
  const int64_t f_stride = chunk.f_stride;
  const int64_t v_begin = chunk.d_ffn - e;  // v's first column in z
  const Triangle triangle = chunk.causal ? Triangle::kLower : Triangle::kNone;
  const Gate gate = chunk.gate;
  Saved* t_saved = chunk.t;
  const float* gate_extra = chunk.gate_extra;
  const float* bias = w.spatial.bias;
  const Operand* z = ws.z;
  Operand* gated = ws.gated;
  parallel_tasks(spatial_tasks(chunk), [&](const TaskSlot& slot) {
    const SpatialTask task = spatial_task(chunk, slot.task);
    const SpatialTask next = spatial_task(chunk, slot.next);
    const int64_t row0 = task.sample * n;
    const PackedB v_hat{ws.panels + slot.first * spatial_panels_size<Operand>(chunk),
                        k_steps_of<Operand>(n), task.cols};
    const Operand* u = z + row0 * f_stride + task.col;
    pack_normalized(v_hat, u + v_begin, chunk, row0,  // (1)
                    w.gate_norm.weight + task.col, w.gate_norm.bias + task.col);
    const Operand* next_v = z + next.sample * n * f_stride + v_begin + next.col;
    const auto plan_prefetch = [&](PrefetchPlan& plan, int64_t token, int64_t col) {
      if (next.sample < chunk.samples) add_rows(plan, next_v + token * f_stride + col, f_stride);
      add_rows(plan, u + token * f_stride + col, f_stride);
      add_rows(plan, gated + (row0 + token) * e_stride + task.col + col, e_stride);
    };
    gemm_rows(ws.w, v_hat, 0, n, triangle, plan_prefetch,
              [&](int64_t token, int64_t col, int64_t count, F32x16 sum) {
                const int64_t at = (row0 + token) * e + task.col + col;
                const F32x16 t = round_to<Saved>(sum);
                if (t_saved != nullptr) store_nontemporal(t_saved + at, t, count);  // (2)
                F32x16 g = t + set1(bias[token]);
                if (gate_extra != nullptr) g = g + load(gate_extra + at, count);
                const F32x16 u_c = load(u + token * f_stride + col, count);
                store(gated + (row0 + token) * e_stride + task.col + col,
                      gate_forward(gate, u_c, g), count);  // (3)
              });
    store_fence();
  });
}

/// The backward of (2): dv̂ = Wᵀ dt, in the same tasks.
template <typename Operand, typename Saved>
GMLP_INLINE void spatial_backward_input(const Chunk<Operand, Saved>& chunk,
                                        const BackwardWorkspace<Operand>& ws) {
  const int64_t n = chunk.tokens;
  const int64_t e_stride = chunk.e_stride;
  const Triangle triangle = chunk.causal ? Triangle::kUpper : Triangle::kNone;
  parallel_tasks(spatial_tasks(chunk), [&](const TaskSlot& slot) {
    const SpatialTask task = spatial_task(chunk, slot.task);
    const SpatialTask next = spatial_task(chunk, slot.next);
    const Operand* dt = ws.dt + task.sample * n * e_stride + task.col;
    Operand* dv_hat = ws.dv_hat + task.sample * n * e_stride + task.col;
    const PackedB b{ws.panels + slot.first * spatial_panels_size<Operand>(chunk),
                    k_steps_of<Operand>(n), task.cols};
    pack_b_alone<Operand>(b, dt, e_stride, n, false);
    const Operand* next_dt = ws.dt + next.sample * n * e_stride + next.col;
    const auto plan_prefetch = [&](PrefetchPlan& plan, int64_t token, int64_t col) {
      if (next.sample < chunk.samples) add_rows(plan, next_dt + token * e_stride + col, e_stride);
      add_rows(plan, dv_hat + token * e_stride + col, e_stride);
    };
    gemm_rows(ws.w_transposed, b, 0, n, triangle, plan_prefetch,
              [&](int64_t token, int64_t col, int64_t count, F32x16 sum) {
                store(dv_hat + token * e_stride + col, sum, count);
              });
  });
}

/// The backward of (1) and of the GELU, row by row: dv̂ -> dv -> dh[:, F-E:], and v̂ again.
/// Prefetches the next row, since each row is a new stream to the hardware's prefetcher.
template <typename Operand, typename Saved>
GMLP_INLINE void gate_norm_backward(const BlockWeights<float*>& grad,
                                    const Chunk<Operand, Saved>& chunk,
                                    const BackwardWorkspace<Operand>& ws,
                                    const BlockWeights<const float*>& w) {
  const int64_t e = chunk.d_gate;
  const int64_t e_stride = chunk.e_stride;
  const int64_t f = chunk.d_ffn;
  const int64_t f_stride = chunk.f_stride;
  const Gate gate = chunk.gate;
  const float* gamma = w.gate_norm.weight;
  const float* beta = w.gate_norm.bias;
  const int64_t tasks = row_tasks(chunk.rows);
  parallel_rows(chunk.rows, [&](int64_t r0, int64_t r1, const TaskSlot& slot) {
    float* dgamma = ws.norm_sums + slot.task * 2 * e;
    float* dbeta = dgamma + e;
    for (int64_t c = 0; c < 2 * e; ++c) dgamma[c] = 0;
    float* v = ws.norm_sums + (tasks + slot.task) * 2 * e;  // one row
    float* slope = v + e;
    for (int64_t r = r0; r < r1; ++r) {
      const Saved* h = chunk.h + r * f + f - e;
      const Operand* dv_hat = ws.dv_hat + r * e_stride;
      Operand* v_hat = ws.v_hat + r * e_stride;
      Operand* dh = ws.dh + r * f_stride + f - e;
      const RowStats stats{chunk.gate_mean[r], chunk.gate_rstd[r]};
      for (int64_t c = 0; c < e; c += kLanes) {  // "z = gelu(h)" again, and its derivative
        const int64_t count = min(kLanes, e - c);
        prefetch(h + f + c);
        prefetch(dv_hat + e_stride + c);
        prefetch(v_hat + e_stride + c);
        prefetch(dh + f_stride + c);
        const Gelu z = gelu_and_slope<Operand>(load(h + c, count));
        store(v + c, round_to<Operand>(z.value), count);
        store(slope + c, z.slope, count);
      }
      const RowMeans means = norm_backward_means(dgamma, dbeta, dv_hat, v, stats, gamma, e);
      for (int64_t c = 0; c < e; c += kLanes) {
        const int64_t count = min(kLanes, e - c);
        const F32x16 gamma_c = load(gamma + c, count);
        const F32x16 v_c = load(v + c, count);
        F32x16 dz = norm_backward(load(dv_hat + c, count), v_c, stats, means, gamma_c);
        if (gate != Gate::kSplit) dz = dz + load(dh + c, count);  // fc2_residual.h stored du there
        store(dh + c, dz * load(slope + c, count), count);
        store(v_hat + c, normalize(v_c, stats, gamma_c, load(beta + c, count)), count);
      }
    }
  });
  add_norm_sums(grad.gate_norm.weight, grad.gate_norm.bias, ws.norm_sums, tasks, e);
}

/// dW += dt v̂ᵀ and db over the samples in order: the first half of them into partial_grad.
template <typename Operand, typename Saved>
GMLP_INLINE void spatial_gate_weight(const BlockWeights<float*>& grad,
                                     const Chunk<Operand, Saved>& chunk,
                                     const BackwardWorkspace<Operand>& ws) {
  const int64_t n = chunk.tokens;
  const int64_t e = chunk.d_gate;
  const int64_t e_stride = chunk.e_stride;
  const Triangle triangle = chunk.causal ? Triangle::kLower : Triangle::kNone;
  const int64_t k_steps = k_steps_of<Operand>(e);
  const auto panels_of_sample = [&](int64_t sample) {
    return PackedB{ws.panels + sample * packed_b_size(k_steps, n), k_steps, n};
  };
  const int64_t panels = panels_of(n);
  parallel_tasks(chunk.samples * panels, [&](const TaskSlot& slot) {
    const int64_t sample = slot.task / panels;
    pack_panel_transposed<Operand>(panels_of_sample(sample), ws.v_hat + sample * n * e_stride,
                                   e_stride, e, slot.task % panels);
  });
  const int64_t task_rows = task_tiles<Operand>(n) * kMROf<Operand>;
  const int64_t tasks = ceil_div(n, task_rows);
  const int64_t split = chunk.samples / 2;
  parallel_tasks(2 * tasks, [&](const TaskSlot& slot) {
    const bool is_first = slot.task < tasks;
    const int64_t r0 = slot.task % tasks * task_rows;
    const int64_t r1 = min(r0 + task_rows, n);
    const BlockWeights<float*>& sums = is_first ? ws.partial_grad : grad;
    const int64_t end = is_first ? split : chunk.samples;
    for (int64_t sample = is_first ? 0 : split; sample < end; ++sample) {
      const Operand* dt = ws.dt + sample * n * e_stride;
      gemm_rows_accumulate(sums.spatial.weight, n, dt, e_stride, panels_of_sample(sample), r0, r1,
                           triangle);
      for (int64_t i = r0; i < r1; ++i) {
        F32x16 total = zero();
        for (int64_t c = 0; c < e; c += kLanes) {
          total = total + load(dt + i * e_stride + c, min(kLanes, e - c));
        }
        sums.spatial.bias[i] += sum(total);
      }
    }
  });
}

}  // namespace gmlp::fused::GMLP_ISA
