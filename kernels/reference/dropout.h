#pragma once
// Dropout (Srivastava et al. 2014), scaled in training so that inference does nothing. A fused
// block returns its branch already added to the shortcut, so the branch has its own form.
//
//   dropout          y = m z                dz = m dy
//   branch           y = x + m (z - x)      dz = m dy      dx = dy - dz       with z = x + branch
//   m                0 with probability `rate`, else 1 / (1 - rate)
//
// m is a function of (seed, step, site, element) alone, so the backward recomputes it, nothing is
// saved, and the number of threads changes nothing.

#include "core/parallel.h"
#include "core/random.h"

namespace gmlp::reference {

/// Each dropout of a model has its own site, below 4096.
struct DropoutKey {
  double rate = 0;  // in [0, 1)
  uint64_t seed = 0;
  int64_t step = 0;
  int64_t site = 0;
};

// Elements per random stream, so part of what defines m.
constexpr int64_t kDropoutRange = 1 << 14;

/// Calls body(i, m) for the n elements in ranges, each with its own random stream.
template <typename T, typename Body>
void for_each_factor(int64_t n, const DropoutKey& key, const Body& body) {
  // A draw below this number drops: the rate in units of 2^-32.
  const uint64_t limit = static_cast<uint64_t>(key.rate * 4294967296.0);
  const T kept = static_cast<T>(1 / (1 - key.rate));
  parallel_ranges(n, kDropoutRange, [&](int64_t begin, int64_t end) {
    // A sample's key has 32 bits: 12 of the site, 20 of the chunk.
    const uint64_t chunk = static_cast<uint64_t>(begin / kDropoutRange);
    Random random(key.seed, Purpose::kDropout, static_cast<uint64_t>(key.step),
                  (static_cast<uint64_t>(key.site) << 20) | chunk);
    for (int64_t i = begin; i < end; ++i) body(i, random.next_u32() < limit ? T(0) : kept);
  });
}

template <typename T>
void dropout_forward(T* y, const T* x, const T* z, int64_t n, const DropoutKey& key) {
  for_each_factor<T>(
      n, key, [&](int64_t i, T m) { y[i] = x == nullptr ? m * z[i] : x[i] + m * (z[i] - x[i]); });
}

template <typename T>
void dropout_backward(T* dx, T* dz, const T* dy, int64_t n, const DropoutKey& key) {
  for_each_factor<T>(n, key, [&](int64_t i, T m) {
    dz[i] = m * dy[i];
    if (dx != nullptr) dx[i] = dy[i] - dz[i];
  });
}

}  // namespace gmlp::reference
