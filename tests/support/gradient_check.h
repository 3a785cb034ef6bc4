#pragma once
// Gradients by central differences in double: f(x) = sum r * y(x) with fixed random r, where each
// element of each input and parameter changes by +-h. The error is about h² + 1e-16 / h = 1e-10.

#include <functional>
#include <string>
#include <vector>

#include "autograd/tape.h"

namespace gmlp::test {

/// Builds y on the tape from leaves of the tensors in `inputs`, in their order.
using Build = std::function<Var(Tape& tape, const std::vector<Var>& inputs)>;

struct GradientError {
  std::string worst;  // the tensor's name, "input 0" for inputs
  double error = 0;   // norm-relative
};

/// The worst norm-relative error over all f64 inputs and parameters.
GradientError check_gradients(const std::vector<Tensor>& inputs,
                              const std::vector<Parameter*>& parameters, const Build& build);

}  // namespace gmlp::test
