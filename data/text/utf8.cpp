#include "data/text/utf8.h"

#include <cstring>

#include "core/error.h"

namespace gmlp {
namespace {

uint32_t byte_at(std::string_view text, int64_t at) {
  return static_cast<unsigned char>(text[static_cast<size_t>(at)]);
}

}  // namespace

Utf8Char utf8_at(std::string_view text, int64_t at) {
  const uint32_t first = byte_at(text, at);
  if (first < 0x80) return {first, 1};
  // 110xxxxx, 1110xxxx, 11110xxx begin characters of two to four bytes; 10xxxxxx continue them.
  const int64_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + size > static_cast<int64_t>(text.size())) return {};
  uint32_t code = first & (0x7FU >> size);
  for (int64_t i = 1; i < size; ++i) {
    const uint32_t next = byte_at(text, at + i);
    if ((next & 0xC0) != 0x80) return {};
    code = code << 6 | (next & 0x3F);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};  // what needs that many bytes
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (code < kSmallest[size] || code > 0x10FFFF || surrogate) return {};
  return {code, size};
}

int64_t valid_utf8_prefix(std::string_view text) {
  const int64_t size = static_cast<int64_t>(text.size());
  int64_t at = 0;
  while (at < size) {
    // Most text is ASCII: eight bytes a step while no top bit is set.
    uint64_t eight = 0;
    while (at + 8 <= size) {
      std::memcpy(&eight, text.data() + at, 8);
      if ((eight & 0x8080808080808080U) != 0) break;
      at += 8;
    }
    if (at == size) break;
    const Utf8Char character = utf8_at(text, at);
    if (character.size == 0) return at;
    at += character.size;
  }
  return size;
}

void check_text(std::string_view text, const std::string& what, int64_t base) {
  const size_t nul = text.find('\0');
  const int64_t valid = valid_utf8_prefix(text);
  const int64_t size = static_cast<int64_t>(text.size());
  if (nul != std::string_view::npos && static_cast<int64_t>(nul) < valid) {
    fail_input("{}: byte {} is NUL, which no text holds; is it another kind of file?", what,
               base + static_cast<int64_t>(nul));
  }
  if (valid < size) {
    fail_input("{}: byte {} ({:#04x}) is not UTF-8; convert it, e.g. with `iconv -t UTF-8`", what,
               base + valid, byte_at(text, valid));
  }
}

void append_utf8(std::string& text, char32_t code) {
  const auto push = [&](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  const uint32_t value = code;
  if (value < 0x80) {
    push(value);
    return;
  }
  if (value < 0x800) {
    push(0xC0 | value >> 6);
  } else if (value < 0x10000) {
    push(0xE0 | value >> 12);
    push(0x80 | (value >> 6 & 0x3F));
  } else {
    push(0xF0 | value >> 18);
    push(0x80 | (value >> 12 & 0x3F));
    push(0x80 | (value >> 6 & 0x3F));
  }
  push(0x80 | (value & 0x3F));
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (true) {
    const size_t valid = static_cast<size_t>(valid_utf8_prefix(bytes));
    text.append(bytes.substr(0, valid));
    if (valid == bytes.size()) return text;
    append_utf8(text, 0xFFFD);
    bytes.remove_prefix(valid + 1);
  }
}

}  // namespace gmlp
