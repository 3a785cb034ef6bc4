#pragma once
// A model's configuration as one table of fields: the name in config.json, the member, its bounds.
// Reading, writing and checking are loops over the table. Every error names the file and the field.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <locale>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/json.h"
#include "models/baselines.h"

namespace gmlp {

/// How a member of a configuration becomes JSON and back. set() returns false, or nlohmann's get()
/// inside it throws, if the JSON is of another type.
struct Member {
  std::function<Json()> get;
  std::function<bool(const Json&)> set;

  Member(std::function<Json()> getter, std::function<bool(const Json&)> setter)
      : get(std::move(getter)), set(std::move(setter)) {}
  template <typename T>
  Member(T* value)
      : Member([=] { return Json(*value); },
               [=](const Json& json) {
                 // 1e30 is in no integer, and true would become 1, which is not equal.
                 if (std::is_integral_v<T> && json.is_number_float()) return false;
                 return Json(json.get_to(*value)) == json;
               }) {}
};
/// An enumeration, by the name of its value.
template <typename Enumeration>
Member named_field(Enumeration& value, const Choices<Enumeration>& choices) {
  return {[&] { return choices.name(value); },
          [&](const Json& json) {
            value = choices.from_name(json.get<std::string>());
            return true;
          }};
}

struct ConfigField {
  const char* object;  // of config.json: "model_args", "gmlp", or "" at the top
  const char* key;
  Member member;
  const char* what = nullptr;  // of a number: its name in errors about bounds, such as an option
  double least = 1;
  double most = 1 << 24;
};

/// Reads the members that the file has; the others keep their values.
void read_fields(const Json& json, const std::vector<ConfigField>& fields, const std::string& path);
/// Adds the fields to `json`. `extra_gmlp_json` is an object's text, or empty: the first members of
/// "gmlp".
void write_fields(Json& json, const std::vector<ConfigField>& fields,
                  const std::string& extra_gmlp_json);
/// Throws InputError if a number is out of its bounds.
void check_fields(const std::vector<ConfigField>& fields);

/// Throws InputError if sizes that are each possible multiply to 2^bits or more: beyond any memory,
/// and so much below 2^63 that bytes, moments and batches of them can be counted.
void check_product(std::initializer_list<int64_t> sizes, int bits, const char* what);
constexpr int kParameterBits = 40;
constexpr int kActivationBits = 33;  // of one sample
constexpr double kMaxDepth = 4096;
/// What the blocks of every model need: a gate of two halves, a whole width per head, and products
/// of sizes within those limits.
void check_blocks(Arch arch, int64_t depth, const BlockConfig& block, int64_t heads,
                  int64_t spatial_ffn);

/// Runs `check` and puts the file's name in front of its InputError, which speaks of options.
template <typename Check>
void in_file(const std::string& path, const Check& check) {
  try {
    check();
  } catch (const InputError& error) {
    fail_input("{}: {}", path, error.what());
  }
}

/// The named sizes of a table: read_row() reads the columns of a row. Other lines begin with #.
template <typename Config>
std::vector<Config> read_sizes(const char* table, Config (*read_row)(std::istream&)) {
  std::vector<Config> sizes;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream row(line);
    row.imbue(std::locale::classic());
    sizes.push_back(read_row(row));
    require(row.eof() && !row.fail(), "a row of named sizes has other columns than its table");
  }
  return sizes;
}
/// Their names, and the one of `name`, or nullptr, or InputError that lists all.
template <typename Config>
std::vector<std::string> names_of(const std::vector<Config>& sizes) {
  std::vector<std::string> names;
  names.reserve(sizes.size());
  for (const Config& size : sizes) names.push_back(size.name);
  return names;
}
template <typename Config>
const Config* find_size(const std::vector<Config>& sizes, const std::string& name) {
  const auto found = std::ranges::find(sizes, name, &Config::name);
  return found == sizes.end() ? nullptr : &*found;
}
template <typename Config>
const Config& get_size(const std::vector<Config>& sizes, const std::string& name) {
  if (const Config* size = find_size(sizes, name)) return *size;
  const std::vector<std::string> names = names_of(sizes);
  fail_input("--model {}: no such model, folder or file; the named ones are {}{}", name,
             fmt::join(names, ", "), did_you_mean(name, names));
}
/// The size that "architecture" names, of which the file's fields are changes. `custom` names none.
template <typename Config>
Config stored_size(const Json& json, const std::vector<Config>& sizes, const std::string& custom,
                   const char* what, const std::string& path) {
  std::string architecture = custom;
  read_fields(json, {{"", "architecture", &architecture}}, path);
  if (architecture == custom) return {};
  if (const Config* size = find_size(sizes, architecture)) return *size;
  fail_input(
      "{}: \"architecture\" is \"{}\", which is not {}; give a folder or file of one, or one of "
      "the names {}",
      path, architecture, what, fmt::join(names_of(sizes), ", "));
}

}  // namespace gmlp
