#pragma once
// What the machine could do at most: the baseline that every speed is divided by.

#include <string>

#include "kernels/kernels.h"

namespace gmlp {

/// GFLOP/s of all threads doing nothing but multiply-adds on registers, of f32 or, in precision
/// "bf16", of what products take then. The best of a few bursts in `seconds`.
double peak_gflops(const std::string& precision, double seconds,
                   const fused::Kernels& kernels = fused::kernels());

}  // namespace gmlp
