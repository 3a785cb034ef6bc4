#pragma once
// The JSON at the start of a safetensors file, read token by token: a header can be 100 MB, and a
// tree of its values would take many times that.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/safetensors.h"

namespace gmlp {

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsFile::Entry> entries;  // in the order of the JSON, not checked yet
};

/// Throws InputError that names `path` and, as soon as it is known, the tensor.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& path);

}  // namespace gmlp
