#pragma once
// Numbers as files hold them: little-endian and at any address. Shared by safetensors and npy.

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

static_assert(std::endian::native == std::endian::little, "files are read without swapping bytes");

/// kOther: a type whose size is known (to check a file) but not its arithmetic.
enum class Encoding : uint8_t {
  kF64,
  kF32,
  kF16,
  kBf16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kOther,
};

bool is_float(Encoding encoding);
bool is_integer(Encoding encoding);  ///< bool included

/// IEEE 754 half precision to single; exact, also for subnormals, infinities and NaN.
float from_f16(uint16_t bits);

/// Fills `out` from out.elements() floats; rounds to nearest where out's dtype is narrower.
void decode_floats(Encoding encoding, const char* bytes, const Tensor& out);

/// `count` integers; a bool is 0 or 1. Throws InputError beginning with `what` when one exceeds
/// int64.
std::vector<int64_t> decode_integers(Encoding encoding, const char* bytes, int64_t count,
                                     const std::string& what);

}  // namespace gmlp
