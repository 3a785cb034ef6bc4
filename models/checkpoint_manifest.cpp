#include "models/checkpoint_manifest.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRemedy =
    "use another checkpoint of the run (best, last or step-N), or copy it again";

std::string hex(uint32_t value) {
  return fmt::format("{:08x}", value);
}

std::string hex_crc32(const char* bytes, size_t size) {
  return hex(crc32_of(bytes, static_cast<int64_t>(size)));
}

/// The first tensor of the file whose checksum differs; empty when it is the header, or none.
std::string damaged_tensor(const std::string& path, const Json& description) {
  const SafetensorsFile file = SafetensorsFile::open(path);  // throws when the header is broken
  if (hex(file.header_checksum()) != description.value("header_crc32", "")) return "";
  const Json tensors = description.value("tensors", Json::object());
  for (const SafetensorsFile::Entry& entry : file.entries()) {
    if (hex(file.checksum(entry)) != tensors.value(entry.name, "")) return entry.name;
  }
  return "";
}

}  // namespace

Json describe_file(const std::string& bytes) {
  return {{"bytes", bytes.size()}, {"crc32", hex_crc32(bytes.data(), bytes.size())}};
}

Json describe_tensors(const std::string& bytes, const std::vector<NamedTensor>& tensors) {
  Json description = describe_file(bytes);
  uint64_t header = 0;  // 8 bytes of length, little-endian, then so many bytes of JSON
  std::memcpy(&header, bytes.data(), sizeof header);
  description["header_crc32"] = hex_crc32(bytes.data(), sizeof header + header);
  Json sums = Json::object();
  for (const NamedTensor& named : tensors) {
    sums[named.name] = hex(crc32_of(named.tensor.raw(), named.tensor.bytes()));
  }
  description["tensors"] = std::move(sums);
  return description;
}

std::string add_checksum(const Json& body) {
  // The checksum is over bytes, not over values: no flipped bit, not even one in a blank, escapes
  // it.
  const std::string rest = json_text(body).substr(1);
  return fmt::format("{{\"crc32\":\"{}\",{}", hex_crc32(rest.data(), rest.size()), rest);
}

Json verify_checksum(const std::string& text, const std::string& path) {
  const size_t first = std::string("{\"crc32\":\"01234567\",").size();
  const std::string rest = text.size() < first ? "" : text.substr(first);
  const std::string expected =
      fmt::format("{{\"crc32\":\"{}\",", hex_crc32(rest.data(), rest.size()));
  if (text.compare(0, first, expected) != 0) {
    fail_input("{}: damaged, its checksum does not match; {}", path, kRemedy);
  }
  return parse_json(text, path);
}

void verify_file(const std::string& folder, const std::string& name, const Json& description) {
  const std::string path = folder + "/" + name;
  if (!std::filesystem::is_regular_file(path)) {
    fail_input("{}: missing, though training.json beside it names it; {}", path, kRemedy);
  }
  const std::string bytes = read_text(path);
  const int64_t expected = description.value("bytes", int64_t{-1});
  if (static_cast<int64_t>(bytes.size()) != expected) {
    fail_input("{}: damaged, it holds {} bytes and should hold {}; {}", path, bytes.size(),
               expected, kRemedy);
  }
  if (hex_crc32(bytes.data(), bytes.size()) == description.value("crc32", "")) return;
  const std::string tensor =
      description.contains("tensors") ? damaged_tensor(path, description) : std::string();
  fail_input("{}: damaged, {} does not match its checksum; {}", path,
             tensor.empty() ? "its text or header" : "tensor " + tensor, kRemedy);
}

}  // namespace gmlp
