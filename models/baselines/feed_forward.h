#pragma once
// The residual MLP of the baselines: x + fc2(gelu(fc1(norm(x)))), over channels, or over tokens.

#include <cstdint>
#include <string>

#include "models/layers.h"

namespace gmlp {

class FeedForward {
 public:
  /// The MLP maps `width` numbers to `hidden` and back: the D channels of a token, or, with
  /// `over_tokens`, the N tokens of a channel. The norm is over the D channels in both. Parameters
  /// are named `norm` + "weight", `mlp` + "fc1.weight", ...
  FeedForward(ParameterList& list, const std::string& norm, const std::string& mlp, int64_t d_model,
              int64_t width, int64_t hidden, bool over_tokens, double norm_eps);

  /// x (B, N, D) -> (B, N, D).
  Var forward(Tape& tape, Var x) const;

  LayerNorm norm;  // D
  Linear fc1;      // (hidden, width)
  Linear fc2;      // (width, hidden)

 private:
  bool over_tokens_;
};

/// The MLP-Mixer block (Tolstikhin et al. 2021): a FeedForward over tokens, then one over channels.
struct MixerConfig {
  int64_t tokens = 0;       // N
  int64_t d_model = 0;      // D
  int64_t spatial_ffn = 0;  // S, the width of the MLP over tokens
  int64_t d_ffn = 0;        // F, of the MLP over channels
  double norm_eps = 1e-6;
};

class MixerBlock {
 public:
  static constexpr int kBranches = 2;

  /// Parameters are named `prefix` + timm's names: norm1, mlp_tokens, norm2, mlp_channels.
  MixerBlock(ParameterList& list, const std::string& prefix, const MixerConfig& config);

  /// x (B, N, D) -> (B, N, D): one of the two residual branches.
  Var forward_branch(Tape& tape, Var x, int branch) const {
    return branch == 0 ? tokens_.forward(tape, x) : channels_.forward(tape, x);
  }

 private:
  FeedForward tokens_;
  FeedForward channels_;
};

}  // namespace gmlp
