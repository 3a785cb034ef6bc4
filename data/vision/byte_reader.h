#pragma once
// A cursor over untrusted bytes: every read says what it wants and fails by name when it is not
// there.

#include <cstdint>
#include <string>

#include "core/error.h"

namespace gmlp {

class ByteReader {
 public:
  ByteReader(const uint8_t* data, int64_t size, const std::string& path)
      : data_(data), size_(size), path_(path) {}

  int64_t position() const { return position_; }
  int64_t remaining() const { return size_ - position_; }
  const uint8_t* here() const { return data_ + position_; }
  const std::string& path() const { return path_; }
  void seek(int64_t position) { position_ = position; }

  /// Throws InputError unless `count` bytes remain.
  void need(int64_t count, const char* what) const {
    if (count < 0 || count > remaining()) {
      fail_input("{}: the file ends inside {} (byte {}); it is truncated, copy it again", path_,
                 what, size_);
    }
  }
  void skip(int64_t count, const char* what) {
    need(count, what);
    position_ += count;
  }
  uint32_t u8(const char* what) {
    need(1, what);
    return data_[position_++];
  }
  uint32_t u16_be(const char* what) {
    const uint32_t high = u8(what);
    return high << 8 | u8(what);
  }
  uint32_t u32_be(const char* what) {
    const uint32_t high = u16_be(what);
    return high << 16 | u16_be(what);
  }
  uint32_t u16_le(const char* what) {
    const uint32_t low = u8(what);
    return low | u8(what) << 8;
  }
  uint32_t u32_le(const char* what) {
    const uint32_t low = u16_le(what);
    return low | u16_le(what) << 16;
  }

 private:
  const uint8_t* data_;
  int64_t size_;
  int64_t position_ = 0;
  const std::string& path_;
};

}  // namespace gmlp
