#pragma once
// A config.json, member by member: what both kinds of models read alike. Every error names the file
// and the member. What is missing in the file stays as it is.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>

#include "core/error.h"

namespace gmlp {

/// The file's object; `writers` says who writes such files: "timm or gmlp-vision".
nlohmann::ordered_json config_object(const std::string& text, const std::string& path,
                                     const char* writers);

/// The member `key`, an object; an empty one where it is missing.
const nlohmann::ordered_json& json_object(const nlohmann::ordered_json& object, const char* key,
                                          const std::string& path);

/// Replaces `value` by the member `key`, where there is one, of the type of `value`.
void read_member(const nlohmann::ordered_json& object, const char* key, int64_t& value,
                 const std::string& path);
void read_member(const nlohmann::ordered_json& object, const char* key, double& value,
                 const std::string& path);
void read_member(const nlohmann::ordered_json& object, const char* key, bool& value,
                 const std::string& path);
void read_member(const nlohmann::ordered_json& object, const char* key, std::string& value,
                 const std::string& path);

/// Runs `check`; an InputError of it, which speaks of options, gets the file's name in front.
template <typename Check>
void in_file(const std::string& path, Check&& check) {
  try {
    std::forward<Check>(check)();
  } catch (const InputError& error) {
    fail_input("{}: {}", path, error.what());
  }
}

}  // namespace gmlp
