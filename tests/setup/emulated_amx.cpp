// Compiled into the kernels of this instruction set.

#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

constinit thread_local TmmRegisters tmm;

}  // namespace gmlp::fused::GMLP_ISA
