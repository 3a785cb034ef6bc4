// Opening a safetensors file is one pass of checks, each of which lets the next one trust more:
//   1 the length before the header, against the format's limit and the file's size
//   2 the header's JSON and its form, token by token: a header can be 100 MB, and a tree of all its
//     values would take many times that
//   3 every tensor: dtype x shape = the bytes between its offsets, without overflow
//   4 all tensors in the order of their offsets: no hole, no overlap, the whole buffer
// After that every tensor's bytes are inside the buffer, and reading one only converts them.
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
constexpr const char* kChecksum = "crc32.";  // and a tensor's name: a key of the metadata

// No real file comes near these limits. They bound the memory of a hostile header.
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxMetadata = 200'000;  // keys and values
constexpr size_t kMaxTensorTokens = 100;  // sizes, offsets and what surrounds them

constexpr const char* kTypeNames[] = {"F32", "F64", "BF16"};  // by DType

// How every error about one tensor begins.
std::string described(const std::string& path, const std::string& name) {
  return fmt::format("{}: tensor '{}'", path, printable(name));
}

// Reads the header's JSON. nlohmann's parser checks JSON's own rules and UTF-8, and calls
// on_event() for every token, so that only one tensor is kept as a tree, and repeated keys are
// seen.
struct HeaderReader {
  const std::string& path;
  std::map<std::string, std::string>& metadata;
  std::vector<SafetensorsFile::Entry>& entries;
  std::string name = {};            // a tensor's, or __metadata__
  std::set<std::string> keys = {};  // of the tensor
  size_t tokens = 0;                // of the tensor or the metadata
  bool seen_metadata = false;

  void parse(std::string_view text) {
    using nlohmann::json;
    check_json_limits(text, path);
    const auto callback = [this](int depth, json::parse_event_t event, json& value) {
      return on_event(depth, event, value);
    };
    try {
      [[maybe_unused]] const json rest = json::parse(text, callback);
    } catch (const json::exception& error) {
      fail_input("{}: the header is not JSON ({}); the file is damaged", path, json_reason(error));
    }
  }

  // Depth 1 has the names, 2 the metadata's or a tensor's keys. Returns whether to keep the value.
  bool on_event(int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (depth == 1 && event == Event::key) {
      name = value.get_ref<std::string&>();
      keys.clear();
      tokens = 0;
      if (in_metadata() && std::exchange(seen_metadata, true)) fail("appears twice");
      if (entries.size() == kMaxTensors) fail("there are more than {} tensors", kMaxTensors);
    } else if (depth == 1 && event == Event::object_end) {
      in_metadata() ? read_metadata(value) : read_tensor(value);
      return false;
    } else if (depth == 1 && event != Event::object_start) {
      fail("it is no object");
    } else if (depth > 1 && ++tokens > (in_metadata() ? kMaxMetadata : kMaxTensorTokens)) {
      fail("has too many values");
    } else if (depth == 2 && event == Event::key) {
      const std::string& key = value.get_ref<std::string&>();
      const bool is_new =
          in_metadata() ? metadata.emplace(key, "").second : keys.insert(key).second;
      if (!is_new) fail("has '{}' twice", printable(key));
    }
    return true;
  }

  void read_metadata(nlohmann::json& values) {
    for (auto& [key, value] : values.items()) {
      if (!value.is_string()) fail("'{}' is no text", printable(key));
      metadata[key] = std::move(value.get_ref<std::string&>());
    }
  }

  void read_tensor(const nlohmann::json& tensor) {
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      if (keys.erase(key) == 0) fail("lacks {}", key);
    }
    if (!keys.empty()) fail("has the unknown key '{}'", printable(*keys.begin()));
    const nlohmann::json& type = tensor["dtype"];
    if (!type.is_string() || type_size(NumberFormat::kSafetensors, type.get<std::string>()) == 0) {
      fail_input("{}: its dtype {} is unknown; save it as F32, F16, BF16 or F64", where(),
                 printable(type.dump()));
    }
    const std::vector<int64_t> offsets = numbers(tensor, "data_offsets");
    if (offsets.size() != 2) fail("its data_offsets are not two numbers");
    entries.push_back(
        {name, type.get<std::string>(), numbers(tensor, "shape"), offsets[0], offsets[1]});
  }

  std::vector<int64_t> numbers(const nlohmann::json& tensor, const char* key) const {
    if (!tensor[key].is_array()) fail("its {} is no list", key);
    for (const nlohmann::json& item : tensor[key]) {
      if (!item.is_number_unsigned() || item.get<uint64_t>() > uint64_t{INT64_MAX}) {
        fail("{} in its {} is not an integer from 0 to 2^63 - 1", printable(item.dump()), key);
      }
    }
    return tensor[key].get<std::vector<int64_t>>();
  }

  bool in_metadata() const { return name == kMetadata; }

  // How every error begins: the file, and the tensor or the metadata.
  std::string where() const {
    return in_metadata() ? fmt::format("{}: '{}'", path, name) : described(path, name);
  }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    fail_input("{}: {}; the file is damaged", where(),
               fmt::format(format, std::forward<Args>(args)...));
  }
};

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.raw()), static_cast<size_t>(tensor.bytes())};
}

// The JSON without padding: metadata first as other writers have it, then tensors without gaps.
std::string header_of(const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  Json texts = metadata;
  for (const auto& [name, tensor] : tensors) {
    texts[kChecksum + name] = hex_crc32(bytes_of(tensor));
  }
  if (!texts.empty()) header[std::string(kMetadata)] = std::move(texts);
  int64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const int64_t end = offset + tensor.bytes();
    require(name != kMetadata && !header.contains(name), "a tensor's name is repeated or reserved");
    header[name] = {{"dtype", kTypeNames[static_cast<size_t>(tensor.dtype())]},
                    {"shape", tensor.shape().to_vector()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  return json_line(header);
}

// PyTorch's own files are ZIP archives, or pickles in its first versions.
void refuse_pytorch(std::string_view bytes, const std::string& path) {
  if (!bytes.starts_with("PK\x03\x04") && !bytes.starts_with("\x80\x02")) return;
  if (bytes.size() > kLengthBytes && bytes[kLengthBytes] == '{') return;  // a length, by chance
  fail_input(
      "{0}: is a PyTorch file; convert it and name the result: python3 -c \"import torch; from "
      "safetensors.torch import save_file; d = torch.load('{0}', 'cpu', weights_only=True); d = "
      "d.get('state_dict', d); save_file({{k: v.clone() for k, v in d.items()}}, "
      "'{0}.safetensors')\"",
      path);
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  SafetensorsFile file;
  file.path_ = path;
  file.bytes_ = read_text(path);
  refuse_pytorch(file.bytes_, path);
  const std::string_view json = sized_text(file.bytes_, kLengthBytes, kMaxHeaderBytes, path);
  refuse_if(!json.starts_with('{'),
            "{}: the header does not begin with '{{'; is it a safetensors file?", path);
  file.data_offset_ = static_cast<int64_t>(kLengthBytes + json.size());
  HeaderReader{path, file.metadata_, file.entries_}.parse(json);
  // Empty tensors begin where a neighbor begins, so the end decides too, then the name.
  std::ranges::sort(file.entries_, {}, [](const Entry& entry) {
    return std::tie(entry.begin, entry.end, entry.name);
  });
  file.check_offsets();
  file.verify_checksums();
  file.index_names();
  return file;
}

void SafetensorsFile::index_names() {
  for (size_t i = 0; i < entries_.size(); ++i) {
    std::string& name = entries_[i].name;
    for (const std::string_view prefix : {"module.", "_orig_mod.", "module."}) {
      if (name.starts_with(prefix)) name.erase(0, prefix.size());
    }
    refuse_if(!index_.emplace(name, i).second,
              "{}: appears twice in the header; the file is damaged", described(path_, name));
  }
}

// Other programs write no checksums. If there is one, every tensor has its own.
void SafetensorsFile::verify_checksums() {
  const auto is_checksum = [](const auto& text) { return text.first.starts_with(kChecksum); };
  if (std::none_of(metadata_.begin(), metadata_.end(), is_checksum)) return;
  for (const Entry& entry : entries_) {
    const auto found = metadata_.find(kChecksum + entry.name);
    refuse_if(
        found == metadata_.end() || found->second != hex_crc32(data_of(entry)),
        "{}: does not match its checksum; copy the file again, or save it without its metadata",
        described(path_, entry.name));
  }
  std::erase_if(metadata_, is_checksum);
}

// Entries are in the order of their offsets, so each must begin where the previous one ends, and
// end dtype x shape bytes later.
void SafetensorsFile::check_offsets() const {
  const int64_t total = static_cast<int64_t>(bytes_.size()) - data_offset_;
  int64_t position = 0;
  for (const auto& [name, dtype, shape, begin, end] : entries_) {
    const std::string what = described(path_, name);
    const int64_t size = array_size(shape, type_size(NumberFormat::kSafetensors, dtype), what);
    refuse_if(begin > end || end - begin != size,
              "{}: {} [{}] needs {} bytes, its data_offsets are [{}, {}]; the file is damaged",
              what, dtype, fmt::join(shape, ", "), size, begin, end);
    // Before holes: in a truncated file this reason helps.
    refuse_if(end > total,
              "{}: ends at byte {} of the data, which has {}; it is truncated, copy it again", what,
              end, total);
    refuse_if(begin != position, "{}: begins at byte {} of the data, {}; the file is damaged", what,
              begin, begin < position ? "inside the previous tensor" : "after a hole");
    position = end;
  }
  refuse_if(position != total,
            "{}: {} bytes after the last tensor belong to none; the file is damaged", path_,
            total - position);
}

const SafetensorsFile::Entry* SafetensorsFile::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::string_view SafetensorsFile::data_of(const Entry& entry) const {
  return {bytes_.data() + data_offset_ + entry.begin, static_cast<size_t>(entry.end - entry.begin)};
}

Tensor SafetensorsFile::read(const std::string& name, DType dtype) const {
  const Entry* entry = find(name);
  refuse_if(entry == nullptr, "{}: is not in the file, which has {} others; is it the right model?",
            described(path_, name), entries_.size());
  return decode_tensor(data_of(*entry).data(), entry->dtype, entry->shape, dtype,
                       described(path_, name));
}

std::string to_safetensors(const std::vector<NamedTensor>& tensors,
                           const std::map<std::string, std::string>& metadata) {
  // The padding keeps the data at a multiple of 8 for programs that map the file into memory.
  std::string header = header_of(tensors, metadata);
  while (header.size() % kDataAlignment != 0) header += ' ';
  const uint64_t length = header.size();
  size_t total = kLengthBytes + header.size();
  for (const NamedTensor& item : tensors) total += static_cast<size_t>(item.tensor.bytes());

  std::string bytes;
  bytes.reserve(total);
  bytes.append(reinterpret_cast<const char*>(&length), kLengthBytes).append(header);
  for (const NamedTensor& item : tensors) bytes.append(bytes_of(item.tensor));
  return bytes;
}

}  // namespace gmlp
