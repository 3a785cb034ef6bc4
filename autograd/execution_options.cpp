#include "autograd/execution_options.h"

#include "core/error.h"

namespace gmlp {

Arithmetic arithmetic_from(const std::string& precision, const std::string& kernels) {
  Arithmetic arithmetic;
  const bool fused = kernels == "fused";
  if (precision == "f64") {
    arithmetic.dtype = DType::kF64;  // there to check, not to be fast
    arithmetic.execution.backend = Backend::kReference;
  } else if (precision == "bf16") {
    if (!fused) fail_input("--precision bf16: the reference kernels have none; use f32 with them");
    arithmetic.execution.precision = fused::Precision::kBf16;
  } else if (precision != "f32") {
    fail_input("--precision {}: unknown; choose f32, bf16 or f64", precision);
  } else if (!fused) {
    arithmetic.execution.backend = Backend::kReference;
  }
  return arithmetic;
}

}  // namespace gmlp
