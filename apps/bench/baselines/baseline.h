#pragma once
// Other people's matrix products, to be timed beside ours. Each library is optional: what CMake did
// not find is not in the list.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

/// C (m,n) = A (m,k) B (k,n), in f32 or bf16, as C = gelu(A B + bias) where gelu is asked for.
struct Product {
  int64_t m;
  int64_t n;
  int64_t k;
  bool bf16;
  bool gelu;
  Tensor a;     // (m,k) f32, also for bf16, where a library rounds it before the timing
  Tensor b;     // (k,n) f32
  Tensor bias;  // (n) f32; used with gelu
};

/// A product made ready by a library: its operands converted and packed as it likes best.
class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual void run() = 0;
  virtual Tensor result() const = 0;  // (m,n) f32
};

struct Baseline {
  std::string name;    // "oneDNN"
  std::string detail;  // version, and the kernels that it runs on this processor
  std::string colour;  // in the chart
  /// nullptr for what the library does not do. Uses thread_count() threads.
  std::function<std::unique_ptr<Prepared>(const Product& product)> prepare;
};

/// Those that were found, the same for every call.
const std::vector<Baseline>& baselines();

}  // namespace gmlp
