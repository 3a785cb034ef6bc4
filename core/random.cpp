#include "core/random.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace gmlp {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9;  // the golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

// Key and counter have 192 bits: seed 64, purpose 16, epoch 48, sample 32, block number 32.
Random::Random(uint64_t seed, Purpose purpose, uint64_t epoch, uint64_t sample)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{0, static_cast<uint32_t>(sample), static_cast<uint32_t>(epoch),
               (static_cast<uint32_t>(purpose) << 16) ^ static_cast<uint32_t>(epoch >> 32)} {}

uint32_t Random::next_u32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

double Random::uniform() {
  const uint64_t high = next_u32() >> 5;  // 27 bits
  const uint64_t low = next_u32() >> 6;   // 26 bits
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

int64_t Random::below(int64_t n) {
  const uint64_t range = static_cast<uint64_t>(n);
  while (true) {
    const uint64_t high = next_u32();
    const uint64_t draw = (high << 32) | next_u32();
    // Rejects an incomplete last range, so that every value is equally likely.
    if (draw < UINT64_MAX - UINT64_MAX % range) return static_cast<int64_t>(draw % range);
  }
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double Random::gamma(double shape) {
  // Below 1: gamma(a) = gamma(a + 1) U^(1/a).
  if (shape < 1) return gamma(shape + 1) * std::pow(1.0 - uniform(), 1.0 / shape);
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = normal();
    const double cube = 1.0 + c * x;
    if (cube <= 0) continue;
    const double v = cube * cube * cube;
    if (std::log(1.0 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

double Random::beta(double a, double b) {
  const double x = gamma(a);
  const double y = gamma(b);
  // For tiny parameters both underflow: the distribution is then concentrated at 0 and 1.
  if (x + y == 0) return uniform() * (a + b) < a ? 1 : 0;
  return x / (x + y);
}

void shuffle_indices(int64_t* indices, int64_t n, uint64_t seed, Purpose purpose, uint64_t epoch) {
  for (int64_t i = 0; i < n; ++i) indices[i] = i;
  Random random(seed, purpose, epoch);
  for (int64_t i = n - 1; i > 0; --i) std::swap(indices[i], indices[random.below(i + 1)]);
}

}  // namespace gmlp
