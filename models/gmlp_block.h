#pragma once
// The gMLP block (paper, section 2, Figure 1), on x (B, N, D):
//
//   y = x + fc2(u * (W norm(v) + b)),   (u, v) = halves of z,   z = gelu(fc1(norm(x)))
//
//   z (B, N, F)   u, v (B, N, E)   W (N, N)   b (N)   E = F / 2 for the split gate, else F
//
// Written twice on purpose: composed from primitive ops, and as one fused op. Tests hold them
// equal.

#include <cstdint>
#include <string>
#include <vector>

#include "models/layers.h"

namespace gmlp {

inline const Choices<Gate> kGates{
    "--gate", "gate", {"split", "multiplicative", "additive", "linear"}};

struct BlockConfig {
  int64_t tokens = 0;   // N
  int64_t d_model = 0;  // D
  int64_t d_ffn = 0;    // F, before the split
  Gate gate = Gate::kSplit;
  bool toeplitz = false;
  bool causal = false;
  int64_t d_attn = 0;              // A of the tiny attention (aMLP); 0 is off
  double norm_eps = 1e-6;          // timm's
  double gate_eps = 1e-5;          // timm's
  double spatial_init_std = 1e-6;  // timm's; "near-zero", section 2.1

  bool operator==(const BlockConfig&) const = default;
  double forward_flops() const;  // of one sample: 2 x the multiply-adds of the matrix products
  int64_t gate_width() const { return gate == Gate::kSplit ? d_ffn / 2 : d_ffn; }  // E
};

class GmlpBlock {
 public:
  /// Adds its parameters to `list`: `prefix` + timm's names, in timm's order.
  GmlpBlock(ParameterList& list, const std::string& prefix, const BlockConfig& config);

  /// x (B, N, D) -> (B, N, D). `drop_scales` (B, or empty) are stochastic depth's. Fused, if the
  /// tape's backend is and no `mixer` replaces the projection.
  Var forward(Tape& tape, Var x, const std::vector<double>& drop_scales,
              const TokenMixer& mixer = {}) const;
  /// The same on primitive ops; `mixer` may replace those that mix tokens.
  Var forward_composed(Tape& tape, Var x, const std::vector<double>& drop_scales,
                       const TokenMixer& mixer = {}) const;

  /// The next forward that records nothing packs the weights into `arena`, which takes as much
  /// memory again, and later ones reuse them. A forward that records (training) makes the next one
  /// pack anew; after any other change of the weights, call this again. The arena must outlive the
  /// block.
  void prepack_weights(Arena& arena) {
    packed_.arena = &arena;
    packed_.is_stale = true;
  }

  struct Layers {
    LayerNorm norm;                            // D
    Linear fc1;                                // (F, D)
    LayerNorm gate_norm;                       // E
    fused::WeightAndBias<Parameter*> spatial;  // (N, N) or (2N-1), (N)
    Linear qkv, attn_out;                      // (3A, D), (E, A); aMLP only
    Linear fc2;                                // (D, E)
  };
  const Layers& layers() const { return layers_; }
  const BlockConfig& config() const { return config_; }

 private:
  Var forward_fused(Tape& tape, Var x, const std::vector<double>& drop_scales) const;
  /// (B, N, D) -> (B, N, E), section 4.3.
  Var tiny_attention(Tape& tape, Var x, const TokenMixer& mixer) const;

  BlockConfig config_;
  Layers layers_;
  mutable PackedWeights packed_;  // a cache
};

}  // namespace gmlp
