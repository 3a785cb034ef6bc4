#pragma once
// JSON text. Everything that the program reads as JSON goes through parse_json, except two large
// formats that are read token by token (safetensors headers and SQuAD). Everything that it writes
// goes through json_line and json_text.

#include <cstdint>
#include <exception>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace gmlp {

/// Objects keep the order of their members.
using Json = nlohmann::ordered_json;

/// Of a file of JSON that is no data set; a configuration has less than a thousandth.
constexpr int64_t kMaxJsonBytes = int64_t{16} << 20;

/// Throws InputError that begins with `what`, the file's name, unless `text` is at most 32 levels
/// deep (destroying or printing a deeper value could overflow the stack), its strings have at most
/// 8 MB and it contains no NUL (the parser would ignore everything after it).
void check_json_limits(std::string_view text, const std::string& what);

/// The value of `text`. Throws InputError that begins with `what` if it is not JSON within those
/// limits.
Json parse_json(std::string_view text, const std::string& what);

/// The value in the file `path`, which has at most kMaxJsonBytes.
Json read_json(const std::string& path);

/// The reason in one of nlohmann's exceptions, without its prefix, fit to print.
std::string json_reason(const std::exception& error);

/// The value on one line, without a newline at its end. Paths and class names may be any bytes:
/// U+FFFD replaces what is not UTF-8; nlohmann's own dump() would throw during a save.
std::string json_line(const Json& json);

/// The value as a file's text: indented by two spaces per level, with a newline at the end.
std::string json_text(const Json& json);

/// `text` with U+FFFD for what is not UTF-8, as json_line and json_text write it.
std::string utf8_of(const std::string& text);

}  // namespace gmlp
