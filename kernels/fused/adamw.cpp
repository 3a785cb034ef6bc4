// AdamW in one pass over weight, moments and gradient, which it zeroes for the next step. Formulas:
// kernels/reference/adamw.cpp.

#include "kernels/fused/pack.h"
#include "kernels/fused/table.h"

namespace gmlp::fused::GMLP_ISA {

void adamw_update(float* weight, float* m, float* v, float* grad, int64_t n,
                  const AdamWFactors& f) {
  constexpr int64_t kChunk = 1 << 14;
#pragma omp parallel for schedule(static)
  for (int64_t chunk = 0; chunk < ceil_div(n, kChunk); ++chunk) {
    for (int64_t i = chunk * kChunk; i < smaller((chunk + 1) * kChunk, n); i += kLanes) {
      const int64_t count = smaller(kLanes, n - i);
      const V16 g = load(grad + i, count) * set1(f.grad_scale);
      const V16 m_new = fma(load(m + i, count), set1(f.beta1), g * set1(f.rest1));
      const V16 v_new = fma(load(v + i, count), set1(f.beta2), g * g * set1(f.rest2));
      const V16 root = fma(sqrt(v_new), set1(f.root_factor), set1(f.eps));
      const V16 shrunk = load(weight + i, count) * set1(f.shrink);
      store(weight + i, shrunk - set1(f.rate) * m_new / root, count);
      store(m + i, m_new, count);
      store(v + i, v_new, count);
      store(grad + i, zero(), count);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
