#pragma once
// One matrix product, computed by gmlp and by other libraries, for `kernels` and `ladder`.

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
/// Aᵀ of A (R, C).
Tensor transposed(const Tensor& a);

/// C (m,n) = A (m,k) B (k,n), or gelu(A B + bias), with operands in f32 or bf16.
struct Product {
  int64_t m, n, k;
  bool bf16, gelu;
  Tensor a;     // (m,k) f32; for bf16 a library rounds it before the timing
  Tensor b;     // (k,n) f32, likewise
  Tensor bias;  // (n) f32, used with gelu
};

/// Some work, and the memory that it fills, if there is anything to compare. A matrix may have
/// padded rows.
struct Contender {
  std::function<void()> run;
  Tensor result = {};
  std::string by = "gmlp";
};

struct Library {
  std::string name;    // "oneDNN"
  std::string detail;  // version, and the kernels that it runs on this processor
  /// Converts and packs the operands. `run` is empty if the library lacks the product. Uses
  /// thread_count() threads. `by` is left to the caller.
  Contender (*prepare)(const Product& product);
};
/// gmlp first, then Eigen and what else CMake found. No other library has the norm in the same
/// pass, so theirs is gelu(A B + bias).
const std::vector<Library>& libraries();

fused::Precision precision_of(bool bf16);
/// The fused kernel z = gelu(layernorm(x) Wᵀ + b) with W packed: x (R, D), norm (D), weight (F, D),
/// bias (F); R is a multiple of 196.
Contender norm_fc1_gelu(const Tensor& x, const Tensor& norm_weight, const Tensor& norm_bias,
                        const Tensor& weight, const Tensor& bias, bool bf16);

}  // namespace gmlp
