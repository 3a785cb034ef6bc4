// nlohmann's parser calls HeaderReader for every token. The reader is a small state machine that
// knows which token may come next. Unlike a tree that is checked afterwards, it
//   - sees duplicate keys, of which a tree silently keeps the last,
//   - stops at the first token out of place, so nesting never exceeds the format's three levels,
//   - uses memory for tensors and metadata only.
#include "core/io/safetensors_header.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/decode.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

// No real file comes near these limits. They bound the memory of a hostile header.
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxMetadata = 100'000;
constexpr size_t kMaxDimensions = 64;

// The keys of a tensor; each is required once.
constexpr std::string_view kFields[] = {"dtype", "shape", "data_offsets"};

// The format is { "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
// "__metadata__": {"key": "text", ...} }. The parser's position in it:
enum class State { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

// nlohmann's parser checks JSON's own rules and UTF-8. Every token out of place throws.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& path) : path_(path) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool /*value*/) override { unexpected("true or false"); }
  bool binary(binary_t& /*value*/) override { unexpected("binary data"); }
  bool number_integer(number_integer_t value) override {
    fail("{} is negative; the file is damaged", value);
  }
  // 1.0, 1e3 and 2^64 too.
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    fail("{} is not an integer below 2^63; the file is damaged", printable(text));
  }

  // The only numbers of the format: sizes and offsets.
  bool number_unsigned(number_unsigned_t value) override {
    if (state_ != State::kShape && state_ != State::kOffsets) unexpected("a number");
    if (value > static_cast<uint64_t>(INT64_MAX)) {
      fail("{} is not an integer below 2^63; the file is damaged", value);
    }
    std::vector<int64_t>& list = state_ == State::kShape ? entry_.shape : offsets_;
    const size_t most = state_ == State::kShape ? kMaxDimensions : 2;
    if (list.size() == most) fail("its {} has more than {} numbers", key_, most);
    list.push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) {
      header_.metadata[key_] = std::move(value);
      return true;
    }
    if (state_ != State::kTensor || key_ != "dtype") unexpected("a string");
    if (safetensors_type_size(value) == 0) {
      fail("its dtype '{}' is unknown; save it as F32, F16, BF16 or F64", printable(value));
    }
    entry_.dtype = std::move(value);
    return true;
  }

  // The file itself, the metadata, or a tensor.
  bool start_object(size_t /*size*/) override {
    if (state_ == State::kStart) {
      state_ = State::kTop;
    } else if (state_ == State::kTop && name_ == "__metadata__") {
      if (std::exchange(seen_metadata_, true)) fail("appears twice; the file is damaged");
      state_ = State::kMetadata;
    } else if (state_ == State::kTop) {
      if (header_.entries.size() == kMaxTensors)
        fail("there are more than {} tensors", kMaxTensors);
      entry_ = {};
      entry_.name = name_;
      offsets_.clear();
      seen_fields_ = 0;
      state_ = State::kTensor;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& key) override {
    if (state_ == State::kTop) {
      name_ = std::move(key);
      return true;
    }
    key_ = std::move(key);
    if (state_ == State::kMetadata) {
      if (header_.metadata.size() == kMaxMetadata) fail("has more than {} keys", kMaxMetadata);
      if (!header_.metadata.emplace(key_, "").second) duplicate();
      return true;
    }
    unsigned bit = 1;
    for (const std::string_view field : kFields) {
      if (key_ == field) {
        if ((seen_fields_ & bit) != 0) duplicate();
        seen_fields_ |= bit;
        return true;
      }
      bit <<= 1;
    }
    fail("has the unknown key '{}'; a tensor has dtype, shape and data_offsets", printable(key_));
  }

  // The end of a tensor, the metadata or the file. Whether the tensor fits the file is checked by
  // the caller.
  bool end_object() override {
    if (state_ == State::kTensor) {
      for (unsigned i = 0; i < 3; ++i) {
        if ((seen_fields_ >> i & 1) == 0) fail("lacks {}; the file is damaged", kFields[i]);
      }
      entry_.begin = offsets_[0];
      entry_.end = offsets_[1];
      header_.entries.push_back(std::move(entry_));
    }
    state_ = state_ == State::kTop ? State::kEnd : State::kTop;
    return true;
  }

  bool start_array(size_t /*size*/) override {
    if (state_ != State::kTensor || key_ == "dtype") unexpected("a list");
    state_ = key_ == "shape" ? State::kShape : State::kOffsets;
    return true;
  }

  bool end_array() override {
    if (state_ == State::kOffsets && offsets_.size() != 2) {
      fail("its data_offsets are not two numbers; the file is damaged");
    }
    state_ = State::kTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    fail_input("{}: the header is not JSON at byte {}: {}; the file is damaged", path_, position,
               json_reason(error));
  }

 private:
  // Every error names the file and the top-level key at which it occurred.
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    const char* kind = name_ == "__metadata__" ? "" : "tensor ";
    const std::string reason = fmt::format(format, std::forward<Args>(args)...);
    fail_input("{}: {}'{}': {}", path_, kind, printable(name_), reason);
  }

  [[noreturn]] void unexpected(const char* what) const {
    const bool inside = state_ != State::kStart && state_ != State::kTop;
    fail("{} is {}; the file is damaged", inside ? "'" + printable(key_) + "'" : "it", what);
  }

  [[noreturn]] void duplicate() const {
    fail("has '{}' twice; the file is damaged", printable(key_));
  }

  const std::string& path_;
  SafetensorsHeader header_;
  State state_ = State::kStart;
  std::string name_;  // the top-level key: a tensor's name or __metadata__
  std::string key_;   // the key inside of that
  SafetensorsFile::Entry entry_;
  std::vector<int64_t> offsets_;
  unsigned seen_fields_ = 0;  // a bit per kFields
  bool seen_metadata_ = false;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& path) {
  if (!json.starts_with('{')) {
    fail_input("{}: the header does not begin with '{{'; is it a safetensors file?", path);
  }
  check_json_limits(json, path);
  HeaderReader reader(path);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  return reader.take();
}

}  // namespace gmlp
