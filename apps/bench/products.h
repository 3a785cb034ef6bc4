#pragma once
// One matrix product, computed by gmlp and by other libraries, for `gmlp-bench kernels`.

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "kernels/kernels.h"

namespace gmlp {

// Of f32 tensors:
inline float* floats(const Tensor& tensor) {
  return tensor.data<float>();
}
Tensor zeros(const Shape& shape);
/// Uniform in [-scale, scale), the same for every call with the same number of elements.
Tensor random_numbers(const Shape& shape, double scale);

constexpr int64_t kImageTokens = 196;  // of 14 x 14 patches

/// C (m,n) = A Wᵀ, as in a linear layer, or gelu(A Wᵀ + bias), with operands in f32 or bf16.
struct Product {
  int64_t m, n, k;
  bool bf16, gelu;
  Tensor a;       // (m,k) f32; for bf16 a library rounds it before the timing
  Tensor weight;  // (n,k) f32, likewise
  Tensor bias;    // (n) f32, used with gelu, for which m is a multiple of kImageTokens
};

/// Some work, and the memory that it fills, if there is anything to compare. A matrix may have
/// padded rows.
struct Contender {
  std::string by;
  std::function<void()> run;
  Tensor result = {};
};
/// gmlp first, then the libraries that CMake found and that have this product. Operands are
/// converted and packed. No other library has the norm in the same pass as the product, so theirs
/// is gelu(A Wᵀ + bias).
std::vector<Contender> contenders_of(const Product& product);
/// A line for each library: its version, and what it runs on this processor.
std::string describe_libraries();

fused::Precision precision_of(bool bf16);

}  // namespace gmlp
