#pragma once
// Tensor: contiguous, row-major, rank <= 4, in f32, f64 or bf16. No strides, no broadcasting; a
// view is a range of rows or another shape. A gMLP needs no more, and every kernel stays a loop
// over plain memory.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/bf16.h"
#include "core/error.h"

namespace gmlp {

/// Rounds to nearest, ties to even; NaN stays NaN.
Bf16 to_bf16(float value);
/// Exact.
float from_bf16(Bf16 value);

enum class DType : uint8_t { kF32, kF64, kBf16 };

int64_t dtype_size(DType dtype);  ///< bytes per element

/// The dtype of elements of type T.
template <typename T>
constexpr DType dtype_of() {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, Bf16>);
  if (std::is_same_v<T, float>) return DType::kF32;
  return std::is_same_v<T, double> ? DType::kF64 : DType::kBf16;
}

/// Calls body.operator()<T>() with the element type T of the dtype.
template <typename Body>
auto visit_dtype(DType dtype, const Body& body) {
  if (dtype == DType::kF32) return body.template operator()<float>();
  if (dtype == DType::kF64) return body.template operator()<double>();
  return body.template operator()<Bf16>();
}

/// Up to four dimensions, outermost first. A scalar is {1}.
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::vector<int64_t>(dims)) {}
  explicit Shape(const std::vector<int64_t>& dims);  ///< throws InputError if rank > 4

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t elements() const;  ///< the product of all dimensions; 0 for the empty shape
  int64_t rows() const;      ///< the product of all dimensions but the last
  int64_t cols() const { return rank_ == 0 ? 0 : (*this)[rank_ - 1]; }  ///< the last dimension
  std::vector<int64_t> to_vector() const { return {dims_.begin(), dims_.begin() + rank_}; }
  std::string to_string() const;  ///< "[8, 196, 256]"
  friend bool operator==(const Shape& a, const Shape& b) = default;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// Whether tensors have memory. A kMeta tensor has only shape and dtype, like PyTorch's meta
/// device, to count what a computation would allocate. Its address cannot be accessed.
enum class Storage : uint8_t { kMemory, kMeta };
inline void* const kMetaAddress = reinterpret_cast<void*>(64);

class Tensor {
 public:
  Tensor() = default;

  /// A tensor with its own zeroed, 64-byte aligned memory, freed with its last copy.
  static Tensor zeros(DType dtype, const Shape& shape);
  /// A tensor over memory that somebody else (an arena) keeps alive.
  static Tensor over(void* data, DType dtype, const Shape& shape) {
    return Tensor(data, dtype, shape);
  }
  /// A tensor without memory, whose elements may not be touched.
  static Tensor meta(DType dtype, const Shape& shape) { return over(kMetaAddress, dtype, shape); }

  bool defined() const { return data_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const { return shape_.elements(); }
  int64_t bytes() const { return elements() * dtype_size(dtype_); }
  void* raw() const { return data_; }

  /// The elements, row-major. Throws std::logic_error if T is not the tensor's element type.
  template <typename T>
  T* data() const {
    require(dtype_ == dtype_of<T>(), "tensor accessed as another dtype than its own");
    return static_cast<T*>(data_);
  }

  /// The view of rows [begin, end) of the outermost dimension; shares memory.
  Tensor rows(int64_t begin, int64_t end) const;
  /// The same elements under another shape; shares memory.
  Tensor reshaped(const Shape& shape) const;
  /// Copies the elements of `source`, converting the dtype. Both must have equally many elements.
  void copy_from(const Tensor& source) const;
  void fill(double value) const;
  /// Element i as a double, whatever the dtype.
  double at(int64_t i) const;

 private:
  Tensor(void* data, DType dtype, const Shape& shape) : data_(data), dtype_(dtype), shape_(shape) {}

  void* data_ = nullptr;
  DType dtype_ = DType::kF32;
  Shape shape_;
  std::shared_ptr<void> owner_;
};

}  // namespace gmlp
