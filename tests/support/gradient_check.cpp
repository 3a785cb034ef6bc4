#include "tests/support/gradient_check.h"

#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace gmlp::test {

namespace {

constexpr double kStep = 1e-5;

std::vector<Var> leaves_of(Tape& tape, const std::vector<Tensor>& inputs) {
  std::vector<Var> leaves;
  leaves.reserve(inputs.size());
  for (const Tensor& input : inputs) leaves.push_back(tape.leaf(input));
  return leaves;
}

double evaluate(const std::vector<Tensor>& inputs, const Build& build) {
  Arena arena;
  Tape tape(arena, Backend::kReference, false);
  const Tensor y = tape.value(build(tape, leaves_of(tape, inputs)));
  const Tensor r = random_tensor(DType::kF64, y.shape(), 99);
  double total = 0;
  for (int64_t i = 0; i < y.elements(); ++i) total += r.at(i) * y.at(i);
  return total;
}

Tensor numeric_gradient(const Tensor& x, const std::vector<Tensor>& inputs, const Build& build) {
  Tensor gradient = Tensor::zeros(DType::kF64, x.shape());
  for (int64_t i = 0; i < x.elements(); ++i) {
    double& place = x.data<double>()[i];
    const double kept = place;
    place = kept + kStep;
    const double above = evaluate(inputs, build);
    place = kept - kStep;
    const double below = evaluate(inputs, build);
    place = kept;
    gradient.data<double>()[i] = (above - below) / (2 * kStep);
  }
  return gradient;
}

}  // namespace

GradientError check_gradients(const std::vector<Tensor>& inputs,
                              const std::vector<Parameter*>& parameters, const Build& build) {
  for (Parameter* parameter : parameters) parameter->grad.fill(0);
  Arena arena;
  Tape tape(arena, Backend::kReference, true);
  const std::vector<Var> leaves = leaves_of(tape, inputs);
  const Var y = build(tape, leaves);
  tape.backward(y, random_tensor(DType::kF64, tape.value(y).shape(), 99));

  GradientError result;
  const auto compare = [&](const std::string& name, const Tensor& ours, const Tensor& x) {
    const double error = norm_relative(ours, numeric_gradient(x, inputs, build), 1e-3);
    if (!(error <= result.error)) result = {name, error};
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    compare("input " + std::to_string(i), tape.grad(leaves[i]), inputs[i]);
  }
  for (const Parameter* parameter : parameters) {
    compare(parameter->name, parameter->grad, parameter->value);
  }
  return result;
}

}  // namespace gmlp::test
