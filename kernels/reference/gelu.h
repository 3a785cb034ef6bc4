#pragma once
// GELU, the exact one (Hendrycks and Gimpel 2016; timm's default), not the tanh approximation.
//
//   forward    y = x Φ(x)                     Φ(x) = erfc(-x / √2) / 2
//   backward   dx = dy (Φ(x) + x φ(x))        φ(x) = exp(-x²/2) / √(2π)
//
// Φ through erfc, since 1 + erf(x) cancels for x below about -3. Saved: x.

#include <cmath>
#include <numbers>

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
T normal_cdf(T x) {
  return T(0.5) * std::erfc(-x * static_cast<T>(1 / std::numbers::sqrt2));
}

template <typename T>
T normal_pdf(T x) {
  return std::exp(T(-0.5) * x * x) * static_cast<T>(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

template <typename T>
void gelu_forward(T* y, const T* x, int64_t n) {
  parallel_ranges(n, kElementChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = x[i] * normal_cdf(x[i]);
  });
}

template <typename T>
void gelu_backward(T* dx, const T* dy, const T* x, int64_t n) {
  parallel_ranges(n, kElementChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      dx[i] = dy[i] * (normal_cdf(x[i]) + x[i] * normal_pdf(x[i]));
    }
  });
}

}  // namespace gmlp::reference
