#pragma once
// Numbers as files hold them: little-endian, at any address. Shared by safetensors and npy.

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

static_assert(std::endian::native == std::endian::little, "files are read without swapping bytes");

/// kOther: only the size is known, which is enough to check a file that contains such a tensor.
enum class Encoding : uint8_t {
  kF64,
  kF32,
  kF16,
  kBf16,  // floats
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,  // integers
  kOther,
};

bool is_float(Encoding encoding);
bool is_integer(Encoding encoding);  ///< bool included

/// A number type by its name in safetensors ("F32") or NumPy ("f4", without byte order).
struct NumberType {
  std::string_view safetensors;  // "" if that format lacks the type
  std::string_view numpy;
  int64_t size;  // bytes
  Encoding encoding;
};
/// nullptr for a name that the format does not have.
const NumberType* safetensors_type(std::string_view name);
const NumberType* numpy_type(std::string_view name);

/// IEEE 754 half precision to single; exact, also for subnormals, infinities and NaN.
float from_f16(uint16_t bits);

/// Fills `out` from out.elements() floats; rounds to nearest if out's dtype is narrower.
void decode_floats(Encoding encoding, const char* bytes, const Tensor& out);

/// `count` integers; a bool is 0 or 1. Throws InputError that begins with `what` if one exceeds
/// int64.
std::vector<int64_t> decode_integers(Encoding encoding, const char* bytes, int64_t count,
                                     const std::string& what);

}  // namespace gmlp
