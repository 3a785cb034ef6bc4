#pragma once
// One gMLP block as a single op, on the fused kernels. Parameters are f32, activations f32 or bf16
// (Tape::compute).

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

/// The block's ten parameters, named as in kernels/kernels.h.
struct FusedBlockParameters {
  Parameter* norm_weight;
  Parameter* norm_bias;
  Parameter* fc1_weight;
  Parameter* fc1_bias;
  Parameter* gate_norm_weight;
  Parameter* gate_norm_bias;
  Parameter* spatial_weight;  // (N, N), or (2N-1) Toeplitz
  Parameter* spatial_bias;
  Parameter* fc2_weight;
  Parameter* fc2_bias;
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
