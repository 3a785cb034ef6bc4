#pragma once
// From a tensor's dtype to a kernel's type.

#include <utility>

#include "core/error.h"
#include "core/tensor.h"
#include "kernels/reference/reference.h"

namespace gmlp {

/// Calls body.operator()<float>() or <double>(). There is no arithmetic in bf16, only storage.
template <typename Body>
void by_dtype(DType dtype, const Body& body) {
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

}  // namespace gmlp
