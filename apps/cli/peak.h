#pragma once
// What the machine could do at most: the baseline that every speed is divided by.

#include "kernels/kernels.h"

namespace gmlp {

/// GFLOP/s of `threads` threads, which must be thread_count(), doing nothing but multiply-adds on
/// registers, of f32 or of what products take in bf16, in the instruction set of `kernels`; the best
/// of a few bursts, `seconds` in all.
double machine_peak_gflops(int threads, double seconds,
                           fused::Precision precision = fused::Precision::kF32,
                           const fused::Kernels& kernels = fused::kernels());

}  // namespace gmlp
