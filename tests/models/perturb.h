#pragma once
// Weights that let every token and every gradient matter.

#include <vector>

#include "autograd/tape.h"
#include "tests/support/random_tensor.h"

namespace gmlp::test {

/// Adds normal numbers times `spread` to every parameter: W, norms and biases begin so near to zero
/// or one that much would hide behind them.
inline void perturb(const std::vector<Parameter*>& parameters, double spread) {
  uint64_t seed = 1000;
  for (Parameter* parameter : parameters) {
    Tensor noise = random_tensor(DType::kF64, parameter->value.shape(), ++seed, spread);
    for (int64_t i = 0; i < noise.elements(); ++i) {
      noise.data<double>()[i] += parameter->value.at(i);
    }
    parameter->value.copy_from(noise);
  }
}

}  // namespace gmlp::test
