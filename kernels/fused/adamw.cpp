// AdamW in one pass over weight, moments and gradient, which it zeroes for the next step.
// kernels/reference/adamw.h has the formulas.

#include "kernels/kernels.h"
#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

void adamw_update(float* weight, float* m, float* v, float* grad, int64_t n,
                  const AdamWStep<float>& step) {
  constexpr int64_t kTaskSize = 1 << 14;
#pragma omp parallel for schedule(static)
  for (int64_t task = 0; task < ceil_div(n, kTaskSize); ++task) {
    // A copy stays in registers. The stores below might change `step`, for all the compiler knows.
    const AdamWStep<float> s = step;
    for (int64_t i = task * kTaskSize; i < min((task + 1) * kTaskSize, n); i += kLanes) {
      const int64_t count = min(kLanes, n - i);
      const F32x16 g = load(grad + i, count) * set1(s.grad_scale);
      const F32x16 m_new = fma(load(m + i, count), set1(s.beta1), g * set1(s.one_minus_beta1));
      const F32x16 v_new = fma(load(v + i, count), set1(s.beta2), g * g * set1(s.one_minus_beta2));
      const F32x16 root = fma(sqrt(v_new), set1(s.inv_sqrt_bias_correction2), set1(s.eps));
      const F32x16 decayed = load(weight + i, count) * set1(s.decay_factor);
      store(weight + i, decayed - set1(s.step_size) * m_new / root, count);
      store(m + i, m_new, count);
      store(v + i, v_new, count);
      store(grad + i, zero(), count);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
