// A differentiable op of our own, and the proof that its gradient is right.
//
//   y = max(x, 0)²      dx = dy 2 max(x, 0)        ("squared ReLU", So et al. 2021)
//
// An op computes its output at once and records the loop that turns the gradient of its output into
// that of its input. record_unary() allocates both, in f32 or in f64 as the input is.

#include <cmath>
#include <utility>

#include <fmt/core.h>
#include <gmlp/gmlp.h>

gmlp::Var squared_relu(gmlp::Tape& tape, gmlp::Var input) {
  const gmlp::Shape shape = tape.value(input).shape();
  const int64_t n = shape.elements();
  const auto forward = [n]<typename T>(T* y, const T* x) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? x[i] * x[i] : 0;
  };
  const auto backward = [n]<typename T>(T* dx, const T* dy, const T* x) {
    for (int64_t i = 0; i < n; ++i) dx[i] = x[i] > 0 ? dy[i] * 2 * x[i] : 0;
  };
  return tape.record_unary("squared_relu", input, shape, forward, backward);
}

// The check: with L = sum(dy * y), dL/dx[i] must equal (L(x[i] + h) - L(x[i] - h)) / 2h.
int main() {
  const gmlp::Shape shape{4, 8};
  const gmlp::Tensor x = gmlp::Tensor::zeros(gmlp::DType::kF64, shape);
  const gmlp::Tensor dy = gmlp::Tensor::zeros(gmlp::DType::kF64, shape);
  gmlp::Random random(1, gmlp::Purpose::kInit);
  for (int64_t i = 0; i < x.elements(); ++i) {
    x.data<double>()[i] = random.normal();
    dy.data<double>()[i] = random.normal();
  }
  gmlp::Arena arena;
  const auto loss = [&] {
    gmlp::Tape tape(arena, gmlp::Backend::kReference, false);
    const gmlp::Tensor y = tape.value(squared_relu(tape, tape.constant(x)));
    double sum = 0;
    for (int64_t i = 0; i < y.elements(); ++i) sum += y.at(i) * dy.at(i);
    return sum;
  };
  gmlp::Tape tape(arena, gmlp::Backend::kReference, true);
  const gmlp::Var leaf = tape.leaf(x);
  tape.backward(squared_relu(tape, leaf), dy);
  constexpr double kStep = 1e-5;
  double worst = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    double& element = x.data<double>()[i];
    const double original = std::exchange(element, element + kStep);
    const double above = loss();
    element = original - kStep;
    const double below = loss();
    element = original;
    worst = std::fmax(worst, std::fabs(tape.grad(leaf).at(i) - (above - below) / (2 * kStep)));
  }
  fmt::print("largest difference of the gradients: {:.1e}\n", worst);
  return worst < 1e-8 ? 0 : 1;
}
