#include "data/tasks/plain_text.h"

#include <algorithm>

#include <utf8proc.h>

#include "core/error.h"

namespace gmlp {

namespace {

// ASCII's; a no-break space alone is not taken for an empty sentence.
constexpr std::string_view kWhite = " \t\n\r\v\f";

}  // namespace

void check_plain_text(std::string_view text, const std::string& path) {
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                         static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    if (length > 0 && point != 0) {
      at += static_cast<size_t>(length);
      continue;
    }
    const int64_t line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    if (length > 0) {
      fail_input(
          "{}: line {}: a NUL (byte {}); the file is damaged, or UTF-16: convert it to UTF-8", path,
          line, at);
    }
    fail_input("{}: line {}: byte {} is not UTF-8; convert the file to UTF-8", path, line, at);
  }
}

int64_t byte_order_mark(std::string_view text) {
  return text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

bool is_blank(std::string_view text) {
  return trimmed(text).empty();
}

}  // namespace gmlp
