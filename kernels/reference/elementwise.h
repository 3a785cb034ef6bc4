#pragma once
// Ops without sums: their derivatives on one page.
//
//   split_half       y = x[:, :E] or x[:, E:]       dx = dy in that half, zero in the other
//   add              y = a + b                      da = dy             db = dy
//   multiply         y = a * b                      da = dy * b         db = dy * a
//   scale_samples    y[b] = scales[b] x[b]          dx[b] = scales[b] dy[b]
//   gelu             y = x Φ(x)                     dx = dy (Φ(x) + x φ(x))
//
// The backwards of add, multiply and scale_samples are these functions again. GELU (Hendrycks and
// Gimpel 2016; timm's default) is the exact one, not the tanh approximation:
//
//   Φ(x) = erfc(-x / √2) / 2        φ(x) = exp(-x²/2) / √(2π)
//
// erfc, because 1 + erf(x) cancels for x below about -3.

#include <cmath>
#include <numbers>

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void split_half_forward(T* y, const T* x, bool second, int64_t rows, int64_t width) {
  parallel_ranges(rows, kRowChunk, [&](int64_t begin, int64_t end) {
    matrix(y + begin * width, end - begin, width) =
        matrix(x + begin * 2 * width, end - begin, 2 * width).middleCols(second ? width : 0, width);
  });
}

template <typename T>
void split_half_backward(T* dx, const T* dy, bool second, int64_t rows, int64_t width) {
  parallel_ranges(rows, kRowChunk, [&](int64_t begin, int64_t end) {
    auto dx_rows = matrix(dx + begin * 2 * width, end - begin, 2 * width);
    dx_rows.middleCols(second ? width : 0, width) = matrix(dy + begin * width, end - begin, width);
    dx_rows.middleCols(second ? 0 : width, width).setZero();
  });
}

template <typename T>
void add_forward(T* y, const T* a, const T* b, int64_t n) {
  for_each_element(n, [&](int64_t i) { y[i] = a[i] + b[i]; });
}

template <typename T>
void multiply_forward(T* y, const T* a, const T* b, int64_t n) {
  for_each_element(n, [&](int64_t i) { y[i] = a[i] * b[i]; });
}

template <typename T>
void scale_samples_forward(T* y, const T* x, const double* scales, int64_t batch, int64_t size) {
  parallel_for(batch, [&](int64_t b) {
    row(y + b * size, size) = static_cast<T>(scales[b]) * row(x + b * size, size);
  });
}

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
  for_each_element(n, [&](int64_t i) { y[i] = x[i] * normal_cdf(x[i]); });
}

template <typename T>
void gelu_backward(T* dx, const T* dy, const T* x, int64_t n) {
  for_each_element(
      n, [&](int64_t i) { dx[i] = dy[i] * (normal_cdf(x[i]) + x[i] * normal_pdf(x[i])); });
}

}  // namespace gmlp::reference
