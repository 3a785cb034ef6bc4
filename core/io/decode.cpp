// One loop per pair of a type in a file and a type in memory, selected outside of the loop so that
// each is a plain conversion that vectorizes. bf16 is always rounded from f32, so an f64 is rounded
// twice on its way to bf16.
#include "core/io/decode.h"

#include <Eigen/Core>
#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace gmlp {

namespace {

// NumPy and PyTorch write 0 and 1, but any other byte is true to them as well.
struct Boolean {
  uint8_t byte;
  explicit operator int64_t() const { return byte != 0 ? 1 : 0; }
};

template <typename Source, typename Target>
void decode(const char* bytes, Target* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    Source value;  // arrays may be at odd addresses, so copy
    std::memcpy(&value, bytes + i * static_cast<int64_t>(sizeof(Source)), sizeof(Source));
    if constexpr (std::is_same_v<Target, Bf16>) {
      out[i] = to_bf16(static_cast<float>(value));
    } else {
      // NOLINTNEXTLINE(bugprone-signed-char-misuse): I8 is a number here, its sign is meant
      out[i] = static_cast<Target>(value);
    }
  }
}

template <typename Source>
void decode_to(const char* bytes, const Tensor& out) {
  visit_dtype(out.dtype(), [&]<typename Target>() {
    decode<Source>(bytes, out.data<Target>(), out.elements());
  });
}

struct NumberType {
  std::string_view safetensors;
  std::string_view numpy;  // "" if NumPy lacks the type
  int64_t size;
  void (*floats)(const char*, const Tensor&);              // nullptr for other types
  void (*integers)(const char*, int64_t* out, int64_t n);  // nullptr for other types
};

constexpr NumberType kTypes[] = {
    // floats
    {"F64", "f8", 8, decode_to<double>, nullptr},
    {"F32", "f4", 4, decode_to<float>, nullptr},
    {"F16", "f2", 2, decode_to<Eigen::half>, nullptr},
    {"BF16", "", 2, decode_to<Eigen::bfloat16>, nullptr},
    // integers
    {"I64", "i8", 8, nullptr, decode<int64_t>},
    {"I32", "i4", 4, nullptr, decode<int32_t>},
    {"I16", "i2", 2, nullptr, decode<int16_t>},
    {"I8", "i1", 1, nullptr, decode<int8_t>},
    {"U64", "u8", 8, nullptr, decode<uint64_t>},
    {"U32", "u4", 4, nullptr, decode<uint32_t>},
    {"U16", "u2", 2, nullptr, decode<uint16_t>},
    {"U8", "u1", 1, nullptr, decode<uint8_t>},
    {"BOOL", "b1", 1, nullptr, decode<Boolean>},
};

const NumberType& type_named(std::string_view name) {
  for (const NumberType& type : kTypes) {
    if (type.safetensors == name || type.numpy == name) return type;
  }
  throw std::logic_error("internal error: decoding of an unknown type");
}

}  // namespace

std::string_view sized_text(std::string_view bytes, size_t length_bytes, uint64_t limit,
                            const std::string& what) {
  refuse_if(bytes.size() < length_bytes, "{}: is truncated; copy it again", what);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), length_bytes);
  const std::string_view text = bytes.substr(length_bytes);
  refuse_if(length > limit,
            "{}: its header claims {} bytes, the format allows {}; is it the right file?", what,
            length, limit);
  refuse_if(length > text.size(),
            "{}: its header is {} bytes but only {} are left; it is truncated, copy it again", what,
            length, text.size());
  return text.substr(0, length);
}

int64_t array_size(const std::vector<int64_t>& shape, int64_t element_size,
                   const std::string& what) {
  int64_t size = element_size;  // first, so that the whole product is checked for overflow
  for (const int64_t dim : shape) size = checked_mul(size, dim == 0 ? 1 : dim, what);
  return std::count(shape.begin(), shape.end(), 0) > 0 ? 0 : size;
}

int64_t type_size(NumberFormat format, std::string_view name) {
  for (const NumberType& type : kTypes) {
    const std::string_view known = format == NumberFormat::kNumpy ? type.numpy : type.safetensors;
    if (!name.empty() && known == name) return type.size;
  }
  return 0;
}

Tensor decode_tensor(const char* bytes, std::string_view type, const std::vector<int64_t>& shape,
                     DType dtype, const std::string& what) {
  const auto decode_all = type_named(type).floats;
  // Integers are not converted silently: pixels need a scale that only the caller knows.
  refuse_if(decode_all == nullptr, "{}: is of type {}, floats are needed; save it as float32", what,
            type);
  refuse_if(shape.size() > Shape::kMaxRank, "{}: has {} dimensions, not {} at most; reshape it",
            what, shape.size(), Shape::kMaxRank);
  Tensor tensor = Tensor::zeros(dtype, shape.empty() ? Shape{1} : Shape(shape));
  decode_all(bytes, tensor);
  return tensor;
}

std::vector<int64_t> decode_integers(const char* bytes, std::string_view type,
                                     const std::vector<int64_t>& shape, const std::string& what) {
  const auto decode_all = type_named(type).integers;
  refuse_if(decode_all == nullptr, "{}: is of type {}, integers are needed; save it as int64", what,
            type);
  const int64_t count = array_size(shape, 1, what);
  std::vector<int64_t> out(static_cast<size_t>(count));
  decode_all(bytes, out.data(), count);
  for (size_t i = 0; type_named(type).safetensors == "U64" && i < out.size(); ++i) {
    if (out[i] < 0) {  // wrapped around
      fail_input("{}: element {} is {}, more than 2^63 - 1; store it as int64", what, i,
                 static_cast<uint64_t>(out[i]));
    }
  }
  return out;
}

}  // namespace gmlp
