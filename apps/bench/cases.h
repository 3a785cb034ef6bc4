#pragma once
// The cases of `gmlp-bench kernels`: a piece of work and the contenders that do it.

#include <functional>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

constexpr const char* kOurs = "gmlp";

/// An implementation of a case's work.
struct Contender {
  std::string by;
  std::function<void()> run;
  /// The numbers that run() computed, or the first of them. Empty if there is nothing to compare.
  std::function<Tensor()> result;
};

struct Case {
  std::string kernel;                      // "gemm"
  std::string shape;                       // "1568x1536x256"
  std::string precision;                   // "f32" or "bf16", for the peak to compare with
  double work = 0;                         // FLOPs of one run, or bytes
  std::vector<Contender> contenders = {};  // ours first
  bool counts_bytes = false;               // the unit of `work`
  bool one_thread = false;

  std::string title() const { return kernel + " " + shape + " " + precision; }
};

/// Allocates a case's memory when it is called.
using CaseMaker = std::function<Case()>;

/// Matrix products, alone and with norm, bias and GELU, beside all baselines. Then the kernels that
/// no library has: the block, linear layers, AdamW and GELU.
std::vector<CaseMaker> all_cases();

/// C (m,n) = A (m,k) B (k,n), or gelu(A B + bias), with operands in f32 or bf16.
struct Product {
  int64_t m, n, k;
  bool bf16, gelu;
  Tensor a;     // (m,k) f32; for bf16 a library rounds it before the timing
  Tensor b;     // (k,n) f32, likewise
  Tensor bias;  // (n) f32, used with gelu
};

/// Another library, timed beside ours.
struct Baseline {
  std::string name;    // "oneDNN"
  std::string detail;  // version, and the kernels that it runs on this processor
  /// Converts and packs the operands. `run` is empty if the library lacks the product. Uses
  /// thread_count() threads. `by` is left to the caller.
  std::function<Contender(const Product& product)> prepare;
};

// These exist only if CMake found the library.
Baseline openblas_baseline();
Baseline onednn_baseline();
/// Eigen, and those that were found.
const std::vector<Baseline>& baselines();

// Of f32 tensors:
inline float* floats(const Tensor& tensor) {
  return tensor.data<float>();
}
Tensor zeros(const Shape& shape);
/// Uniform in [-scale, scale), the same for every call with the same number of elements.
Tensor random_numbers(const Shape& shape, double scale);
/// Aᵀ of A (R, C).
Tensor transposed(const Tensor& a);

/// The fused kernel z = gelu(layernorm(x) Wᵀ + b) with W packed: x (R, D), norm (D), weight (F, D),
/// bias (F); R is a multiple of 196. The result is the first `rows` rows of z, which the kernel
/// stores `stride` elements apart.
Contender norm_fc1_gelu(const Tensor& x, const Tensor& norm_weight, const Tensor& norm_bias,
                        const Tensor& weight, const Tensor& bias, bool bf16, int64_t rows,
                        int64_t stride);

}  // namespace gmlp
