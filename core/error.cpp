#include "core/error.h"

namespace gmlp {

namespace {

struct Character {
  uint32_t code;
  size_t bytes;
};
constexpr Character kInvalidByte = {0, 1};  // no UTF-8; treated like the NUL that it is not

// The first character of a text, decoded from UTF-8.
Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t bytes = byte(0) < 0x80 ? 1 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  if (bytes == 1) return {byte(0), 1};
  uint32_t code = byte(0) & (0x7FU >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if (i >= text.size() || (byte(i) & 0xC0) != 0x80) return kInvalidByte;
    code = code << 6 | (byte(i) & 0x3F);
  }
  // A byte 10xxxxxx or 11111xxx in front, more bytes than needed, half of a UTF-16 pair.
  const uint32_t least = bytes == 2 ? 0x80 : bytes == 3 ? 0x800 : 0x10000;
  const bool valid = byte(0) >= 0xC0 && byte(0) < 0xF8 && code >= least && code <= 0x10FFFF &&
                     (code < 0xD800 || code > 0xDFFF);
  return valid ? Character{code, bytes} : kInvalidByte;
}

// Neither a control character (C0, DEL, C1), nor a line separator (U+2028, U+2029), nor a mark of
// direction: U+202E, for one, shows the text after it backwards.
bool is_visible(uint32_t code) {
  return code >= 0x20 && (code < 0x7F || code > 0x9F) && code != 0x61C && code != 0x200E &&
         code != 0x200F && (code < 0x2028 || code > 0x202E) && (code < 0x2066 || code > 0x2069);
}

}  // namespace

int64_t checked_mul(int64_t a, int64_t b, std::string_view what) {
  int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) {
    fail_input("{}: a size of {} x {} overflows; the file is damaged", what, a, b);
  }
  return product;
}

std::string printable(std::string_view text, size_t max_bytes) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.substr(at));
    if (at + character.bytes > max_bytes) return result + "...";
    const int byte = static_cast<unsigned char>(text[at]);
    if (byte == '\n') {
      result += "\\n";
    } else if (byte == '\t') {
      result += "\\t";
    } else if (is_visible(character.code)) {
      result += text.substr(at, character.bytes);
    } else if (character.bytes == 1) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += fmt::format("\\u{:04x}", character.code);
    }
    at += character.bytes;
  }
  return result;
}

}  // namespace gmlp
