#pragma once
// The cases of `gmlp-bench kernels`: each is a piece of work and who does it.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

/// Somebody who does the case's work. `result` is what it computed, or the first numbers of that;
/// empty where there is nothing to compare.
struct Contender {
  std::string by;
  std::string colour;
  std::function<void()> run;
  std::function<Tensor()> result;
};

enum class Work : uint8_t { kFlops, kBytes };

struct Case {
  std::string kernel;     // "gemm"
  std::string shape;      // "1568x1536x256"
  std::string precision;  // "f32" or "bf16": which peak the speed is compared to
  Work kind = Work::kFlops;
  double work = 0;  // FLOPs or bytes of one run
  bool one_thread = false;
  std::vector<Contender> contenders;  // ours first, where we have the kernel

  std::string title() const { return kernel + " " + shape + " " + precision; }
};

/// A case's memory is taken when it is its turn.
using CaseMaker = std::function<Case()>;

/// Matrix products, plain and with bias and GELU, ours beside all baselines.
void add_product_cases(std::vector<CaseMaker>& cases);
/// The block, linear layers, AdamW and GELU: what has no counterpart elsewhere.
void add_own_cases(std::vector<CaseMaker>& cases);

constexpr const char* kOurs = "gmlp";
constexpr const char* kOurColour = "#b5483f";

/// Numbers in [-scale, scale), the same for every call with the same sizes.
Tensor random_numbers(const Shape& shape, double scale);

}  // namespace gmlp
