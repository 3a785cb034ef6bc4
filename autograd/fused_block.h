#pragma once
// One gMLP block as a single op on the fused kernels, in f32 or bf16 (ExecutionOptions::precision).
//
//   forward    z = gelu(fc1(norm(x)))      (u, v) = halves of z      t = W norm(v)
//              y = x + drop * fc2(u * (t + b + extra))
//              x, y (B, N, D)   z (B, N, F)   u, v, t (B, N, E)   W (N, N)   b (N)
//   backward   dx, dextra, and the gradients of the ten parameters, last stage first
//   saved      z before GELU, t, and the mean and rstd of both norms: R (F + E) numbers in
//              `precision` and 4 R in f32, R = B N. With checkpointing none: the backward first
//              runs the forward again.

#include <vector>

#include "autograd/tape.h"
#include "kernels/kernels.h"

namespace gmlp {

/// Packed weights that outlive a call. The first forward that records nothing fills them.
struct PackedWeights {
  Arena* arena = nullptr;  // nullptr: weights change, and each forward packs them anew
  void* data = nullptr;    // nullptr: not packed yet
  fused::Precision precision = fused::Precision::kF32;
};

struct FusedBlockParameters {
  fused::BlockWeights<Parameter*> weights;  // the spatial one (N, N), or (2N-1) if Toeplitz
  double norm_eps;
  double gate_eps;
  Gate gate;
  bool causal;
  PackedWeights* packed;
};

/// drop_scales (B) or empty: stochastic depth's. gate_extra (B, N, E), which may be undefined, is
/// added to the gate: the tiny attention's output.
Var fused_block(Tape& tape, Var x, const FusedBlockParameters& parameters,
                const std::vector<double>& drop_scales, Var gate_extra);

}  // namespace gmlp
