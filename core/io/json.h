#pragma once
// JSON for files: the only way in which this program turns a value into text.

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace gmlp {

/// The value on one line, without a newline at its end.
///
/// Text that is not UTF-8 (a path or a class's folder may be any bytes) has U+FFFD for what is
/// wrong in it: nlohmann's own dump() would throw, at a first save, after an epoch's work.
std::string json_line(const nlohmann::ordered_json& json);

/// The value as a file's text: two spaces a level, a newline at the end.
std::string json_text(const nlohmann::ordered_json& json);

/// `text` as it comes back from there: U+FFFD for what is not UTF-8 in it.
std::string utf8_of(const std::string& text);

}  // namespace gmlp
