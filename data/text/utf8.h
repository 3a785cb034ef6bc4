#pragma once
// UTF-8 by the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF.

#include <cstdint>
#include <string>
#include <string_view>

namespace gmlp {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct Utf8Char {
  char32_t code = 0;
  int64_t size = 0;  ///< in bytes; 0 if the bytes are not a character
};

/// The character that begins at byte `at`, which must be inside `text`.
Utf8Char utf8_at(std::string_view text, int64_t at);

/// True for the bytes 10xxxxxx, which continue a character.
inline bool is_continuation(char byte) {
  return (byte & 0xC0) == 0x80;
}

/// The position of the first byte that is not part of a character, or text.size().
int64_t valid_utf8_prefix(std::string_view text);

/// Throws InputError unless `text` is valid UTF-8 without NUL. The message names `what` and the
/// byte, counted from `base`.
void check_text(std::string_view text, const std::string& what, int64_t base = 0);

/// check_text for a file of lines: the message also names the line.
void check_lines(std::string_view text, const std::string& path);

void append_utf8(std::string& text, char32_t code);

/// `bytes` with U+FFFD for each byte that is not part of a character.
std::string replace_invalid_utf8(std::string_view bytes);

std::string replace_all(std::string text, std::string_view from, std::string_view to);

/// `text` without the ASCII white space at its ends. A no-break space is text.
std::string_view trimmed(std::string_view text);

}  // namespace gmlp
