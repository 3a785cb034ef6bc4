#pragma once
// The integers or bools of a tensor in a safetensors file.

#include <cstdint>
#include <string>
#include <vector>

#include "core/io/decode.h"
#include "core/io/safetensors.h"

namespace gmlp::test {

/// Throws InputError if the tensor, which must be in the file, is of another type.
inline std::vector<int64_t> read_integers(const SafetensorsFile& file, const std::string& name) {
  const SafetensorsFile::Entry& entry = *file.find(name);
  return decode_integers(file.data_of(entry).data(), entry.dtype, entry.shape, name);
}

}  // namespace gmlp::test
