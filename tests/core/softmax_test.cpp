#include "core/softmax.h"

#include <limits>
#include <vector>

#include "tests/support/catch.h"

using namespace gmlp;

TEMPLATE_TEST_CASE("softmax and log-sum-exp agree with their definition", "", float, double) {
  const std::vector<TestType> x{TestType(0.5), TestType(-1), TestType(2), TestType(0)};
  long double sum = 0;
  for (const TestType value : x) sum += std::exp(static_cast<long double>(value));
  std::vector<TestType> p(4);
  const TestType lse = softmax(p.data(), x.data(), 4);
  const double tolerance = 4 * static_cast<double>(std::numeric_limits<TestType>::epsilon());
  CHECK(lse == Approx(static_cast<double>(std::log(sum))).epsilon(tolerance));
  CHECK(log_sum_exp(x.data(), 4) == lse);
  for (size_t i = 0; i < 4; ++i) {
    const long double expected = std::exp(static_cast<long double>(x[i])) / sum;
    CHECK(p[i] == Approx(static_cast<double>(expected)).epsilon(tolerance));
  }
}

TEST_CASE("softmax neither overflows nor divides by zero for large inputs") {
  std::vector<float> x{1e30F, 1e30F, -1e30F};
  CHECK(log_sum_exp(x.data(), 3) == 1e30F);
  softmax(x.data(), x.data(), 3);  // in place
  CHECK(x == std::vector<float>{0.5F, 0.5F, 0});
  const float one = -3e38F;
  CHECK(log_sum_exp(&one, 1) == one);
}

TEST_CASE("softmax gives -infinity the probability 0") {
  std::vector<double> x{-std::numeric_limits<double>::infinity(), 1.0};
  CHECK(softmax(x.data(), x.data(), 2) == 1.0);
  CHECK(x == std::vector<double>{0, 1});
}
