#include "models/config_json.h"

#include <nlohmann/json.hpp>

#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void fail_type(const char* key, const Json& value, const char* type,
                            const std::string& path) {
  fail_input("{}: \"{}\" is {}, not {}; correct the file", path, key, json_line(value), type);
}

}  // namespace

Json config_object(const std::string& text, const std::string& path, const char* writers) {
  Json json = parse_json(text, path);
  if (!json.is_object()) {
    fail_input("{}: not a JSON object; expected a config.json as {} writes it", path, writers);
  }
  return json;
}

const Json& json_object(const Json& object, const char* key, const std::string& path) {
  static const Json kEmpty = Json::object();
  if (!object.contains(key)) return kEmpty;
  const Json& value = object.at(key);
  if (!value.is_object()) fail_type(key, value, "an object", path);
  return value;
}

void read_member(const Json& object, const char* key, int64_t& value, const std::string& path) {
  if (!object.contains(key)) return;
  const Json& json = object.at(key);
  if (!json.is_number_integer()) fail_type(key, json, "an integer", path);
  value = json.get<int64_t>();
}

void read_member(const Json& object, const char* key, double& value, const std::string& path) {
  if (!object.contains(key)) return;
  const Json& json = object.at(key);
  if (!json.is_number()) fail_type(key, json, "a number", path);
  value = json.get<double>();
}

void read_member(const Json& object, const char* key, bool& value, const std::string& path) {
  if (!object.contains(key)) return;
  const Json& json = object.at(key);
  if (!json.is_boolean()) fail_type(key, json, "true or false", path);
  value = json.get<bool>();
}

void read_member(const Json& object, const char* key, std::string& value, const std::string& path) {
  if (!object.contains(key)) return;
  const Json& json = object.at(key);
  if (!json.is_string()) fail_type(key, json, "a string", path);
  value = json.get<std::string>();
}

}  // namespace gmlp
