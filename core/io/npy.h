#pragma once
// NumPy's .npy: magic, version, a Python dict literal as header, then the raw array.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

/// An array as it stands in the file: C order, little-endian (big-endian and Fortran order are
/// refused with the remedy, as are object arrays).
struct NpyArray {
  std::string
      dtype;  // NumPy's descr without byte order: "f4", "f8", "f2", "u1", "i8", "i4", "b1", ...
  std::vector<int64_t> shape;
  std::vector<char> bytes;

  int64_t elements() const;
  /// Converted; float types only ("f2", "f4", "f8"). Rank <= 4.
  Tensor to_tensor(DType dtype, const std::string& path) const;
  /// Converted; integer and bool types only.
  std::vector<int64_t> to_integers(const std::string& path) const;
};

/// Throws InputError naming the file, the reason and the remedy.
NpyArray read_npy(const std::string& path);

/// Writes format version 1.0; f32 and f64 as themselves, bf16 widened to f4. Atomic.
void write_npy(const std::string& path, const Tensor& tensor);

}  // namespace gmlp
