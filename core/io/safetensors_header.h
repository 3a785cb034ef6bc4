#pragma once
// The JSON at the head of a safetensors file, read by a grammar instead of into a tree: a header
// can be 100 MB, and a tree of it many times that.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/decode.h"
#include "core/io/safetensors.h"

namespace gmlp {

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsFile::Entry> entries;  // in the order of the JSON, not checked yet
};

/// One element's size in bytes, and what it is; size 0 for a name that is none of the format's.
struct SafetensorsType {
  int64_t size = 0;
  Encoding encoding = Encoding::kOther;
};
SafetensorsType safetensors_type(std::string_view dtype);

/// Throws InputError naming `path` and, as soon as it is known, the tensor.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& path);

}  // namespace gmlp
