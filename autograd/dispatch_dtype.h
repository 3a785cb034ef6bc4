#pragma once
// From a tensor's dtype, known at run time, to a kernel's template argument.

#include "core/error.h"
#include "core/tensor.h"

namespace gmlp {

/// Calls body.operator()<float>() or <double>(). There is no arithmetic in bf16, only storage.
template <typename Body>
void dispatch_dtype(DType dtype, const Body& body) {
  require(dtype != DType::kBf16, "arithmetic on a bf16 tensor");
  if (dtype == DType::kF32) {
    body.template operator()<float>();
  } else {
    body.template operator()<double>();
  }
}

}  // namespace gmlp
