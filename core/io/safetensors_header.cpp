// nlohmann's parser calls HeaderReader for every token; the reader is a small state machine that
// knows what may stand where. Compared with reading into a tree and checking it afterwards, this
//   - sees a key that stands twice (a tree keeps the last one without a word),
//   - stops at the first token out of place, so nesting is never deeper than the format's three
//   levels,
//   - takes memory for tensors and metadata only.
#include "core/io/safetensors_header.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

// Limits no real file comes near. They keep a hostile header from growing in memory: at most about
// 300 bytes a tensor, and a string exists four times while it is parsed.
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxMetadata = 100'000;
constexpr size_t kMostDimensions = 64;
constexpr int64_t kMaxStringBytes = 8 << 20;

// The format's types of whole bytes. kOther ones are recognised, so that a file that holds some
// beside the tensors we want can be checked and read.
struct NamedType {
  std::string_view name;
  SafetensorsType type;
};

constexpr std::array<NamedType, 17> kTypes = {{
    {"F64", {8, Encoding::kF64}},
    {"F32", {4, Encoding::kF32}},
    {"F16", {2, Encoding::kF16}},
    {"BF16", {2, Encoding::kBf16}},
    {"I64", {8, Encoding::kI64}},
    {"I32", {4, Encoding::kI32}},
    {"I16", {2, Encoding::kI16}},
    {"I8", {1, Encoding::kI8}},
    {"U64", {8, Encoding::kU64}},
    {"U32", {4, Encoding::kU32}},
    {"U16", {2, Encoding::kU16}},
    {"U8", {1, Encoding::kU8}},
    {"BOOL", {1, Encoding::kBool}},
    {"F8_E4M3", {1, Encoding::kOther}},
    {"F8_E5M2", {1, Encoding::kOther}},
    {"F8_E8M0", {1, Encoding::kOther}},
    {"C64", {8, Encoding::kOther}},
}};

// The format is { "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
// "__metadata__": {"key": "text", ...} }; where the parser stands in it, and so what may come next:
enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

// Called by nlohmann's parser, which checks JSON's own rules and UTF-8. Everything out of place
// throws.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& path) : path_(path) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool /*value*/) override { unexpected("true or false"); }
  bool number_integer(number_integer_t value) override {
    fail("{} is negative; the file is damaged", value);
  }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    fail("{} is not an integer below 2^63; the file is damaged", printable(text));
  }
  bool binary(binary_t& /*value*/) override { unexpected("binary data"); }

  // The only numbers of the format: sizes and offsets. 1.0, 1e3 and 2^64 come as number_float.
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kShape && place_ != Place::kOffsets) unexpected("a number");
    if (value > static_cast<uint64_t>(INT64_MAX)) {
      fail("{} is not an integer below 2^63; the file is damaged", value);
    }
    std::vector<int64_t>& list = place_ == Place::kShape ? entry_.shape : offsets_;
    const size_t most = place_ == Place::kShape ? kMostDimensions : 2;
    if (list.size() == most) fail("its {} has more than {} numbers", field_, most);
    list.push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      header_.metadata[field_] = std::move(value);
      return true;
    }
    if (place_ != Place::kTensor || field_ != "dtype") unexpected("a string");
    if (safetensors_type(value).size == 0) {
      fail("its dtype '{}' is unknown; save it as F32, F16, BF16 or F64", printable(value));
    }
    entry_.dtype = std::move(value);
    return true;
  }

  // The file itself, the metadata, or a tensor.
  bool start_object(size_t /*size*/) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && name_ == "__metadata__") {
      if (seen_metadata_) fail("stands twice; the file is damaged");
      seen_metadata_ = true;
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      if (header_.entries.size() == kMaxTensors)
        fail("there are more than {} tensors", kMaxTensors);
      entry_ = {};
      entry_.name = name_;
      offsets_.clear();
      seen_dtype_ = seen_shape_ = seen_offsets_ = false;
      place_ = Place::kTensor;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& key) override {
    if (place_ == Place::kTop) {
      name_ = std::move(key);
      return true;
    }
    field_ = std::move(key);
    if (place_ == Place::kMetadata) {
      if (header_.metadata.size() == kMaxMetadata) fail("has more than {} keys", kMaxMetadata);
      if (!header_.metadata.emplace(field_, "").second) duplicate();
      return true;
    }
    // A tensor's: each of the three exactly once.
    bool* const seen = field_ == "dtype"          ? &seen_dtype_
                       : field_ == "shape"        ? &seen_shape_
                       : field_ == "data_offsets" ? &seen_offsets_
                                                  : nullptr;
    if (seen == nullptr) {
      fail("has the unknown key '{}'; a tensor has dtype, shape and data_offsets",
           printable(field_));
    }
    if (*seen) duplicate();
    *seen = true;
    return true;
  }

  // The end of a tensor is where it is complete; whether it fits the file is checked by the caller.
  bool end_object() override {
    if (place_ == Place::kTensor) {
      if (!seen_dtype_ || !seen_shape_ || !seen_offsets_) {
        fail("lacks {}; the file is damaged", !seen_dtype_   ? "dtype"
                                              : !seen_shape_ ? "shape"
                                                             : "data_offsets");
      }
      entry_.begin = offsets_[0];
      entry_.end = offsets_[1];
      header_.entries.push_back(std::move(entry_));
    }
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }

  bool start_array(size_t /*size*/) override {
    if (place_ != Place::kTensor || (field_ != "shape" && field_ != "data_offsets")) {
      unexpected("a list");
    }
    place_ = field_ == "shape" ? Place::kShape : Place::kOffsets;
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kOffsets && offsets_.size() != 2) {
      fail("its data_offsets are not two numbers; the file is damaged");
    }
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    fail_input("{}: the header is not JSON at byte {}: {}; the file is damaged", path_, position,
               json_reason(error));
  }

 private:
  // Every error names the file and the key at the top under which it was met.
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    const char* kind = name_ == "__metadata__" ? "" : "tensor ";
    const std::string reason = fmt::format(format, std::forward<Args>(args)...);
    fail_input("{}: {}'{}': {}", path_, kind, printable(name_), reason);
  }

  // A value of the wrong kind, described by where it stands.
  [[noreturn]] void unexpected(const char* what) const {
    if (place_ == Place::kMetadata) {
      fail("'{}' is {}, not a string; the file is damaged", printable(field_), what);
    }
    if (place_ == Place::kTensor) {
      fail("'{}' is {}; the file is damaged", printable(field_), what);
    }
    fail("{} where the format has none; the file is damaged", what);
  }

  [[noreturn]] void duplicate() const {
    fail("has '{}' twice; the file is damaged", printable(field_));
  }

  const std::string& path_;
  SafetensorsHeader header_;
  Place place_ = Place::kStart;
  std::string name_;   // the key at the top
  std::string field_;  // the key below it
  SafetensorsFile::Entry entry_;
  std::vector<int64_t> offsets_;
  bool seen_dtype_ = false;
  bool seen_shape_ = false;
  bool seen_offsets_ = false;
  bool seen_metadata_ = false;
};

// Two things that nlohmann's lexer would let pass: it buffers a string of any length, and it takes
// a NUL for the end of the input, so that anything could hide behind one.
void check_characters(std::string_view json, const std::string& path) {
  int64_t length = -1;  // of the string we are in; -1 outside
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '\0') fail_input("{}: NUL at byte {} of the header; it is damaged", path, i);
    if (json[i] == '"') {
      length = length < 0 ? 0 : -1;
    } else if (length >= 0) {
      if (json[i] == '\\') ++i;  // an escaped quote does not end the string
      if (++length > kMaxStringBytes) {
        fail_input("{}: a string of the header is longer than {} MB; the file is damaged", path,
                   kMaxStringBytes >> 20);
      }
    }
  }
}

}  // namespace

SafetensorsType safetensors_type(std::string_view dtype) {
  for (const NamedType& entry : kTypes) {
    if (entry.name == dtype) return entry.type;
  }
  return {};
}

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& path) {
  if (json.empty() || json.front() != '{') {
    fail_input("{}: the header does not begin with '{{'; is it a safetensors file?", path);
  }
  check_characters(json, path);
  HeaderReader reader(path);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  return reader.take();
}

}  // namespace gmlp
