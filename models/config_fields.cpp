#include "models/config_fields.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

namespace gmlp {

namespace {

void fail_type(const char* key, const Json& value, const char* type, const std::string& path) {
  fail_input("{}: \"{}\" is {}, not {}; correct the file", path, key, json_line(value), type);
}

/// Reads one member, which may have any JSON type in the file.
struct Reader {
  const Json& value;
  const char* key;
  const std::string& path;

  template <typename Member>
  void operator()(Member* member) const {
    const auto [fits, type] =
        std::is_same_v<Member, int64_t>  ? std::pair(value.is_number_integer(), "an integer")
        : std::is_same_v<Member, double> ? std::pair(value.is_number(), "a number")
        : std::is_same_v<Member, bool>   ? std::pair(value.is_boolean(), "true or false")
                                         : std::pair(value.is_string(), "a string");
    if (!fits) fail_type(key, value, type, path);
    *member = value.get<Member>();
    if constexpr (std::is_same_v<Member, std::string>) *member = printable(*member);
  }
  void operator()(const NamedField& member) const {
    std::string name;
    (*this)(&name);
    in_file(path, [&] { member.set(name); });
  }
};

}  // namespace

const Choices<Gate> kGates{"--gate", "gate", {"split", "multiplicative", "additive", "linear"}};

Json parse_config(const std::string& text, const std::string& path, const char* writers) {
  Json json = parse_json(text, path);
  refuse_if(!json.is_object(), "{}: not a JSON object; expected a config.json as {} writes it",
            path, writers);
  return json;
}

const Json& config_object(const Json& json, const char* key, const std::string& path) {
  static const Json kEmpty = Json::object();
  if (!json.contains(key)) return kEmpty;
  const Json& value = json.at(key);
  if (!value.is_object()) fail_type(key, value, "an object", path);
  return value;
}

void read_fields(const Json& json, const std::vector<ConfigField>& fields,
                 const std::string& path) {
  for (const ConfigField& field : fields) {
    const Json& object = *field.object == 0 ? json : config_object(json, field.object, path);
    if (!object.contains(field.key)) continue;
    std::visit(Reader{object.at(field.key), field.key, path}, field.member);
  }
}

void write_fields(Json& json, const std::vector<ConfigField>& fields,
                  const std::string& extra_gmlp_json) {
  json["gmlp"] =
      extra_gmlp_json.empty() ? Json::object() : parse_json(extra_gmlp_json, "config.json");
  for (const ConfigField& field : fields) {
    Json& object = *field.object == 0 ? json : json[field.object];
    std::visit([&](const auto& member) { object[field.key] = *member; }, field.member);
  }
}

void check_fields(const std::vector<ConfigField>& fields) {
  for (const ConfigField& field : fields) {
    const auto check = [&](const auto& member) {
      if constexpr (requires { static_cast<double>(*member); }) {
        const double value = static_cast<double>(*member);
        if (value >= field.least && value <= field.most) return;
        fail_input("{} is {}; it must be from {} to {}", field.what, *member, field.least,
                   field.most);
      }
    };
    if (field.what != nullptr) std::visit(check, field.member);
  }
}

void check_product(std::initializer_list<int64_t> sizes, int bits, const char* what) {
  double product = 1;
  for (const int64_t size : sizes) product *= static_cast<double>(size);
  refuse_if(product >= std::ldexp(1, bits),
            "{} would be {:.2g} numbers, more than this program handles; choose smaller sizes",
            what, product);
}

}  // namespace gmlp
