// Opening a safetensors file is one pass of checks, each of which lets the next one trust more:
//   1 the length before the header, against the format's limit and the file's size
//   2 the header's JSON and its form, token by token: a header can be 100 MB, and a tree of all its
//     values would take many times that
//   3 every tensor: dtype x shape = the bytes between its offsets, without overflow
//   4 all tensors in the order of their offsets: no hole, no overlap, the whole buffer
// After that every tensor's bytes are inside the buffer, and reading one only converts them. Memory
// has the same bytes as the file, so nothing has to be aligned.
#include "core/io/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <tuple>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/decode.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

constexpr size_t kLengthBytes = 8;                 // the header's length, before it
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kDataAlignment = 8;               // of the data in the files that we write
constexpr std::string_view kMetadata = "__metadata__";

// No real file comes near these limits. They bound the memory of a hostile header.
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxMetadata = 100'000;
constexpr size_t kMaxDimensions = 64;

constexpr const char* kTypeNames[] = {"F32", "F64", "BF16"};  // by DType

// How every error about one tensor begins.
std::string described(const std::string& path, const std::string& name) {
  return fmt::format("{}: tensor '{}'", path, printable(name));
}

// Reads the header's JSON: nlohmann's parser checks JSON's own rules and UTF-8, and calls
// on_event() for every token. on_event() refuses a token out of place, so that no value but the
// current tensor is kept.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, std::map<std::string, std::string>& metadata,
               std::vector<SafetensorsFile::Entry>& entries)
      : path_(path), metadata_(metadata), entries_(entries) {}

  void parse(std::string_view json) {
    check_json_limits(json, path_);
    try {
      const nlohmann::json::parser_callback_t callback =
          [this](int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
            return on_event(depth, event, value);
          };
      [[maybe_unused]] const nlohmann::json rest = nlohmann::json::parse(json, callback);
    } catch (const nlohmann::json::exception& error) {
      fail_input("{}: the header is not JSON ({}); the file is damaged", path_, json_reason(error));
    }
  }

 private:
  // Depth 1 has the names, 2 a tensor's keys or the metadata's, 3 sizes and offsets. Returns
  // whether the parser keeps the value.
  bool on_event(int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::key) {
      depth == 1 ? on_name(value.get_ref<std::string&>()) : on_key(value.get_ref<std::string&>());
    } else if (event == Event::object_start && depth > 1) {
      unexpected("an object");
    } else if (event == Event::array_start) {
      if (depth != 2 || in_metadata() || key_ == "dtype") unexpected("a list");
      numbers_ = 0;
    } else if (event == Event::value) {
      on_value(depth, value);
    } else if (event == Event::object_end && depth == 1) {
      if (!in_metadata()) add_tensor(value);
      return false;
    }
    return true;
  }

  void on_name(const std::string& name) {
    name_ = name;
    key_.clear();
    keys_.clear();
    if (!in_metadata() && entries_.size() == kMaxTensors) {
      fail("there are more than {} tensors", kMaxTensors);
    }
    if (in_metadata() && std::exchange(seen_metadata_, true)) fail("appears twice");
  }

  void on_key(const std::string& key) {
    key_ = key;
    if (!keys_.insert(key).second) fail("has '{}' twice", printable(key));
    if (in_metadata()) {
      if (keys_.size() > kMaxMetadata) fail("has more than {} keys", kMaxMetadata);
    } else if (key != "dtype" && key != "shape" && key != "data_offsets") {
      fail("has the unknown key '{}', not dtype, shape or data_offsets", printable(key));
    }
  }

  void on_value(int depth, nlohmann::json& value) {
    if (depth == 2 && in_metadata() && value.is_string()) {
      metadata_[key_] = std::move(value.get_ref<std::string&>());
    } else if (depth == 2 && key_ == "dtype" && value.is_string()) {
      const std::string& type = value.get_ref<std::string&>();
      if (safetensors_type_size(type) == 0) {
        fail_input("{}: its dtype '{}' is unknown; save it as F32, F16, BF16 or F64", where(),
                   printable(type));
      }
    } else if (depth == 3 && value.is_number()) {
      if (value.is_number_integer() && !value.is_number_unsigned()) {
        fail("{} is negative", value.dump());
      }
      if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{INT64_MAX}) {
        fail("{} is not an integer below 2^63", value.dump());
      }
      if (++numbers_ > kMaxDimensions) fail("its {} has too many numbers", key_);
    } else {
      unexpected("a " + std::string(value.type_name()));
    }
  }

  void add_tensor(const nlohmann::json& tensor) {
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      if (!keys_.contains(key)) fail("lacks {}", key);
    }
    const nlohmann::json& offsets = tensor["data_offsets"];
    if (offsets.size() != 2) fail("its data_offsets are not two numbers");
    entries_.push_back({name_, tensor["dtype"].get<std::string>(),
                        tensor["shape"].get<std::vector<int64_t>>(), offsets[0].get<int64_t>(),
                        offsets[1].get<int64_t>()});
  }

  bool in_metadata() const { return name_ == kMetadata; }

  // How every error begins: the file, and the tensor or the metadata.
  std::string where() const {
    return in_metadata() ? fmt::format("{}: '{}'", path_, name_) : described(path_, name_);
  }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    fail_input("{}: {}; the file is damaged", where(),
               fmt::format(format, std::forward<Args>(args)...));
  }

  [[noreturn]] void unexpected(std::string_view what) const {
    fail("{} is {}", key_.empty() ? "it" : "'" + printable(key_) + "'", what);
  }

  const std::string& path_;
  std::map<std::string, std::string>& metadata_;
  std::vector<SafetensorsFile::Entry>& entries_;
  std::string name_;  // the current key at depth 1: a tensor's name or __metadata__
  std::string key_;   // the current key at depth 2
  std::set<std::string> keys_;
  size_t numbers_ = 0;  // of the current list
  bool seen_metadata_ = false;
};

// product(shape) x size of the dtype must be the number of bytes between the offsets.
void check_size(const SafetensorsFile::Entry& entry, const std::string& path) {
  const std::string what = described(path, entry.name);
  const int64_t size = array_size(entry.shape, safetensors_type_size(entry.dtype), what);
  if (entry.begin > entry.end || entry.end - entry.begin != size) {
    fail_input("{}: {} [{}] needs {} bytes, its data_offsets are [{}, {}]; the file is damaged",
               what, entry.dtype, fmt::join(entry.shape, ", "), size, entry.begin, entry.end);
  }
}

// The JSON without padding: metadata first as other writers have it, then tensors without gaps.
std::string header_of(const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
  int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const int64_t end = offset + tensor.bytes();
    const bool is_new = name != kMetadata && !header.contains(name);
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
  const std::string_view json =
      sized_text({file.bytes_.data(), file.bytes_.size()}, kLengthBytes, kMaxHeaderBytes, path);
  if (!json.starts_with('{')) {
    fail_input("{}: the header does not begin with '{{'; is it a safetensors file?", path);
  }
  file.data_offset_ = static_cast<int64_t>(kLengthBytes + json.size());
  HeaderReader(path, file.metadata_, file.entries_).parse(json);
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
