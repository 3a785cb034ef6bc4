#pragma once
// Differences between tensors, as the project's promises measure them. NaN differs infinitely from
// everything; std::fmax and std::max would ignore it.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/tensor.h"

namespace gmlp::test {

/// |a - b| / |b| in the Euclidean norm; the denominator is at least `floor`.
inline double norm_relative(const Tensor& a, const Tensor& b, double floor = 1e-30) {
  double difference = 0;
  double size = 0;
  for (int64_t i = 0; i < b.elements(); ++i) {
    const double delta = a.at(i) - b.at(i);
    difference += delta * delta;
    size += b.at(i) * b.at(i);
  }
  return std::sqrt(difference) / std::fmax(std::sqrt(size), floor);
}

/// The maximum of two differences.
inline double worse(double worst, double difference) {
  return std::isnan(difference) ? HUGE_VAL : std::max(worst, difference);
}

/// The largest |a - b|.
inline double max_difference(const Tensor& a, const Tensor& b) {
  double worst = 0;
  for (int64_t i = 0; i < b.elements(); ++i) worst = worse(worst, std::fabs(a.at(i) - b.at(i)));
  return worst;
}

/// The same shape, type and bits.
inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), static_cast<size_t>(b.bytes())) == 0;
}

}  // namespace gmlp::test
