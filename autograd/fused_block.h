#pragma once
// One gMLP block as a single op, on the fused kernels. Parameters are f32, activations f32 or bf16
// (Tape::execution).

#include <vector>

#include "autograd/tape.h"

namespace gmlp {

/// Where weights that do not change any more are kept, packed by the first forward that records
/// nothing.
struct PackedBlock {
  Arena* room = nullptr;  // nullptr: weights change, and are packed anew by each forward
  void* data = nullptr;   // nullptr: not packed yet
  fused::Precision precision = fused::Precision::kF32;
};

/// The block's parameters and constants.
struct FusedBlockParameters {
  fused::BlockWeights<Parameter*> weights;  // the spatial one (N, N), or (2N-1) if Toeplitz
  double norm_eps;
  double gate_eps;
  Gate gate;
  bool causal;
  PackedBlock* packed;
};

/// x (B, N, D) -> x + drop_scales * fc2(SGU(gelu(fc1(norm(x))))); drop_scales (B) or empty;
/// gate_extra (B, N, E), if defined, is added to the gate.
Var fused_block(Tape& tape, Var x, const FusedBlockParameters& parameters,
                const std::vector<double>& drop_scales, Var gate_extra);

}  // namespace gmlp
