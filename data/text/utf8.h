#pragma once
// UTF-8 as the standard has it: no overlong forms, no surrogates, nothing above U+10FFFF.

#include <cstdint>
#include <string>
#include <string_view>

namespace gmlp {

struct Utf8Char {
  char32_t code = 0;
  int64_t size = 0;  // in bytes; 0: what stands there is no character
};

/// The character that begins at byte `at`, which must be inside of `text`.
Utf8Char utf8_at(std::string_view text, int64_t at);

/// The first byte that is no part of a character, or text.size().
int64_t valid_utf8_prefix(std::string_view text);

/// Throws InputError naming `what` and the byte, counted from `base`, unless `text` is valid UTF-8
/// without NUL.
void check_text(std::string_view text, const std::string& what, int64_t base = 0);

void append_utf8(std::string& text, char32_t code);

/// `bytes` with U+FFFD for each byte that is no part of a character.
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace gmlp
