#pragma once
// Matrix products of other libraries, timed beside ours. Each library is optional: CMake leaves out
// those that it does not find.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/bench/cases.h"

namespace gmlp {

/// C (m,n) = A (m,k) B (k,n), or gelu(A B + bias), with operands in f32 or bf16.
struct Product {
  int64_t m, n, k;
  bool bf16;
  bool gelu;
  Tensor a;     // (m,k) f32; for bf16 a library rounds it before the timing
  Tensor b;     // (k,n) f32, likewise
  Tensor bias;  // (n) f32, used with gelu
};

struct Baseline {
  std::string name;    // "oneDNN"
  std::string detail;  // version, and the kernels that it runs on this processor
  /// Converts and packs the operands. `run` is empty if the library lacks the product. Uses
  /// thread_count() threads. `by` is left to the caller.
  std::function<Contender(const Product& product)> prepare;
};

// A file per library; the last two exist only if CMake found them.
Baseline eigen_baseline();
Baseline openblas_baseline();
Baseline onednn_baseline();

/// All that were found.
const std::vector<Baseline>& baselines();

}  // namespace gmlp
