#include "core/io/json.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

constexpr int kMaxDepth = 32;
constexpr int64_t kMaxStringBytes = 8 << 20;

std::string dumped(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void check_json_limits(std::string_view text, const std::string& what) {
  int depth = 0;
  int64_t length = -1;  // of the string around position i; -1 outside of strings
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\0') fail_input("{}: NUL at byte {} of its JSON; the file is damaged", what, i);
    if (c == '"') {
      length = length < 0 ? 0 : -1;
    } else if (length >= 0) {
      if (c == '\\') ++i;  // an escaped quote does not end the string
      refuse_if(++length > kMaxStringBytes,
                "{}: a string in its JSON is longer than {} MB; the file is damaged", what,
                kMaxStringBytes >> 20);
    } else if (c == '{' || c == '[') {
      refuse_if(++depth > kMaxDepth,
                "{}: its JSON is more than {} levels deep; the file is damaged", what, kMaxDepth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

Json parse_json(std::string_view text, const std::string& what) {
  check_json_limits(text, what);
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    fail_input("{}: is not JSON ({}); restore the file", what, json_reason(error));
  }
}

Json read_json(const std::string& path) {
  return parse_json(read_text(path, kMaxJsonBytes), path);
}

std::string json_reason(const std::exception& error) {
  // "[json.exception.parse_error.101] parse error at line 1, column 2: reason"
  const std::string_view text = error.what();
  const size_t colon = text.find(": ");
  return printable(colon == std::string_view::npos ? text : text.substr(colon + 2));
}

std::string json_line(const Json& json) {
  return dumped(json, -1);
}

std::string json_text(const Json& json) {
  return dumped(json, 2) + "\n";
}

std::string utf8_of(const std::string& text) {
  return Json::parse(json_line(text)).get<std::string>();
}

}  // namespace gmlp
