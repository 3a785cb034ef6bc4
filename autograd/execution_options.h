#pragma once
// How a tape computes: on which kernels, in which precision, and what its blocks save.

#include <cstdint>
#include <string>

#include "core/tensor.h"
#include "kernels/kernels.h"

namespace gmlp {

/// Which kernels the ops call: the readable definition, or the hand-written fast path.
enum class Backend : uint8_t { kReference, kFused };

struct ExecutionOptions {
  Backend backend = Backend::kFused;
  fused::Precision precision = fused::Precision::kF32;  // of the fused blocks
  bool checkpoint = false;  // blocks save their input alone; the backward runs the forward again

  ExecutionOptions() = default;
  ExecutionOptions(Backend chosen) : backend(chosen) {}  // NOLINT: a backend alone is enough

  /// The kernels for tensors of `dtype`. Fused kernels take f32 tensors only; bf16 exists inside
  /// them.
  Backend backend_for(DType dtype) const {
    return dtype == DType::kF32 ? backend : Backend::kReference;
  }
};

/// The meaning of --precision and --kernels together. Throws InputError for an unknown name and for
/// bf16 on the reference kernels.
struct Arithmetic {
  DType dtype = DType::kF32;  // of the weights
  ExecutionOptions execution;
};
Arithmetic arithmetic_from(const std::string& precision, const std::string& kernels);

}  // namespace gmlp
