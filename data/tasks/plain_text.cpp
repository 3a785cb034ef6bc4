#include "data/tasks/plain_text.h"

#include <algorithm>

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {

namespace {

// ASCII's; a no-break space alone is not taken for an empty sentence.
constexpr std::string_view kWhite = " \t\n\r\v\f";

}  // namespace

void check_plain_text(std::string_view text, const std::string& path) {
  const size_t valid = static_cast<size_t>(valid_utf8_prefix(text));
  const size_t nul = text.find('\0');
  const size_t at = std::min(valid, nul);
  if (at >= text.size()) return;
  const int64_t line =
      1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  if (at == nul) {
    fail_input("{}: line {}: a NUL (byte {}); the file is damaged, or UTF-16: convert it to UTF-8",
               path, line, at);
  }
  fail_input("{}: line {}: byte {} is not UTF-8; convert the file to UTF-8", path, line, at);
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
