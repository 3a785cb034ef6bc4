#pragma once
// Arrays of numbers in files: little-endian, at any address. Shared by safetensors and npy.

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

static_assert(std::endian::native == std::endian::little, "files are read without swapping bytes");

/// The text after its own little-endian length of `length_bytes` bytes. Throws InputError that
/// begins with `what` if the length exceeds `limit` or the bytes that follow.
std::string_view sized_text(std::string_view bytes, size_t length_bytes, uint64_t limit,
                            const std::string& what);

/// The bytes of an array: the product of `shape` and `element_size`. Throws InputError that begins
/// with `what` if it overflows.
int64_t array_size(const std::vector<int64_t>& shape, int64_t element_size,
                   const std::string& what);

enum class NumberFormat : uint8_t { kSafetensors, kNumpy };
/// Bytes per element of a type by its name in safetensors ("F32"), or in NumPy without byte order
/// ("f4"). 0 if the format has no such type.
int64_t type_size(NumberFormat format, std::string_view name);

/// The array at `bytes` as a tensor; rounds to nearest if `dtype` is narrower than the file's type.
/// `type` is a known name of either format. Throws InputError that begins with `what` if the type
/// is no float or the rank exceeds 4. A scalar (shape []) becomes {1}.
Tensor decode_tensor(const char* bytes, std::string_view type, const std::vector<int64_t>& shape,
                     DType dtype, const std::string& what);

/// The array at `bytes` as integers; a bool is 0 or 1. Throws InputError that begins with `what` if
/// the type is no integer or an element exceeds int64.
std::vector<int64_t> decode_integers(const char* bytes, std::string_view type,
                                     const std::vector<int64_t>& shape, const std::string& what);

}  // namespace gmlp
