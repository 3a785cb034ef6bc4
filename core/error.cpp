#include "core/error.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

#include <fmt/ranges.h>

namespace gmlp {

namespace {

// The character that `text` begins with, or -1 if its bytes are no UTF-8 (RFC 3629, Table 3-7 of
// Unicode): the least one of each length excludes overlong forms.
int32_t first_character(std::string_view text) {
  const int32_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return lead;
  const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return -1;
  int32_t code = lead & (0x7F >> size);
  for (const char byte : text.substr(1, size - 1)) {
    if ((byte & 0xC0) != 0x80) return -1;
    code = code << 6 | (byte & 0x3F);
  }
  const int32_t least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
  return code < least || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? -1 : code;
}

// Neither a control character (C0, DEL, C1), nor a line separator (U+2028, U+2029), nor a mark of
// direction: U+202E, for one, shows the text after it backwards.
bool is_visible(int32_t code) {
  return code >= 0x20 && (code < 0x7F || code > 0x9F) && code != 0x61C && code != 0x200E &&
         code != 0x200F && (code < 0x2028 || code > 0x202E) && (code < 0x2066 || code > 0x2069);
}

// One row of the distances' table at a time. Upper and lower case are the same letter.
size_t edit_distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string printable(std::string_view text, size_t max_bytes) {
  std::string result;
  for (size_t at = 0, size = 0; at < text.size(); at += size) {
    const int32_t code = first_character(text.substr(at));
    size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (at + size > max_bytes) return result + "...";
    if (is_visible(code)) {
      result += text.substr(at, size);
    } else if (code == '\n' || code == '\t') {
      result += code == '\n' ? "\\n" : "\\t";
    } else {
      result += size == 1 ? fmt::format("\\x{:02x}", static_cast<uint8_t>(text[at]))
                          : fmt::format("\\u{:04x}", code);
    }
  }
  return result;
}

void require_ids(const char* what, const std::vector<int64_t>& ids, int64_t least, int64_t count) {
  const auto bad = std::ranges::find_if(ids, [=](int64_t id) { return id < least || id >= count; });
  if (bad == ids.end()) return;
  fail_input(
      "{}: number {} is {}, and the model knows 0 to {}; correct it, or choose another model", what,
      bad - ids.begin(), *bad, count - 1);
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& known) {
  constexpr size_t kLongestName = 100;  // the time is quadratic
  if (name.empty() || name.size() > kLongestName) return "";
  const auto distance = [&](const std::string& candidate) {
    return edit_distance(name, candidate);
  };
  const auto nearest = std::ranges::min_element(known, {}, distance);
  if (nearest == known.end() || distance(*nearest) >= 2 + name.size() / 4) return "";
  return fmt::format("; did you mean {}?", *nearest);
}

size_t choice_index(const std::string& name, const std::vector<std::string>& names,
                    const char* option, const char* what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  fail_input("{} {}: no such {}; use one of {}", option, name, what, fmt::join(names, ", "));
}

int64_t checked_mul(int64_t a, int64_t b, std::string_view what) {
  int64_t product = 0;
  refuse_if(a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product),
            "{}: a size of {} x {} overflows; the file is damaged", what, a, b);
  return product;
}

}  // namespace gmlp
