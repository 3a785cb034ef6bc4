#pragma once
// Text from a file, made fit for an error message.

#include <algorithm>
#include <string>
#include <string_view>

namespace gmlp {

/// The text's first 80 bytes at most, "..." when that cuts it, and '?' for control characters (a
/// damaged file must not be able to move the cursor of the terminal that shows the error).
inline std::string printable(std::string_view text) {
  constexpr size_t kMost = 80;
  size_t length = std::min(text.size(), kMost);
  // Do not cut a character of several bytes in the middle: bytes 10xxxxxx continue one.
  while (length < text.size() && length > 0 && (text[length] & 0xC0) == 0x80) --length;
  std::string shown(text.substr(0, length));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return length < text.size() ? shown + "..." : shown;
}

}  // namespace gmlp
