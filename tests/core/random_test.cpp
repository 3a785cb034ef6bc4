// Philox against its authors' vectors, distributions against their moments.
#include "core/random.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "tests/support/catch.h"

namespace gmlp {
namespace {

using Block = std::array<uint32_t, 4>;

// Mean and variance of n draws. Seeds are fixed, so a test passes always or never; tolerances are
// five standard errors.
struct Moments {
  double mean = 0;
  double variance = 0;
};

constexpr int kDraws = 200'000;

template <typename Draw>
Moments moments_of(const Draw& draw) {
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

void check_moments(const Moments& got, double mean, double variance, double kurtosis) {
  CHECK(std::abs(got.mean - mean) < 5 * std::sqrt(variance / kDraws));
  CHECK(std::abs(got.variance - variance) < 5 * variance * std::sqrt((kurtosis - 1) / kDraws));
}

TEST_CASE("philox4x32-10 gives the known answers of Random123") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("equal keys give equal numbers") {
  Random a(7, Purpose::kInit, 3, 4);
  Random b(7, Purpose::kInit, 3, 4);
  for (int i = 0; i < 100; ++i) CHECK(a.next_u32() == b.next_u32());
}

TEST_CASE("seed, purpose, epoch and sample each give other numbers") {
  const uint64_t high = uint64_t{1} << 32;  // the upper halves count too
  std::set<uint32_t> firsts;
  firsts.insert(Random(7, Purpose::kInit, 3, 4).next_u32());
  firsts.insert(Random(8, Purpose::kInit, 3, 4).next_u32());
  firsts.insert(Random(7 + high, Purpose::kInit, 3, 4).next_u32());
  firsts.insert(Random(7, Purpose::kShuffle, 3, 4).next_u32());
  firsts.insert(Random(7, Purpose::kInit, 4, 4).next_u32());
  firsts.insert(Random(7, Purpose::kInit, 3 + high, 4).next_u32());
  firsts.insert(Random(7, Purpose::kInit, 3, 5).next_u32());
  CHECK(firsts.size() == 7);
}

TEST_CASE("uniform numbers lie from 0 to below 1 with mean 1/2 and variance 1/12") {
  Random random(1, Purpose::kInit);
  double lowest = 1;
  double highest = 0;
  const Moments got = moments_of([&] {
    const double x = random.uniform();
    lowest = std::min(lowest, x);
    highest = std::max(highest, x);
    return x;
  });
  check_moments(got, 0.5, 1.0 / 12, 1.8);
  CHECK(lowest >= 0);
  CHECK(lowest < 1e-4);
  CHECK(highest < 1);
  CHECK(highest > 1 - 1e-4);
  for (int i = 0; i < 1000; ++i) {
    const double x = random.uniform(-2, 3);
    CHECK((x >= -2 && x < 3));
  }
}

TEST_CASE("normal numbers have the first four moments of the normal distribution") {
  Random random(2, Purpose::kInit);
  check_moments(moments_of([&] { return random.normal(); }), 0, 1, 3);
  // E x^3 = 0 with variance 15, E x^4 = 3 with variance 96.
  CHECK(std::abs(moments_of([&] { return std::pow(random.normal(), 3); }).mean) <
        5 * std::sqrt(15.0 / kDraws));
  CHECK(std::abs(moments_of([&] { return std::pow(random.normal(), 4); }).mean - 3) <
        5 * std::sqrt(96.0 / kDraws));
}

TEST_CASE("gamma numbers have mean and variance equal to the shape") {
  for (const double shape : {0.2, 0.8, 1.0, 4.5}) {
    Random random(3, Purpose::kMix);
    check_moments(moments_of([&] { return random.gamma(shape); }), shape, shape, 3 + 6 / shape);
  }
}

TEST_CASE("beta numbers lie from 0 to 1 with the mean and variance of the distribution") {
  const double pairs[][2] = {{0.2, 0.2}, {0.8, 0.8}, {1, 1}, {2, 5}};
  for (const auto& pair : pairs) {
    const double a = pair[0];
    const double b = pair[1];
    Random random(4, Purpose::kMix);
    bool inside = true;
    const Moments got = moments_of([&] {
      const double x = random.beta(a, b);
      inside = inside && x >= 0 && x <= 1;
      return x;
    });
    CHECK(inside);
    check_moments(got, a / (a + b), a * b / ((a + b) * (a + b) * (a + b + 1)), 3);
  }
}

TEST_CASE("below(n) reaches every value equally often") {
  Random random(5, Purpose::kSample);
  constexpr int kValues = 7;
  std::map<int64_t, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[random.below(kValues)];
  CHECK(counts.size() == kValues);
  double chi_square = 0;
  const double expected = static_cast<double>(kDraws) / kValues;
  for (const auto& [value, count] : counts) {
    CHECK((value >= 0 && value < kValues));
    chi_square += (count - expected) * (count - expected) / expected;
  }
  CHECK(chi_square < 22.5);  // 6 degrees of freedom: exceeded once in 1,000
  CHECK(random.below(1) == 0);
  CHECK(random.below(INT64_MAX) >= 0);
}

std::vector<int64_t> shuffled(int64_t n, uint64_t seed, Purpose purpose, uint64_t epoch) {
  std::vector<int64_t> indices(static_cast<size_t>(n), -1);
  shuffle_indices(indices.data(), n, seed, purpose, epoch);
  return indices;
}

TEST_CASE("a shuffle is a permutation") {
  for (const int64_t n : {0, 1, 2, 1000}) {
    std::vector<int64_t> indices = shuffled(n, 1, Purpose::kShuffle, 0);
    std::sort(indices.begin(), indices.end());
    std::vector<int64_t> expected(static_cast<size_t>(n));
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(indices == expected);
  }
}

TEST_CASE("a shuffle depends on seed, purpose and epoch and on nothing else") {
  const std::vector<int64_t> order = shuffled(50, 1, Purpose::kShuffle, 2);
  Random(9, Purpose::kInit).normal();  // numbers drawn elsewhere in between
  CHECK(shuffled(50, 1, Purpose::kShuffle, 2) == order);
  CHECK(shuffled(50, 2, Purpose::kShuffle, 2) != order);
  CHECK(shuffled(50, 1, Purpose::kSplit, 2) != order);
  CHECK(shuffled(50, 1, Purpose::kShuffle, 3) != order);
}

TEST_CASE("a shuffle reaches every order of three equally often") {
  std::map<std::vector<int64_t>, int> counts;
  constexpr int kShuffles = 6000;
  for (uint64_t epoch = 0; epoch < kShuffles; ++epoch) {
    ++counts[shuffled(3, 1, Purpose::kShuffle, epoch)];
  }
  CHECK(counts.size() == 6);
  for (const auto& [order, count] : counts) CHECK(std::abs(count - 1000) < 145);  // five sigma
}

}  // namespace
}  // namespace gmlp
