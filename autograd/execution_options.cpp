#include "autograd/execution_options.h"

#include "core/error.h"

namespace gmlp {

Arithmetic arithmetic_from(const std::string& precision, const std::string& kernels) {
  Arithmetic arithmetic;
  if (kernels != "fused") arithmetic.execution.backend = Backend::kReference;
  if (precision == "f64") {
    arithmetic.dtype = DType::kF64;
    arithmetic.execution.backend = Backend::kReference;
  } else if (precision == "bf16") {
    if (arithmetic.execution.backend == Backend::kReference) {
      fail_input("--precision bf16: the reference kernels have none; use f32 with them");
    }
    arithmetic.execution.precision = fused::Precision::kBf16;
  } else if (precision != "f32") {
    fail_input("--precision {}: unknown; choose f32, bf16 or f64", precision);
  }
  return arithmetic;
}

}  // namespace gmlp
