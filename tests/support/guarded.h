#pragma once
// Memory between two guards: whoever writes beyond its ends changes them.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gmlp::test {

class Guarded {
 public:
  explicit Guarded(int64_t floats)
      : size_(floats), data_(static_cast<size_t>(floats) + 2 * kGuard, kMark) {}
  float* data() { return data_.data() + kGuard; }
  int64_t size() const { return size_; }
  bool intact() const {
    for (size_t i = 0; i < kGuard; ++i) {
      if (data_[i] != kMark || data_[kGuard + static_cast<size_t>(size_) + i] != kMark)
        return false;
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr float kMark = -12345.5F;
  int64_t size_;
  std::vector<float> data_;
};

}  // namespace gmlp::test
