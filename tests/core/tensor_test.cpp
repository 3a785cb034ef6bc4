// Tensor: bf16 rounding, shapes, views and conversions.
#include "core/tensor.h"

#include <bit>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/support/catch.h"

namespace gmlp {
namespace {

uint16_t rounded(uint32_t f32_bits) {
  return to_bf16(std::bit_cast<float>(f32_bits)).bits;
}

TEST_CASE("bf16 rounds to nearest and ties to even") {
  CHECK(rounded(0x3F80'0000) == 0x3F80);  // 1 is exact
  CHECK(rounded(0x3F80'7FFF) == 0x3F80);  // just below a tie
  CHECK(rounded(0x3F80'8000) == 0x3F80);  // a tie, even below
  CHECK(rounded(0x3F80'8001) == 0x3F81);  // just above a tie
  CHECK(rounded(0x3F81'8000) == 0x3F82);  // a tie, even above
  CHECK(rounded(0xBF81'8000) == 0xBF82);  // the same below zero
  CHECK(rounded(0x3FFF'FFFF) == 0x4000);  // the carry goes into the exponent
  CHECK(rounded(0x8000'0000) == 0x8000);  // -0
  CHECK(rounded(0x0000'8001) == 0x0001);  // subnormal
}

TEST_CASE("bf16 keeps infinities, overflows to them and keeps NaN") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(from_bf16(to_bf16(infinity)) == infinity);
  CHECK(from_bf16(to_bf16(-infinity)) == -infinity);
  CHECK(from_bf16(to_bf16(std::numeric_limits<float>::max())) == infinity);
  // The payload's low bits alone would round to infinity or be cut to it.
  for (const uint32_t bits : {0x7F80'0001U, 0x7FFF'FFFFU, 0xFF80'0001U, 0xFFFF'FFFFU}) {
    CHECK(std::isnan(from_bf16({rounded(bits)})));
    CHECK((rounded(bits) >> 15) == (bits >> 31));
  }
}

TEST_CASE("every bf16 value survives the way to f32 and back") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Bf16 value{static_cast<uint16_t>(bits)};
    if (!std::isnan(from_bf16(value))) REQUIRE(to_bf16(from_bf16(value)).bits == bits);
  }
}

TEST_CASE("a shape knows its elements, rows and columns") {
  const Shape shape{2, 3, 4};
  CHECK(shape.elements() == 24);
  CHECK(shape.rows() == 6);
  CHECK(shape.cols() == 4);
  CHECK(shape.to_string() == "[2, 3, 4]");
  CHECK(shape == Shape{2, 3, 4});
  CHECK_FALSE(shape == Shape{2, 3});
  CHECK_FALSE(shape == Shape{2, 3, 5});
  CHECK(Shape().elements() == 0);
  CHECK(Shape{5, 0}.elements() == 0);
}

TEST_CASE("a shape of more than four dimensions or too many elements is refused") {
  CHECK_THROWS_AS(Shape(std::vector<int64_t>{1, 1, 1, 1, 1}), InputError);
  CHECK_THROWS_AS((Shape{int64_t{1} << 32, int64_t{1} << 32}.elements()), InputError);
  CHECK_THROWS_AS((Shape{-1, 2}.elements()), InputError);
}

TEST_CASE("a new tensor is zero and aligned to 64 bytes") {
  for (const DType dtype : {DType::kF32, DType::kF64, DType::kBf16}) {
    const Tensor tensor = Tensor::zeros(dtype, {3, 5});
    CHECK(reinterpret_cast<uintptr_t>(tensor.raw()) % 64 == 0);
    CHECK(tensor.bytes() == 15 * dtype_size(dtype));
    for (int64_t i = 0; i < tensor.elements(); ++i) CHECK(tensor.at(i) == 0);
  }
  CHECK(Tensor::zeros(DType::kF32, {0, 7}).defined());
  CHECK_FALSE(Tensor().defined());
}

TEST_CASE("a view of rows shares the memory of its tensor") {
  const Tensor tensor = Tensor::zeros(DType::kF32, {4, 2, 3});
  const Tensor view = tensor.rows(1, 3);
  CHECK(view.shape() == Shape{2, 2, 3});
  view.fill(7);
  for (int64_t i = 0; i < tensor.elements(); ++i) CHECK(tensor.at(i) == (i / 6 % 3 == 0 ? 0 : 7));
  CHECK(tensor.rows(4, 4).elements() == 0);
  CHECK_THROWS_AS(tensor.rows(3, 5), std::logic_error);
  CHECK_THROWS_AS(tensor.rows(2, 1), std::logic_error);
  CHECK_THROWS_AS(tensor.rows(-1, 1), std::logic_error);
}

TEST_CASE("a view outlives the tensor that it was taken from") {
  Tensor view;
  {
    const Tensor tensor = Tensor::zeros(DType::kF64, {3, 3});
    tensor.fill(2);
    view = tensor.rows(2, 3);
  }
  CHECK(view.at(2) == 2);
}

TEST_CASE("a reshaped tensor shares its memory and keeps the number of elements") {
  const Tensor tensor = Tensor::zeros(DType::kF32, {4, 6});
  CHECK(tensor.reshaped({3, 8}).raw() == tensor.raw());
  CHECK_THROWS_AS(tensor.reshaped({5, 5}), std::logic_error);
}

TEST_CASE("reading a tensor as another dtype than it has is an error") {
  const Tensor tensor = Tensor::zeros(DType::kF32, {2});
  CHECK_NOTHROW(tensor.data<float>());
  CHECK_THROWS_AS(tensor.data<double>(), std::logic_error);
  CHECK_THROWS_AS(tensor.data<Bf16>(), std::logic_error);
}

TEST_CASE("copy_from converts between all dtypes") {
  for (const DType from : {DType::kF32, DType::kF64, DType::kBf16}) {
    for (const DType to : {DType::kF32, DType::kF64, DType::kBf16}) {
      const Tensor source = Tensor::zeros(from, {3});
      source.fill(-1.5);
      const Tensor target = Tensor::zeros(to, {3});
      target.copy_from(source);
      CHECK(target.at(2) == -1.5);
    }
  }
  const Tensor three = Tensor::zeros(DType::kF32, {3});
  CHECK_THROWS_AS(three.copy_from(Tensor::zeros(DType::kF32, {4})), std::logic_error);
}

}  // namespace
}  // namespace gmlp
