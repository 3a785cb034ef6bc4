#pragma once
// Numbers as the bytes of a file.

#include <cstring>
#include <initializer_list>
#include <string>

namespace gmlp::test {

template <typename T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

}  // namespace gmlp::test
