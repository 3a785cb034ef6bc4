#pragma once
// How a model computes: on which kernels, in which precision, and what its blocks keep.

#include <cstdint>
#include <string>

#include "core/tensor.h"
#include "kernels/kernels.h"

namespace gmlp {

/// Which kernels the ops call: the readable definition, or the hand-written fast path (f32 only).
enum class Backend : uint8_t { kReference, kFused };

/// How a tape computes.
struct ExecutionOptions {
  Backend backend = Backend::kFused;
  fused::Precision precision = fused::Precision::kF32;  // of what fused blocks keep, and take
  bool checkpoint =
      false;  // blocks keep only their input and compute the rest again on the way back

  ExecutionOptions() = default;
  ExecutionOptions(Backend kernels) : backend(kernels) {}  // NOLINT: a family alone says it all
};

/// What --precision and --kernels mean together: the weights' type, and how blocks compute. Throws
/// InputError for an unknown name and for bf16 on the reference kernels.
struct Arithmetic {
  DType dtype = DType::kF32;
  ExecutionOptions execution;
};
Arithmetic arithmetic_from(const std::string& precision, const std::string& kernels);

}  // namespace gmlp
