#pragma once
// The pre-norm Transformer block, the baseline of Table 3: x + attention(norm1(x)), then
// x + fc2(gelu(fc1(norm2(x)))).

#include <cstdint>
#include <string>

#include "models/baselines/feed_forward.h"
#include "models/layers.h"

namespace gmlp {

struct TransformerConfig {
  int64_t tokens = 0;   // N
  int64_t d_model = 0;  // D
  int64_t d_ffn = 0;    // F
  int64_t heads = 0;    // H, a divisor of D
  bool content = true;  // q kᵀ in the scores; without it, weights depend on j - i alone
  bool relpos = false;  // a bias per head and distance (Raffel et al. 2020), without T5's buckets
  bool causal = false;
  double norm_eps = 1e-6;
};

class TransformerBlock {
 public:
  static constexpr int kBranches = 2;

  /// Parameters are named `prefix` + timm's names of a vision Transformer: norm1, attn.qkv,
  /// attn.proj, norm2, mlp.fc1, mlp.fc2; attn.v without content; attn.relpos (H, 2N-1).
  TransformerBlock(ParameterList& list, const std::string& prefix, const TransformerConfig& config);

  /// x (B, N, D) -> (B, N, D): one of the two residual branches.
  Var forward_branch(Tape& tape, Var x, int branch) const {
    return branch == 0 ? mix_tokens(tape, x) : layers_.mlp.forward(tape, x);
  }

  struct Layers {
    LayerNorm norm;     // D
    Linear in;          // qkv (3D, D); without content v (D, D)
    Parameter* relpos;  // (H, 2N-1), or nullptr
    Linear out;         // (D, D)
    FeedForward mlp;
  };
  const Layers& layers() const { return layers_; }
  const TransformerConfig& config() const { return config_; }

 private:
  Var mix_tokens(Tape& tape, Var x) const;

  TransformerConfig config_;
  Layers layers_;
};

}  // namespace gmlp
