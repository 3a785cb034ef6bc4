#pragma once
// The pre-norm Transformer block, the baseline of Table 3: x + attention(norm1(x)), then
// x + fc2(gelu(fc1(norm2(x)))).

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "models/baselines/feed_forward.h"

namespace gmlp {

struct TransformerConfig {
  int64_t tokens = 0;   // N
  int64_t d_model = 0;  // D
  int64_t d_ffn = 0;    // F
  int64_t heads = 0;    // H, a divisor of D
  bool content = true;  // q kᵀ in the scores; without it, weights depend on j - i alone
  bool relpos =
      false;  // a bias a head and distance, T5's form (Raffel et al. 2020) with no buckets
  bool causal = false;
  double norm_eps = 1e-6;

  int64_t parameter_count() const;
  /// Multiply-adds of the products, times two, of one sample's forward pass.
  double forward_flops() const;
};

class TransformerBlock {
 public:
  /// Parameters are named `prefix` + timm's names of a vision Transformer: norm1, attn.qkv,
  /// attn.proj, norm2, mlp.fc1, mlp.fc2; attn.v without content; attn.relpos (H, 2N-1).
  TransformerBlock(const TransformerConfig& config, const std::string& prefix, DType dtype,
                   uint64_t seed);

  /// x (B, N, D) -> (B, N, D): the two residual branches, in this order.
  Var mix_tokens(Tape& tape, Var x);
  Var mix_channels(Tape& tape, Var x) { return mlp_.forward(tape, x); }
  void collect(std::vector<Parameter*>& parameters);

 private:
  TransformerConfig config_;
  Parameter norm_weight_, norm_bias_;  // (D)
  Parameter in_weight_, in_bias_;      // qkv (3D, D), (3D); without content v (D, D), (D)
  Parameter relpos_;                   // (H, 2N-1)
  Parameter out_weight_, out_bias_;    // (D, D), (D)
  FeedForward mlp_;
};

}  // namespace gmlp
