#pragma once
// The MLP-Mixer block (Tolstikhin et al. 2021), a baseline of Table 3: an MLP over tokens, then one
// over channels, each x + fc2(gelu(fc1(norm(x)))).

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "models/baselines/feed_forward.h"

namespace gmlp {

struct MixerConfig {
  int64_t tokens = 0;       // N
  int64_t d_model = 0;      // D
  int64_t spatial_ffn = 0;  // S, the width of the MLP over tokens
  int64_t d_ffn = 0;        // F, of the MLP over channels
  double norm_eps = 1e-6;

  int64_t parameter_count() const;
  /// Multiply-adds of the products, times two, of one sample's forward pass.
  double forward_flops() const;
};

class MixerBlock {
 public:
  /// Parameters are named `prefix` + timm's names: norm1, mlp_tokens, norm2, mlp_channels.
  MixerBlock(const MixerConfig& config, const std::string& prefix, DType dtype, uint64_t seed);

  /// x (B, N, D) -> (B, N, D): the two residual branches, in this order.
  Var mix_tokens(Tape& tape, Var x) { return tokens_.forward(tape, x); }
  Var mix_channels(Tape& tape, Var x) { return channels_.forward(tape, x); }
  void collect(std::vector<Parameter*>& parameters);

 private:
  FeedForward tokens_;
  FeedForward channels_;
};

}  // namespace gmlp
