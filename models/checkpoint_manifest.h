#pragma once
// The checksums of a checkpoint: made when it is saved, compared when it is opened.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/io/safetensors.h"

namespace gmlp {

/// What training.json's "files" says of one file: {"bytes", "crc32"}.
nlohmann::ordered_json describe_file(const std::string& bytes);
/// The same of a safetensors file, and {"header_crc32", "tensors": {NAME: crc32}}.
nlohmann::ordered_json describe_tensors(const std::string& bytes,
                                        const std::vector<NamedTensor>& tensors);

/// training.json: `body`, an object, behind a first line with the CRC-32 of all that follows it.
std::string add_checksum(const nlohmann::ordered_json& body);
/// The object back. Throws InputError naming `path` when a byte has changed.
nlohmann::ordered_json verify_checksum(const std::string& text, const std::string& path);

/// Compares FOLDER/NAME with its description. Throws InputError naming the file, and the tensor
/// where the damage lies in one.
void verify_file(const std::string& folder, const std::string& name,
                 const nlohmann::ordered_json& description);

}  // namespace gmlp
