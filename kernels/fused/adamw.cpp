// AdamW in one pass over weight, moments and gradient, which it zeroes for the next step.
// kernels/reference/adamw.h has the formulas.

#include "kernels/kernels.h"
#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

void adamw_update(float* weight, float* m, float* v, float* grad, int64_t n,
                  const AdamWStep& step) {
  constexpr int64_t kTaskSize = 1 << 14;
  const float decay_factor = static_cast<float>(1 - step.lr * step.weight_decay);
  const float beta1 = static_cast<float>(step.beta1);
  const float beta2 = static_cast<float>(step.beta2);
  const float one_minus_beta1 = static_cast<float>(1 - step.beta1);
  const float one_minus_beta2 = static_cast<float>(1 - step.beta2);
  const float step_size = static_cast<float>(step.lr / step.bias_correction1);
  const float inv_sqrt_bias_correction2 =
      static_cast<float>(1 / __builtin_sqrt(step.bias_correction2));
  const float eps = static_cast<float>(step.eps);
  const float scale = static_cast<float>(step.grad_scale);
#pragma omp parallel for schedule(static)
  for (int64_t task = 0; task < ceil_div(n, kTaskSize); ++task) {
    for (int64_t i = task * kTaskSize; i < min((task + 1) * kTaskSize, n); i += kLanes) {
      const int64_t count = min(kLanes, n - i);
      const F32x16 g = load(grad + i, count) * set1(scale);
      const F32x16 m_new = fma(load(m + i, count), set1(beta1), g * set1(one_minus_beta1));
      const F32x16 v_new = fma(load(v + i, count), set1(beta2), g * g * set1(one_minus_beta2));
      const F32x16 root = fma(sqrt(v_new), set1(inv_sqrt_bias_correction2), set1(eps));
      const F32x16 decayed = load(weight + i, count) * set1(decay_factor);
      store(weight + i, decayed - set1(step_size) * m_new / root, count);
      store(m + i, m_new, count);
      store(v + i, v_new, count);
      store(grad + i, zero(), count);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
