#include "core/io/json.h"

#include <nlohmann/json.hpp>

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

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
