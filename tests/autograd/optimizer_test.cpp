// The average of the weights (Ema); AdamW is tested by the golden cases.
#include "autograd/optimizer.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace gmlp {

TEST_CASE("the average warms up, and follows its formula") {
  Parameter weight{"w", Tensor::zeros(DType::kF64, {2}), Tensor::zeros(DType::kF64, {2})};
  Ema ema({&weight}, 0.6);
  double expected = 0;
  for (int64_t step = 1; step <= 40; ++step) {
    weight.value.fill(static_cast<double>(step * step));
    ema.update(step);
    const double t = static_cast<double>(step);
    const double decay = std::min(0.6, (1 + t) / (10 + t));
    expected += (1 - decay) * (t * t - expected);
    CHECK(ema.averages()[0].at(1) == Approx(expected).epsilon(1e-14));
  }
  CHECK(Ema({&weight}, 0.9998).averages()[0].at(0) == 1600);
}

TEST_CASE("after a short run the average is near the weights, however large its decay") {
  Parameter weight{"w", Tensor::zeros(DType::kF32, {1}), Tensor::zeros(DType::kF32, {1})};
  Ema ema({&weight}, 0.9998);
  weight.value.fill(1);
  for (int64_t step = 1; step <= 100; ++step) ema.update(step);
  CHECK(ema.averages()[0].at(0) > 0.99);
}

}  // namespace gmlp
