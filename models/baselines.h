#pragma once
// The blocks that the paper compares gMLP with (Tables 2 and 3), on x (B, N, D), in pre-norm form:
//
//   Transformer   x + proj(attention(qkv(norm1(x)))), then x + mlp(norm2(x))
//   MLP-Mixer     x + mlp over tokens(norm1(x)), then x + mlp over channels(norm2(x))
//   mlp(x) = fc2(gelu(fc1(x)))
//
// Of their BlockConfig they use tokens, d_model, d_ffn, causal and norm_eps. Parameters are named
// `prefix` + timm's names.

#include <cstdint>
#include <string>
#include <variant>

#include "models/gmlp_block.h"

namespace gmlp {

/// x + mlp(norm(x)), over the D channels of a token or over the N tokens of a channel.
class FeedForward {
 public:
  /// The MLP maps `width` numbers to `hidden` and back. The norm is over the channels in both.
  /// Parameters are named `norm` + "weight", `mlp` + "fc1.weight", ...
  FeedForward(ParameterList& list, const std::string& norm, const std::string& mlp,
              const BlockConfig& config, int64_t width, int64_t hidden, bool over_tokens);
  Var forward(Tape& tape, Var x, const std::vector<double>& drop_scales) const;

 private:
  LayerNorm norm_;  // D
  Linear fc1_;      // (hidden, width)
  Linear fc2_;      // (width, hidden)
  bool over_tokens_;
};

/// Tolstikhin et al. 2021. `spatial_ffn` is S, the width of the MLP over tokens.
class MixerBlock {
 public:
  static constexpr int kBranches = 2;
  MixerBlock(ParameterList& list, const std::string& prefix, const BlockConfig& config,
             int64_t spatial_ffn);
  /// One of the two residual branches. `drop_scales` (B, or empty) are stochastic depth's.
  Var forward_branch(Tape& tape, Var x, int branch, const std::vector<double>& drop_scales = {},
                     const TokenMixer& = {}) const {
    return (branch == 0 ? tokens_ : channels_).forward(tape, x, drop_scales);
  }

 private:
  FeedForward tokens_;
  FeedForward channels_;
};

struct AttentionConfig {
  int64_t heads = 0;    // H, a divisor of D
  bool content = true;  // q kᵀ in the scores; without it, weights depend on j - i alone
  bool relpos = false;  // a bias per head and distance (Raffel et al. 2020), without T5's buckets
};

class TransformerBlock {
 public:
  static constexpr int kBranches = 2;
  TransformerBlock(ParameterList& list, const std::string& prefix, const BlockConfig& config,
                   const AttentionConfig& attention);
  /// As MixerBlock's.
  Var forward_branch(Tape& tape, Var x, int branch, const std::vector<double>& drop_scales = {},
                     const TokenMixer& mixer = {}) const {
    return branch == 0 ? mix_tokens(tape, x, drop_scales, mixer)
                       : mlp_.forward(tape, x, drop_scales);
  }

 private:
  Var mix_tokens(Tape& tape, Var x, const std::vector<double>& drop_scales,
                 const TokenMixer& mixer) const;

  AttentionConfig attention_;
  bool causal_;
  LayerNorm norm_;     // D
  Linear in_;          // qkv (3D, D); without content v (D, D)
  Parameter* relpos_;  // (H, 2N-1), or nullptr
  Linear out_;         // (D, D)
  FeedForward mlp_;
};

/// What the blocks of a model are. The Transformers have learned absolute positions.
enum class Arch : uint8_t {
  kGmlp,               // with block.d_attn > 0 aMLP
  kTransformer,        // BERT's encoder in pre-norm form; for images ViT
  kMixer,              // MLP-Mixer
  kTransformerRelpos,  // the Transformer with a bias per head and distance in the scores
  kRelposOnly          // that bias alone in the scores: no q and k
};

using Block = std::variant<GmlpBlock, TransformerBlock, MixerBlock>;
/// `heads` are a Transformer's, `spatial_ffn` a Mixer's.
Block make_block(ParameterList& list, const std::string& prefix, Arch arch,
                 const BlockConfig& config, int64_t heads, int64_t spatial_ffn);
/// Calls body(block, index, branch) for each residual branch of each block, in order.
template <typename Body>
void for_each_branch(const std::vector<Block>& blocks, const Body& body) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto run_branches = [&](const auto& block) {
      for (int branch = 0; branch < block.kBranches; ++branch) body(block, i, branch);
    };
    std::visit(run_branches, blocks[i]);
  }
}
/// As GmlpBlock::prepack_weights(), for the gMLP blocks among them.
void prepack_weights(std::vector<Block>& blocks, Arena& arena);

}  // namespace gmlp
