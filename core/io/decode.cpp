// One loop for every pair of a type in a file and a type in memory: load() fetches one number from
// an address of any alignment, widen() makes it a float or double without loss, and the store
// rounds. bf16 is rounded from f32 as everywhere else in the program, so an f64 is rounded twice on
// its way.
#include "core/io/decode.h"

#include <cstring>

#include "core/error.h"

namespace gmlp {

namespace {

// IEEE half precision and NumPy's bool, as types of their own so that load() can tell them from
// uint16_t and uint8_t.
struct Half {
  uint16_t bits;
};
struct Boolean {
  uint8_t byte;
};

// To the narrowest type that holds every value exactly.
float widen(float value) {
  return value;
}
double widen(double value) {
  return value;
}
float widen(Half value) {
  return from_f16(value.bits);
}
float widen(Bf16 value) {
  return from_bf16(value);
}

// A header without padding puts tensors at odd addresses: memcpy, never a cast of the pointer.
template <typename T>
T load(const char* bytes, int64_t i) {
  T value;
  std::memcpy(&value, bytes + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

// The switch stands outside of the loops, so each loop is a plain conversion that vectorizes.
template <typename Source>
void decode_floats_as(const char* bytes, const Tensor& out) {
  const int64_t n = out.elements();
  switch (out.dtype()) {
    case DType::kF32: {
      float* target = out.data<float>();
      for (int64_t i = 0; i < n; ++i) target[i] = static_cast<float>(widen(load<Source>(bytes, i)));
      return;
    }
    case DType::kF64: {
      double* target = out.data<double>();
      for (int64_t i = 0; i < n; ++i) target[i] = widen(load<Source>(bytes, i));
      return;
    }
    case DType::kBf16: {
      Bf16* target = out.data<Bf16>();
      for (int64_t i = 0; i < n; ++i) {
        target[i] = to_bf16(static_cast<float>(widen(load<Source>(bytes, i))));
      }
      return;
    }
  }
}

template <typename Source>
void decode_integers_as(const char* bytes, std::vector<int64_t>& out) {
  int64_t i = 0;
  for (int64_t& value : out) {
    // NOLINTNEXTLINE(bugprone-signed-char-misuse): I8 is a number here, its sign is meant
    value = static_cast<int64_t>(load<Source>(bytes, i++));
  }
}

// NumPy and PyTorch write 0 and 1, but any other byte is true to them as well.
template <>
void decode_integers_as<Boolean>(const char* bytes, std::vector<int64_t>& out) {
  int64_t i = 0;
  for (int64_t& value : out) value = load<Boolean>(bytes, i++).byte != 0 ? 1 : 0;
}

}  // namespace

// The floats come first in the enumeration.
bool is_float(Encoding encoding) {
  return encoding <= Encoding::kBf16;
}

bool is_integer(Encoding encoding) {
  return !is_float(encoding) && encoding != Encoding::kOther;
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
  // Exponents count from 15 in a half and from 127 in a float; all ones stays all ones.
  const uint32_t wide_exponent = exponent == 31 ? 255 : exponent + 127 - 15;
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (mantissa << 13));
}

void decode_floats(Encoding encoding, const char* bytes, const Tensor& out) {
  // Callers have checked is_float, to name their file in the error.
  switch (encoding) {
    case Encoding::kF64:
      decode_floats_as<double>(bytes, out);
      return;
    case Encoding::kF32:
      decode_floats_as<float>(bytes, out);
      return;
    case Encoding::kF16:
      decode_floats_as<Half>(bytes, out);
      return;
    case Encoding::kBf16:
      decode_floats_as<Bf16>(bytes, out);
      return;
    default:
      require(false, "decode_floats of something else");
  }
}

std::vector<int64_t> decode_integers(Encoding encoding, const char* bytes, int64_t count,
                                     const std::string& what) {
  std::vector<int64_t> out(static_cast<size_t>(count));
  switch (encoding) {
    case Encoding::kI64:
      decode_integers_as<int64_t>(bytes, out);
      break;
    case Encoding::kI32:
      decode_integers_as<int32_t>(bytes, out);
      break;
    case Encoding::kI16:
      decode_integers_as<int16_t>(bytes, out);
      break;
    case Encoding::kI8:
      decode_integers_as<int8_t>(bytes, out);
      break;
    case Encoding::kU64:
      decode_integers_as<uint64_t>(bytes, out);
      break;
    case Encoding::kU32:
      decode_integers_as<uint32_t>(bytes, out);
      break;
    case Encoding::kU16:
      decode_integers_as<uint16_t>(bytes, out);
      break;
    case Encoding::kU8:
      decode_integers_as<uint8_t>(bytes, out);
      break;
    case Encoding::kBool:
      decode_integers_as<Boolean>(bytes, out);
      break;
    default:
      require(false, "decode_integers of something else");
  }
  if (encoding == Encoding::kU64) {
    for (size_t i = 0; i < out.size(); ++i) {  // wrapped around: 2^63 or more
      if (out[i] < 0) {
        fail_input("{}: element {} is {}, more than 2^63 - 1; store it as int64", what, i,
                   static_cast<uint64_t>(out[i]));
      }
    }
  }
  return out;
}

}  // namespace gmlp
