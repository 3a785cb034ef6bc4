#pragma once
// Softmax and log-sum-exp of one row. The maximum is subtracted before exponentiating, so no finite
// input overflows and at least one term of the sum is 1:
//
//   p_i = exp(x_i - max x) / sum_j exp(x_j - max x)
//   log_sum_exp(x) = max x + log sum_j exp(x_j - max x)
//
// Sums run from the first element to the last, so the bits depend on the values alone. The fused
// kernels have a vector version of their own.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace gmlp {

/// p = softmax(x) over n >= 1 elements; p may be x. Returns log_sum_exp(x).
template <typename T>
T softmax(T* p, const T* x, int64_t n) {
  const T top = *std::max_element(x, x + n);
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += p[i] = std::exp(x[i] - top);
  for (int64_t i = 0; i < n; ++i) p[i] /= sum;
  return std::log(sum) + top;
}

/// log(sum exp(x_i)) over n >= 1 elements.
template <typename T>
T log_sum_exp(const T* x, int64_t n) {
  const T top = *std::max_element(x, x + n);
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - top);
  return std::log(sum) + top;
}

}  // namespace gmlp
