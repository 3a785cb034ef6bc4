#pragma once
// From tensors to what a kernel takes: a family, a type, pointers.

#include <utility>

#include "autograd/tape.h"
#include "core/error.h"
#include "core/tensor.h"
#include "kernels/reference/reference.h"

namespace gmlp {

/// Calls body.operator()<float>() or <double>(). There is no arithmetic in bf16, only storage.
template <typename Body>
void dispatch_dtype(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kF32:
      body.template operator()<float>();
      return;
    case DType::kF64:
      body.template operator()<double>();
      return;
    case DType::kBf16:
      break;
  }
  require(false, "arithmetic on a bf16 tensor");
}

/// Whether an op on x takes the fused kernels, which are f32 only.
inline bool use_fused(const Tape& tape, const Tensor& x) {
  return tape.backend() == Backend::kFused && x.dtype() == DType::kF32;
}

/// nullptr for a parameter that is not there.
template <typename T>
T* value_of(const Parameter* parameter) {
  return parameter == nullptr ? nullptr : parameter->value.data<T>();
}
template <typename T>
T* grad_of(const Parameter* parameter) {
  return parameter == nullptr ? nullptr : parameter->grad.data<T>();
}

}  // namespace gmlp
