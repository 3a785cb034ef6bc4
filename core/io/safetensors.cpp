// Opening a safetensors file is one pass of checks, each of which lets the next one trust more:
//   1 the length in front of the header, against the format's limit and the file's size
//   2 the header's JSON and its form (safetensors_header.cpp)
//   3 every tensor: dtype x shape = the bytes between its offsets, without overflow
//   4 all tensors in the order of their offsets: no hole, no overlap, the whole buffer
// After that every tensor's bytes are inside the buffer, and reading one only converts them. The
// file stays in memory as it is on the disk; nothing in it has to be aligned.
#include "core/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <tuple>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/decode.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/io/safetensors_header.h"

namespace gmlp {

namespace {

constexpr size_t kLengthBytes = 8;                 // the header's length, before it
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kDataAlignment = 8;               // of the data in the files that we write

constexpr const char* kTypeNames[] = {"F32", "F64", "BF16"};  // by DType

// How every error about one tensor begins.
std::string described(const std::string& path, const std::string& name) {
  return fmt::format("{}: tensor '{}'", path, printable(name));
}

// The length of the JSON, checked against the bytes that are there.
int64_t header_length(const std::vector<char>& bytes, const std::string& path) {
  if (bytes.size() < kLengthBytes) {
    fail_input("{}: is {} bytes, a safetensors file has at least 8; copy it again", path,
               bytes.size());
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMaxHeaderBytes) {
    fail_input("{}: its header claims {} bytes, the format allows {}; is it a safetensors file?",
               path, length, kMaxHeaderBytes);
  }
  if (length > bytes.size() - kLengthBytes) {
    fail_input("{}: its header is {} bytes but only {} are left; it is truncated, copy it again",
               path, length, bytes.size() - kLengthBytes);
  }
  return static_cast<int64_t>(length);
}

// product(shape) x size of the dtype must be the number of bytes between the offsets.
void check_size(const SafetensorsFile::Entry& entry, const std::string& path) {
  const std::string what = described(path, entry.name);
  // The product begins with the element's size, so that all of it is checked for overflow.
  int64_t size = safetensors_type_size(entry.dtype);
  for (const int64_t dim : entry.shape) size = checked_mul(size, dim, what);
  if (entry.begin > entry.end || entry.end - entry.begin != size) {
    fail_input("{}: {} [{}] needs {} bytes, its data_offsets are [{}, {}]; the file is damaged",
               what, entry.dtype, fmt::join(entry.shape, ", "), size, entry.begin, entry.end);
  }
}

// The JSON without padding: metadata first as other writers have it, then tensors without gaps.
std::string header_of(const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const int64_t end = offset + tensor.bytes();
    const bool is_new = name != "__metadata__" && !header.contains(name);
    require(is_new, "a tensor's name is given twice or reserved");
    header[name] = {{"dtype", kTypeNames[static_cast<size_t>(tensor.dtype())]},
                    {"shape", tensor.shape().to_vector()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  return json_line(header);
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  SafetensorsFile file;
  file.path_ = path;
  file.bytes_ = read_file(path);
  const int64_t length = header_length(file.bytes_, path);
  file.data_offset_ = static_cast<int64_t>(kLengthBytes) + length;

  const std::string_view json(file.bytes_.data() + kLengthBytes, static_cast<size_t>(length));
  SafetensorsHeader header = parse_safetensors_header(json, path);
  file.metadata_ = std::move(header.metadata);
  file.entries_ = std::move(header.entries);
  // Empty tensors begin where a neighbor begins, so the end decides too, then the name.
  std::sort(file.entries_.begin(), file.entries_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  file.check_offsets();
  for (size_t i = 0; i < file.entries_.size(); ++i) {
    const std::string& name = file.entries_[i].name;
    if (!file.index_.emplace(name, i).second) {
      fail_input("{}: appears twice in the header; the file is damaged", described(path, name));
    }
  }
  return file;
}

// Entries are in the order of their offsets, so each must begin where the previous one ends.
void SafetensorsFile::check_offsets() const {
  const int64_t size = static_cast<int64_t>(bytes_.size()) - data_offset_;
  int64_t position = 0;
  for (const Entry& entry : entries_) {
    check_size(entry, path_);
    // Checked before holes: in a truncated file this is the reason that helps.
    if (entry.end > size) {
      fail_input(
          "{}: ends at byte {} of the data but only {} are there; it is truncated, copy it again",
          described(path_, entry.name), entry.end, size);
    }
    if (entry.begin != position) {
      fail_input("{}: begins at byte {} of the data, {}; the file is damaged",
                 described(path_, entry.name), entry.begin,
                 entry.begin < position ? "inside the previous tensor"
                                        : "after a hole that belongs to no tensor");
    }
    position = entry.end;
  }
  if (position != size) {
    fail_input("{}: {} bytes after the last tensor belong to none; the file is damaged", path_,
               size - position);
  }
}

const SafetensorsFile::Entry* SafetensorsFile::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

const SafetensorsFile::Entry& SafetensorsFile::find_or_fail(const std::string& name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) {
    fail_input("{}: is not in the file, which has {} others; is it the right model?",
               described(path_, name), entries_.size());
  }
  return *entry;
}

const char* SafetensorsFile::data_of(const Entry& entry) const {
  return bytes_.data() + data_offset_ + entry.begin;
}

Tensor SafetensorsFile::read(const std::string& name, DType dtype) const {
  const Entry& entry = find_or_fail(name);
  return decode_tensor(data_of(entry), entry.dtype, entry.shape, dtype, described(path_, name));
}

std::vector<int64_t> SafetensorsFile::read_integers(const std::string& name) const {
  const Entry& entry = find_or_fail(name);
  return decode_integers(data_of(entry), entry.dtype, entry.shape, described(path_, name));
}

uint32_t SafetensorsFile::checksum(const Entry& entry) const {
  return crc32_of(data_of(entry), entry.end - entry.begin);
}

uint32_t SafetensorsFile::header_checksum() const {
  return crc32_of(bytes_.data(), data_offset_);
}

std::vector<char> to_safetensors(const std::vector<NamedTensor>& tensors,
                                 const std::map<std::string, std::string>& metadata) {
  // The padding keeps the data at a multiple of 8 for programs that map the file into memory.
  std::string header = header_of(tensors, metadata);
  while (header.size() % kDataAlignment != 0) header += ' ';
  const uint64_t length = header.size();
  size_t total = kLengthBytes + header.size();
  for (const NamedTensor& item : tensors) total += static_cast<size_t>(item.tensor.bytes());

  std::vector<char> bytes;
  bytes.reserve(total);
  const auto append = [&](const void* source, size_t size) {
    const char* begin = static_cast<const char*>(source);
    bytes.insert(bytes.end(), begin, begin + size);
  };
  append(&length, kLengthBytes);
  append(header.data(), header.size());
  for (const auto& [name, tensor] : tensors) {
    append(tensor.raw(), static_cast<size_t>(tensor.bytes()));
  }
  return bytes;
}

}  // namespace gmlp
