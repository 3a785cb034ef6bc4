// The weighted cross-entropy beside values computed by hand, which PyTorch's
// CrossEntropyLoss(weight=w) gives, too.

#include <cmath>

#include "autograd/ops.h"
#include "tests/support/catch.h"

namespace gmlp {

namespace {

Tensor tensor_of(const Shape& shape, const std::vector<double>& values) {
  Tensor tensor = Tensor::zeros(DType::kF64, shape);
  std::copy(values.begin(), values.end(), tensor.data<double>());
  return tensor;
}

}  // namespace

TEST_CASE("class weights weigh the terms of the loss, and its gradient") {
  const double ln2 = std::log(2.0);
  // Probabilities 1/4 1/2 1/4 and 1/4 1/4 1/2; weights 1/2 1 2.
  const Tensor logits = tensor_of({2, 3}, {0, ln2, 0, 0, 0, ln2});
  const std::vector<double> weights = {0.5, 1, 2};
  struct Case {
    std::vector<double> targets;
    double scale;  // times the mean over two rows
    double loss;
    std::vector<double> gradient;
  };
  const std::vector<Case> cases = {
      // Labels 1 and 0: a mean over the labels' weights, 1 + 1/2.
      {{0, 1, 0, 1, 0, 0},
       2 / 1.5,
       (1 * ln2 + 0.5 * 2 * ln2) / 1.5,
       {0.25 / 1.5, -0.5 / 1.5, 0.25 / 1.5, -0.375 / 1.5, 0.125 / 1.5, 0.25 / 1.5}},
      // Probabilities as targets: a mean over the rows. dz = p sum(w t) - w t.
      {{0.1, 0.8, 0.1, 0, 0.5, 0.5},
       1,
       (1.3 * ln2 + 0.5 * 2 * ln2 + 2 * 0.5 * ln2) / 2,
       {(0.2625 - 0.05) / 2, (0.525 - 0.8) / 2, (0.2625 - 0.2) / 2, 0.375 / 2, (0.375 - 0.5) / 2,
        (0.75 - 1) / 2}}};
  for (const Case& c : cases) {
    Arena arena;
    Tape tape(arena, Backend::kReference, true);
    const Var z = tape.leaf(logits);
    const Var loss = cross_entropy(tape, z, tensor_of({2, 3}, c.targets), c.scale, weights);
    tape.backward(loss);
    CHECK(tape.value(loss).at(0) == Approx(c.loss).epsilon(1e-14));
    for (int64_t i = 0; i < 6; ++i) {
      CHECK(tape.grad(z).at(i) == Approx(c.gradient[static_cast<size_t>(i)]).margin(1e-15));
    }
  }
}

TEST_CASE("equal class weights change no bit") {
  const Tensor logits = tensor_of({2, 3}, {0.3, -1, 2, 0.1, 5, 1});
  const Tensor targets = tensor_of({2, 3}, {0, 1, 0, 0, 0, 1});
  std::vector<double> losses;
  for (const std::vector<double>& weights : {std::vector<double>{}, std::vector<double>(3, 1)}) {
    Arena arena;
    Tape tape(arena, Backend::kReference, false);
    losses.push_back(tape.value(cross_entropy(tape, tape.leaf(logits), targets, 1, weights)).at(0));
  }
  CHECK(losses[0] == losses[1]);
}

}  // namespace gmlp
