#pragma once
// What every text file must be, and steps over its characters.

#include <cstdint>
#include <string>
#include <string_view>

namespace gmlp {

/// Throws InputError naming file, byte and line unless `text` is UTF-8 without NUL.
void check_plain_text(std::string_view text, const std::string& path);

/// The bytes of a byte order mark in front: 3 or 0.
int64_t byte_order_mark(std::string_view text);

/// White space or nothing.
bool is_blank(std::string_view text);

/// The text without white space at its ends.
std::string_view trimmed(std::string_view text);

}  // namespace gmlp
