#pragma once
// NumPy's .npy: magic, version, a Python dict literal as header, then the raw array.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

/// An array as it is in the file: C order, little-endian.
struct NpyArray {
  std::string dtype;  // NumPy's descr without byte order: "f4", "f8", "f2", "u1", "i8", "b1", ...
  std::vector<int64_t> shape;
  std::string bytes;

  /// Converts floats ("f2", "f4", "f8"), rank <= 4. Throws InputError for other types.
  Tensor to_tensor(DType dtype, const std::string& path) const;
  /// Converts integers and bools. Throws InputError for other types.
  std::vector<int64_t> to_integers(const std::string& path) const;
};

/// Throws InputError that names the file, the reason and the remedy, also for what NumPy can store
/// and this program does not read: big-endian, Fortran order, objects, structured arrays.
NpyArray read_npy(const std::string& path);

/// Writes format version 1.0; f32 and f64 as themselves, bf16 widened to f4. Atomic.
void write_npy(const std::string& path, const Tensor& tensor);

}  // namespace gmlp
