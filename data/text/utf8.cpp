#include "data/text/utf8.h"

#include <algorithm>
#include <cstring>

#include <utf8proc.h>

#include "core/error.h"

namespace gmlp {

Utf8Char utf8_at(std::string_view text, int64_t at) {
  const utf8proc_uint8_t* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  utf8proc_int32_t code = 0;
  const int64_t size = utf8proc_iterate(bytes + at, static_cast<int64_t>(text.size()) - at, &code);
  if (size <= 0) return {};
  return {static_cast<char32_t>(code), size};
}

int64_t valid_utf8_prefix(std::string_view text) {
  const int64_t size = static_cast<int64_t>(text.size());
  for (int64_t at = 0; at < size;) {
    // Most text is ASCII: eight bytes at once while no top bit is set.
    uint64_t eight = 0x80;
    if (at + 8 <= size) std::memcpy(&eight, text.data() + at, 8);
    const bool ascii = (eight & 0x8080808080808080U) == 0;
    const int64_t length = ascii ? 8 : utf8_at(text, at).size;
    if (length == 0) return at;
    at += length;
  }
  return size;
}

void check_text(std::string_view text, const std::string& what, int64_t base) {
  const size_t nul = text.find('\0');
  const size_t valid = static_cast<size_t>(valid_utf8_prefix(text));
  if (nul < valid) {
    fail_input("{}: byte {} is NUL; convert the file to UTF-8 text", what,
               base + static_cast<int64_t>(nul));
  }
  if (valid < text.size()) {
    fail_input("{}: byte {} ({:#04x}) is not UTF-8; convert it, e.g. with `iconv -t UTF-8`", what,
               base + static_cast<int64_t>(valid), static_cast<unsigned char>(text[valid]));
  }
}

void check_lines(std::string_view text, const std::string& path) {
  const size_t valid = static_cast<size_t>(valid_utf8_prefix(text));
  const std::string_view good = text.substr(0, std::min(valid, text.find('\0')));
  if (good.size() == text.size()) return;
  check_text(text,
             fmt::format("{}: line {}", path, 1 + std::count(good.begin(), good.end(), '\n')));
}

void append_utf8(std::string& text, char32_t code) {
  utf8proc_uint8_t bytes[4];
  const int64_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  text.append(bytes, bytes + size);
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

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\n\r\v\f";
  const size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

}  // namespace gmlp
