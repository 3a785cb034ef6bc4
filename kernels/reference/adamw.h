#pragma once
// AdamW (Loshchilov and Hutter 2019, algorithm 2), one tensor at a time.
//
//   g = grad * grad_scale
//   w *= 1 - lr * decay                                  decoupled from the gradient
//   m = beta1 m + (1 - beta1) g                          v = beta2 v + (1 - beta2) g²
//   w -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
//
// Also the sum of squares for clipping by the global norm, in double, in a fixed order.

#include <cmath>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

using fused::AdamWStep;

template <typename T>
void adamw_update(T* weight, T* m, T* v, const T* grad, int64_t n, const AdamWStep& step) {
  const T decay_factor = static_cast<T>(1 - step.lr * step.weight_decay);
  const T beta1 = static_cast<T>(step.beta1);
  const T beta2 = static_cast<T>(step.beta2);
  const T one_minus_beta1 = static_cast<T>(1 - step.beta1);
  const T one_minus_beta2 = static_cast<T>(1 - step.beta2);
  const T step_size = static_cast<T>(step.lr / step.bias_correction1);
  const T sqrt_bias_correction2 = static_cast<T>(std::sqrt(step.bias_correction2));
  const T eps = static_cast<T>(step.eps);
  const T scale = static_cast<T>(step.grad_scale);
  for_each_element(n, [&](int64_t i) {
    const T g = grad[i] * scale;
    m[i] = beta1 * m[i] + one_minus_beta1 * g;
    v[i] = beta2 * v[i] + one_minus_beta2 * g * g;
    const T denominator = std::sqrt(v[i]) / sqrt_bias_correction2 + eps;
    weight[i] = weight[i] * decay_factor - step_size * m[i] / denominator;
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
