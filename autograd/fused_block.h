#pragma once
// The gMLP block as a single op: y = x + drop * fc2(u * (W norm(v) + b + extra)), where (u, v) are
// the halves of gelu(fc1(norm(x))).

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

/// x (B, N, D) -> (B, N, D). drop_scales (B) or empty: stochastic depth's. gate_extra (B, N, E) may
/// be undefined: the tiny attention's output.
Var fused_block(Tape& tape, Var x, const FusedBlockParameters& parameters,
                const std::vector<double>& drop_scales, Var gate_extra);

}  // namespace gmlp
