#pragma once
// Memory between two guards, which change if a kernel writes beyond its ends. All of it is NaN at
// first, in f32 and in bf16, so that reading what was never written shows too.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace gmlp::test {

class Guarded {
 public:
  explicit Guarded(int64_t floats)
      : size_(floats), data_(static_cast<size_t>(floats) + 2 * kGuard) {
    std::memset(data_.data(), kMark, data_.size() * sizeof(float));
  }
  float* data() { return data_.data() + kGuard; }
  int64_t size() const { return size_; }
  bool intact() const {
    const auto untouched = [](const float* guard) {
      const auto* bytes = reinterpret_cast<const unsigned char*>(guard);
      return std::all_of(bytes, bytes + kGuard * sizeof(float),
                         [](unsigned char byte) { return byte == kMark; });
    };
    return untouched(data_.data()) && untouched(data_.data() + kGuard + size_);
  }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr int kMark = 0xFF;  // every byte
  int64_t size_;
  std::vector<float> data_;
};

}  // namespace gmlp::test
