#pragma once
// How far two tensors are apart, in the measure of the project's promises.

#include <cmath>

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

/// The largest |a - b|.
inline double max_difference(const Tensor& a, const Tensor& b) {
  double worst = 0;
  for (int64_t i = 0; i < b.elements(); ++i) worst = std::fmax(worst, std::fabs(a.at(i) - b.at(i)));
  return worst;
}

}  // namespace gmlp::test
