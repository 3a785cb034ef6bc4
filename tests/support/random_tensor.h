#pragma once
// Tensors of repeatable random numbers.

#include "core/random.h"
#include "core/tensor.h"

namespace gmlp::test {

/// Normal numbers times `scale`. The same (seed, shape) gives the same numbers in every dtype, up
/// to rounding.
inline Tensor random_tensor(DType dtype, const Shape& shape, uint64_t seed, double scale = 1.0) {
  const Tensor draws = Tensor::zeros(DType::kF64, shape);
  Random random(seed, Purpose::kSample);
  for (int64_t i = 0; i < draws.elements(); ++i) draws.data<double>()[i] = scale * random.normal();
  Tensor tensor = Tensor::zeros(dtype, shape);
  tensor.copy_from(draws);
  return tensor;
}

}  // namespace gmlp::test
