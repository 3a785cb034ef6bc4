// Ops of each element alone, with their derivatives on one page.
//
//   split_half       y = x[:, :E] or x[:, E:]       dx = dy in that half, zero in the other
//   add              y = a + b                      da = dy             db = dy
//   multiply         y = a * b                      da = dy * b         db = dy * a
//   scale_samples    y[b] = scales[b] x[b]          dx[b] = scales[b] dy[b]
//   gelu             y = x Φ(x)                     dx = dy (Φ(x) + x φ(x))
//   dropout          y = m z                        dz = m dy
//     of a branch    y = x + m (z - x)              dz = m dy, dx = dy - dz       z = x + branch
//
// The backwards of add, multiply and scale_samples are these functions again.
//
// GELU is the exact one (Hendrycks and Gimpel 2016; timm's default), not the tanh approximation:
// Φ(x) = erfc(-x / √2) / 2 and φ(x) = exp(-x²/2) / √(2π). It uses erfc, because 1 + erf(x) cancels
// for x below about -3. Saved: x.
//
// Dropout (Srivastava et al. 2014) scales in training, so evaluation needs no scale: m is 0 with
// probability `rate`, else 1 / (1 - rate). A fused block returns its branch already added to the
// shortcut x. m depends on (seed, step, site, element) alone. So the backward computes it again,
// nothing is saved, and the number of threads changes nothing.

#include <cmath>
#include <numbers>

#include "core/parallel.h"
#include "core/random.h"
#include "kernels/reference/matrix.h"
#include "kernels/reference/reference.h"

namespace gmlp::reference {

namespace {

template <typename T>
T normal_cdf(T x) {
  return T(0.5) * std::erfc(-x * static_cast<T>(1 / std::numbers::sqrt2));
}

template <typename T>
T normal_pdf(T x) {
  return std::exp(T(-0.5) * x * x) * static_cast<T>(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

/// Calls body(i, m) for the n elements. Each chunk has its own random numbers.
template <typename T, typename Body>
void for_each_factor(int64_t n, const DropoutKey& key, const Body& body) {
  // A draw below this limit drops: the rate in units of 2^-32.
  const uint64_t limit = static_cast<uint64_t>(key.rate * 4294967296.0);
  const T kept = static_cast<T>(1 / (1 - key.rate));
  parallel_ranges(n, kElementChunk, [&](int64_t begin, int64_t end) {
    // The sample of a key has 32 bits: 12 for the site, 20 for the chunk.
    const uint64_t chunk = static_cast<uint64_t>(begin / kElementChunk);
    Random random(key.seed, Purpose::kDropout, static_cast<uint64_t>(key.step),
                  (static_cast<uint64_t>(key.site) << 20) | chunk);
    for (int64_t i = begin; i < end; ++i) body(i, random.next_u32() < limit ? T(0) : kept);
  });
}

}  // namespace

template <typename T>
void split_half_forward(T* y, const T* x, bool second, int64_t rows, int64_t width) {
  for_each_row(rows, [&](int64_t r) {
    row(y + r * width, width) = row(x + (2 * r + (second ? 1 : 0)) * width, width);
  });
}

template <typename T>
void split_half_backward(T* dx, const T* dy, bool second, int64_t rows, int64_t width) {
  for_each_row(rows, [&](int64_t r) {
    row(dx + (2 * r + (second ? 1 : 0)) * width, width) = row(dy + r * width, width);
    row(dx + (2 * r + (second ? 0 : 1)) * width, width).setZero();
  });
}

template <typename T>
void add_forward(T* y, const T* a, const T* b, int64_t n) {
  parallel_ranges(n, kElementChunk, [&](int64_t begin, int64_t end) {
    row(y + begin, end - begin) = row(a + begin, end - begin) + row(b + begin, end - begin);
  });
}

template <typename T>
void multiply_forward(T* y, const T* a, const T* b, int64_t n) {
  parallel_ranges(n, kElementChunk, [&](int64_t begin, int64_t end) {
    row(y + begin, end - begin).array() =
        row(a + begin, end - begin).array() * row(b + begin, end - begin).array();
  });
}

template <typename T>
void scale_samples_forward(T* y, const T* x, const double* scales, int64_t batch, int64_t size) {
  parallel_for(batch, [&](int64_t b) {
    row(y + b * size, size) = static_cast<T>(scales[b]) * row(x + b * size, size);
  });
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

template <typename T>
void dropout_forward(T* y, const T* x, const T* z, int64_t n, const DropoutKey& key) {
  if (x == nullptr) {
    for_each_factor<T>(n, key, [&](int64_t i, T m) { y[i] = m * z[i]; });
  } else {
    for_each_factor<T>(n, key, [&](int64_t i, T m) { y[i] = x[i] + m * (z[i] - x[i]); });
  }
}

template <typename T>
void dropout_backward(T* dx, T* dz, const T* dy, int64_t n, const DropoutKey& key) {
  for_each_factor<T>(n, key, [&](int64_t i, T m) {
    dz[i] = m * dy[i];
    if (dx != nullptr) dx[i] = dy[i] - dz[i];
  });
}

GMLP_INSTANTIATE(split_half_forward);
GMLP_INSTANTIATE(split_half_backward);
GMLP_INSTANTIATE(add_forward);
GMLP_INSTANTIATE(multiply_forward);
GMLP_INSTANTIATE(scale_samples_forward);
GMLP_INSTANTIATE(gelu_forward);
GMLP_INSTANTIATE(gelu_backward);
GMLP_INSTANTIATE(dropout_forward);
GMLP_INSTANTIATE(dropout_backward);

}  // namespace gmlp::reference
