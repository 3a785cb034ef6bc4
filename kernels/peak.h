#pragma once
// What the machine could do at most: the yardstick that every speed is divided by.

namespace gmlp {

/// f32 GFLOP/s of `threads` threads doing nothing but fused multiply-adds on registers, in the
/// instruction set in use; the best of a few bursts, `seconds` in all.
double machine_peak_gflops(int threads, double seconds);

}  // namespace gmlp
