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

/// Bytes per element of a type by its name in safetensors ("F32"), or in NumPy without byte order
/// ("f4"). 0 if the format has no such type.
int64_t safetensors_type_size(std::string_view name);
int64_t numpy_type_size(std::string_view name);

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
