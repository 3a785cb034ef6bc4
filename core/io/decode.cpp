// One loop per pair of a type in a file and a type in memory, selected outside of the loop so that
// each is a plain conversion that vectorizes. bf16 is always rounded from f32, so an f64 is rounded
// twice on its way to bf16.
#include "core/io/decode.h"

#include <cstring>

#include "core/error.h"

namespace gmlp {

namespace {

// IEEE half precision and NumPy's bool, as types that overloads can tell from integers.
struct Half {
  uint16_t bits;
};
struct Boolean {
  uint8_t byte;
};

constexpr NumberType kTypes[] = {
    {"F64", "f8", 8, Encoding::kF64},     {"F32", "f4", 4, Encoding::kF32},
    {"F16", "f2", 2, Encoding::kF16},     {"BF16", "", 2, Encoding::kBf16},
    {"I64", "i8", 8, Encoding::kI64},     {"I32", "i4", 4, Encoding::kI32},
    {"I16", "i2", 2, Encoding::kI16},     {"I8", "i1", 1, Encoding::kI8},
    {"U64", "u8", 8, Encoding::kU64},     {"U32", "u4", 4, Encoding::kU32},
    {"U16", "u2", 2, Encoding::kU16},     {"U8", "u1", 1, Encoding::kU8},
    {"BOOL", "b1", 1, Encoding::kBool},   {"F8_E4M3", "", 1, Encoding::kOther},
    {"F8_E5M2", "", 1, Encoding::kOther}, {"F8_E8M0", "", 1, Encoding::kOther},
    {"C64", "", 8, Encoding::kOther},
};

const NumberType* find_type(std::string_view NumberType::*format, std::string_view name) {
  for (const NumberType& type : kTypes) {
    if (!name.empty() && type.*format == name) return &type;
  }
  return nullptr;
}

// To the narrowest type that holds every value exactly.
template <typename T>
T widen(T value) {
  return value;
}
float widen(Half value) {
  return from_f16(value.bits);
}
float widen(Bf16 value) {
  return from_bf16(value);
}
// NumPy and PyTorch write 0 and 1, but any other byte is true to them as well.
int64_t widen(Boolean value) {
  return value.byte != 0 ? 1 : 0;
}

template <typename Source, typename Target>
void decode(const char* bytes, Target* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    Source value;  // a header without padding puts tensors at odd addresses, so copy
    std::memcpy(&value, bytes + i * static_cast<int64_t>(sizeof(Source)), sizeof(Source));
    if constexpr (std::is_same_v<Target, Bf16>) {
      out[i] = to_bf16(static_cast<float>(widen(value)));
    } else {
      // NOLINTNEXTLINE(bugprone-signed-char-misuse): I8 is a number here, its sign is meant
      out[i] = static_cast<Target>(widen(value));
    }
  }
}

template <typename Source>
void decode_into(const char* bytes, const Tensor& out) {
  visit_dtype(out.dtype(), [&]<typename Target>() {
    decode<Source>(bytes, out.data<Target>(), out.elements());
  });
}

// In the order of Encoding.
constexpr void (*kFloatDecoders[])(const char*, const Tensor&) = {
    decode_into<double>, decode_into<float>, decode_into<Half>, decode_into<Bf16>};
constexpr void (*kIntegerDecoders[])(const char*, int64_t*, int64_t) = {
    decode<int64_t>,  decode<int32_t>,  decode<int16_t>, decode<int8_t>, decode<uint64_t>,
    decode<uint32_t>, decode<uint16_t>, decode<uint8_t>, decode<Boolean>};

}  // namespace

bool is_float(Encoding encoding) {
  return encoding <= Encoding::kBf16;
}

bool is_integer(Encoding encoding) {
  return !is_float(encoding) && encoding != Encoding::kOther;
}

const NumberType* safetensors_type(std::string_view name) {
  return find_type(&NumberType::safetensors, name);
}

const NumberType* numpy_type(std::string_view name) {
  return find_type(&NumberType::numpy, name);
}

// A half has 1 sign bit, 5 bits of exponent and 10 of mantissa; a float has 1, 8 and 23.
float from_f16(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000U) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F;
  const uint32_t mantissa = bits & 0x3FF;
  if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  // The bias is 15 in a half and 127 in a float; all ones stays all ones.
  const uint32_t wide_exponent = exponent == 31 ? 255 : exponent + 127 - 15;
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (mantissa << 13));
}

void decode_floats(Encoding encoding, const char* bytes, const Tensor& out) {
  require(is_float(encoding), "decode_floats of another type");
  kFloatDecoders[static_cast<size_t>(encoding)](bytes, out);
}

std::vector<int64_t> decode_integers(Encoding encoding, const char* bytes, int64_t count,
                                     const std::string& what) {
  require(is_integer(encoding), "decode_integers of another type");
  std::vector<int64_t> out(static_cast<size_t>(count));
  const size_t index = static_cast<size_t>(encoding) - static_cast<size_t>(Encoding::kI64);
  kIntegerDecoders[index](bytes, out.data(), count);
  for (size_t i = 0; encoding == Encoding::kU64 && i < out.size(); ++i) {
    if (out[i] < 0) {  // wrapped around
      fail_input("{}: element {} is {}, more than 2^63 - 1; store it as int64", what, i,
                 static_cast<uint64_t>(out[i]));
    }
  }
  return out;
}

}  // namespace gmlp
