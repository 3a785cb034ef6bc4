#pragma once
// AdamW (Loshchilov and Hutter 2019, algorithm 2), one tensor at a time.
//
//   g = grad * grad_scale
//   w *= 1 - lr * decay                                  decoupled from the gradient
//   m = beta1 m + (1 - beta1) g                          v = beta2 v + (1 - beta2) g²
//   w -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
//   grad = 0                                             for the next step
//
// Also the sum of squares for clipping by the global norm, in double, in a fixed order.

#include <cmath>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void adamw_update(T* weight, T* m, T* v, T* grad, int64_t n, const fused::AdamWStep<T>& step) {
  for_each_element(n, [&](int64_t i) {
    const T g = grad[i] * step.grad_scale;
    m[i] = step.beta1 * m[i] + step.one_minus_beta1 * g;
    v[i] = step.beta2 * v[i] + step.one_minus_beta2 * g * g;
    const T denominator = std::sqrt(v[i]) / step.sqrt_bias_correction2 + step.eps;
    weight[i] = weight[i] * step.decay_factor - step.step_size * m[i] / denominator;
    grad[i] = 0;
  });
}

template <typename T>
double sum_of_squares(const T* x, int64_t n) {
  // Sixteen independent sums hide the latency of an addition.
  constexpr int64_t kSums = 16;
  Eigen::Array<double, kSums, 1> sums = Eigen::Array<double, kSums, 1>::Zero();
  const int64_t whole = n - n % kSums;
  for (int64_t i = 0; i < whole; i += kSums) {
    sums += Eigen::Map<const Eigen::Array<T, kSums, 1>>(x + i).template cast<double>().square();
  }
  return sums.sum() + row(x + whole, n - whole).template cast<double>().squaredNorm();
}

}  // namespace gmlp::reference
