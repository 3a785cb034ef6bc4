#pragma once
// Random numbers as a pure function: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011). A draw depends only on (seed, purpose, epoch or step,
// sample, index), so a resume needs no saved state and threads are independent.

#include <array>
#include <cstdint>

namespace gmlp {

/// The use of a stream of numbers; two purposes never share numbers.
enum class Purpose : uint32_t {
  kInit = 1,
  kShuffle = 2,
  kSplit = 3,
  kAugment = 4,
  kMix = 5,
  kDropPath = 6,
  kDropout = 7,
  kMask = 8,
  kShapes = 9,
  kSample = 10,
};

/// One block of the generator: ten rounds over a 128-bit counter under a 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// The numbers of one (seed, purpose, epoch, sample), in order. Cheap to construct.
class Random {
 public:
  Random(uint64_t seed, Purpose purpose, uint64_t epoch = 0, uint64_t sample = 0);

  uint32_t next_u32();
  double uniform();  ///< in [0, 1), 53 bits
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  int64_t below(int64_t n);    ///< in [0, n), unbiased; n >= 1
  double normal();             ///< mean 0, variance 1 (Box-Muller)
  double gamma(double shape);  ///< Marsaglia and Tsang 2000; shape > 0, scale 1
  double beta(double a, double b);

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

/// The order of n samples in an epoch: a Fisher-Yates shuffle of 0..n-1 by (seed, purpose, epoch).
void shuffle_indices(int64_t* indices, int64_t n, uint64_t seed, Purpose purpose, uint64_t epoch);

}  // namespace gmlp
