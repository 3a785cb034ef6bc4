#include "core/error.h"

#include <algorithm>

namespace gmlp {

int64_t checked_mul(int64_t a, int64_t b, std::string_view what) {
  int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) {
    fail_input("{}: a size of {} x {} overflows; the file is damaged", what, a, b);
  }
  return product;
}

int64_t checked_add(int64_t a, int64_t b, std::string_view what) {
  int64_t sum = 0;
  if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &sum)) {
    fail_input("{}: a size of {} + {} overflows; the file is damaged", what, a, b);
  }
  return sum;
}

std::string printable(std::string_view text, size_t max_bytes) {
  size_t length = std::min(text.size(), max_bytes);
  // Bytes 10xxxxxx continue a character: never cut before one.
  while (length < text.size() && length > 0 && (text[length] & 0xC0) == 0x80) --length;
  std::string result;
  for (size_t i = 0; i < length; ++i) {
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, which UTF-8 writes as C2 80 to C2 9F, are control characters too.
    const bool c1 = byte == 0xC2 && i + 1 < length && (text[i + 1] & 0xE0) == 0x80;
    result += byte < 0x20 || byte == 0x7F || c1 ? '?' : text[i];
    if (c1) ++i;
  }
  return length < text.size() ? result + "..." : result;
}

}  // namespace gmlp
