#pragma once
// The gMLP block (paper, section 2): x + fc2(SGU(gelu(fc1(norm(x))))). Written twice on purpose:
// composed from primitive ops, and as one fused op. Tests hold them equal.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "autograd/fused_block.h"
#include "autograd/tape.h"
#include "kernels/kernels.h"

namespace gmlp {

Gate gate_from_name(
    const std::string& name);  ///< split, multiplicative, additive, linear; or InputError
const char* gate_name(Gate gate);

struct BlockConfig {
  int64_t tokens = 0;   // N
  int64_t d_model = 0;  // D
  int64_t d_ffn = 0;    // F, before the split
  Gate gate = Gate::kSplit;
  bool toeplitz = false;
  bool causal = false;
  int64_t d_attn = 0;              // tiny attention (aMLP); 0 is off
  double norm_eps = 1e-6;          // timm's
  double gate_eps = 1e-5;          // timm's
  double spatial_init_std = 1e-6;  // timm's; "near-zero", section 2.1

  int64_t gate_width() const { return gate == Gate::kSplit ? d_ffn / 2 : d_ffn; }  // E
  int64_t parameter_count() const;
  /// Multiply-adds of the GEMMs, times two, of one sample's forward pass.
  double forward_flops() const;
};

class GmlpBlock {
 public:
  /// Parameters are named `prefix` + timm's names, in timm's order, of `dtype`, initialised from
  /// (seed, name).
  GmlpBlock(const BlockConfig& config, const std::string& prefix, DType dtype, uint64_t seed);

  /// x (B, N, D) -> (B, N, D). `drop_scales` (B, or empty) are stochastic depth's.
  Var forward(Tape& tape, Var x, const std::vector<double>& drop_scales);
  void collect(std::vector<Parameter*>& parameters);
  /// The weights will not change any more: from the next forward on that records nothing they are
  /// kept packed in `room`, as large again, which must outlive the block.
  void prepack_weights(Arena& room) { packed_.room = &room; }
  const BlockConfig& config() const { return config_; }

 private:
  Var forward_composed(Tape& tape, Var x, const std::vector<double>& drop_scales);
  Var forward_fused(Tape& tape, Var x, const std::vector<double>& drop_scales);
  Var tiny_attention(Tape& tape, Var x);  // (B, N, D) -> (B, N, E), section 4.3

  BlockConfig config_;
  PackedBlock packed_;
  Parameter norm_weight_, norm_bias_;            // (D)
  Parameter fc1_weight_, fc1_bias_;              // (F, D), (F)
  Parameter gate_norm_weight_, gate_norm_bias_;  // (E)
  Parameter spatial_weight_, spatial_bias_;      // (N, N) or (2N-1), (N)
  Parameter qkv_weight_, qkv_bias_;              // (3A, D), (3A)
  Parameter out_weight_, out_bias_;              // (E, A), (E)
  Parameter fc2_weight_, fc2_bias_;              // (D, E), (D)
};

}  // namespace gmlp
