// AdamW in one pass over weight, moments and gradient, which it zeroes for the next step. Formulas:
// kernels/reference/adamw.cpp.

#include "kernels/fused/table.h"
#include "kernels/gemm/pack.h"

namespace gmlp::fused::GMLP_ISA {

void adamw_update(float* weight, float* m, float* v, float* grad, int64_t n,
                  const AdamWFactors& f) {
  constexpr int64_t kChunk = 1 << 14;
#pragma omp parallel for schedule(static)
  for (int64_t chunk = 0; chunk < ceil_div(n, kChunk); ++chunk) {
    for (int64_t i = chunk * kChunk; i < min((chunk + 1) * kChunk, n); i += kLanes) {
      const int64_t count = min(kLanes, n - i);
      const F32x16 g = load(grad + i, count) * set1(f.grad_scale);
      const F32x16 m_new = fma(load(m + i, count), set1(f.beta1), g * set1(f.one_minus_beta1));
      const F32x16 v_new = fma(load(v + i, count), set1(f.beta2), g * g * set1(f.one_minus_beta2));
      const F32x16 root = fma(sqrt(v_new), set1(f.inv_sqrt_bias_correction2), set1(f.eps));
      const F32x16 shrunk = load(weight + i, count) * set1(f.decay_factor);
      store(weight + i, shrunk - set1(f.step_size) * m_new / root, count);
      store(m + i, m_new, count);
      store(v + i, v_new, count);
      store(grad + i, zero(), count);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
