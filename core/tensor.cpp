#include "core/tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gmlp {

namespace {

template <typename T>
T narrowed(double value) {
  if constexpr (std::is_same_v<T, Bf16>) {
    return to_bf16(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

}  // namespace

Bf16 to_bf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return {static_cast<uint16_t>((bits >> 16) | 0x40)};  // keep it quiet
  bits += 0x7FFF + ((bits >> 16) & 1);  // half of the dropped part, ties to even
  return {static_cast<uint16_t>(bits >> 16)};
}

float from_bf16(Bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

int64_t dtype_size(DType dtype) {
  return visit_dtype(dtype, []<typename T>() { return static_cast<int64_t>(sizeof(T)); });
}

Shape::Shape(const std::vector<int64_t>& dims) : rank_(static_cast<int>(dims.size())) {
  refuse_if(dims.size() > kMaxRank, "a tensor of rank {} is not supported; the highest is {}",
            dims.size(), kMaxRank);
  for (size_t axis = 0; axis < dims.size(); ++axis) dims_[axis] = dims[axis];
}

int64_t Shape::elements() const {
  int64_t product = rank_ == 0 ? 0 : 1;
  for (int axis = 0; axis < rank_; ++axis) product = checked_mul(product, (*this)[axis], "tensor");
  return product;
}

int64_t Shape::rows() const {
  int64_t product = 1;
  for (int axis = 0; axis + 1 < rank_; ++axis) product *= (*this)[axis];
  return product;
}

std::string Shape::to_string() const {
  return fmt::format("[{}]", fmt::join(to_vector(), ", "));
}

Tensor Tensor::zeros(DType dtype, const Shape& shape) {
  const int64_t bytes = checked_mul(shape.elements(), dtype_size(dtype), "tensor");
  const size_t padded = (static_cast<size_t>(bytes) + 64) / 64 * 64;
  void* data = std::aligned_alloc(64, padded);
  if (data == nullptr) throw std::bad_alloc();
  std::memset(data, 0, padded);
  Tensor tensor = over(data, dtype, shape);
  tensor.owner_ = std::shared_ptr<void>(data, std::free);
  return tensor;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  require(0 <= begin && begin <= end && end <= shape_[0], "row range outside of the tensor");
  std::vector<int64_t> dims = shape_.to_vector();
  const int64_t row_bytes = bytes() / std::max<int64_t>(dims[0], 1);
  dims[0] = end - begin;
  Tensor view = *this;
  view.shape_ = Shape(dims);
  view.data_ = static_cast<char*>(data_) + begin * row_bytes;
  return view;
}

Tensor Tensor::reshaped(const Shape& shape) const {
  require(shape.elements() == elements(), "reshape to another number of elements");
  Tensor view = *this;
  view.shape_ = shape;
  return view;
}

void Tensor::copy_from(const Tensor& source) const {
  require(source.elements() == elements(), "copy between tensors of different sizes");
  if (source.dtype_ == dtype_) {
    std::memcpy(data_, source.data_, static_cast<size_t>(bytes()));
    return;
  }
  const int64_t n = elements();
  visit_dtype(dtype_, [&]<typename T>() {
    T* const out = data<T>();
    for (int64_t i = 0; i < n; ++i) out[i] = narrowed<T>(source.at(i));
  });
}

void Tensor::fill(double value) const {
  visit_dtype(dtype_,
              [&]<typename T>() { std::fill_n(data<T>(), elements(), narrowed<T>(value)); });
}

double Tensor::at(int64_t i) const {
  if (dtype_ == DType::kBf16) return from_bf16(static_cast<Bf16*>(data_)[i]);
  return dtype_ == DType::kF32 ? static_cast<float*>(data_)[i] : static_cast<double*>(data_)[i];
}

}  // namespace gmlp
