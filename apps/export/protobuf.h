#pragma once
// A message of protobuf: fields one after another. Each is a tag (field * 8 + wire type), then a
// varint (wire type 0), eight bytes (1), four bytes (5), or a length and that many bytes (2: text,
// a message, raw data). libprotobuf would add some ten packages to a fresh machine.

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace gmlp {

static_assert(std::endian::native == std::endian::little, "numbers of fixed size are as in memory");

struct Message {
  std::string bytes;

  Message& add(uint64_t field, int64_t value) {
    varint(field * 8);
    return varint(static_cast<uint64_t>(value));
  }
  Message& add(uint64_t field, double value) { return fixed(field * 8 + 1, value); }
  Message& add(uint64_t field, float value) { return fixed(field * 8 + 5, value); }
  Message& add(uint64_t field, std::string_view value) {
    varint(field * 8 + 2).varint(value.size()).bytes += value;
    return *this;
  }
  Message& add(uint64_t field, const Message& value) { return add(field, value.bytes); }

 private:
  /// Seven bits per byte, lowest first. The eighth bit says that more follow.
  Message& varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
    return *this;
  }
  template <class Number>
  Message& fixed(uint64_t tag, Number value) {
    varint(tag).bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
};

}  // namespace gmlp
