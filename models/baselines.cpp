#include "models/baselines.h"

namespace gmlp {

namespace {

Var add_branch(Tape& tape, Var shortcut, Var branch, const std::vector<double>& drop_scales) {
  if (!drop_scales.empty()) branch = drop_path(tape, branch, drop_scales);
  return add(tape, shortcut, branch);
}

}  // namespace

FeedForward::FeedForward(ParameterList& list, const std::string& norm, const std::string& mlp,
                         const BlockConfig& config, int64_t width, int64_t hidden, bool over_tokens)
    : norm_(list, norm, config.d_model, config.norm_eps),
      fc1_(list, mlp + "fc1.", {hidden, width}),
      fc2_(list, mlp + "fc2.", {width, hidden}),
      over_tokens_(over_tokens) {}

Var FeedForward::forward(Tape& tape, Var x, const std::vector<double>& drop_scales) const {
  Var z = norm_(tape, x);
  if (over_tokens_) z = transpose_tokens(tape, z);
  z = fc2_(tape, gelu(tape, fc1_(tape, z)));
  if (over_tokens_) z = transpose_tokens(tape, z);
  return add_branch(tape, x, z, drop_scales);
}

MixerBlock::MixerBlock(ParameterList& list, const std::string& prefix, const BlockConfig& config,
                       int64_t spatial_ffn)
    : tokens_(list, prefix + "norm1.", prefix + "mlp_tokens.", config, config.tokens, spatial_ffn,
              true),
      channels_(list, prefix + "norm2.", prefix + "mlp_channels.", config, config.d_model,
                config.d_ffn, false) {}

// Members are initialized in the order of their parameters in the list.
TransformerBlock::TransformerBlock(ParameterList& list, const std::string& prefix,
                                   const BlockConfig& config, const AttentionConfig& attention)
    : attention_(attention),
      causal_(config.causal),
      norm_(list, prefix + "norm1.", config.d_model, config.norm_eps),
      in_(list, prefix + (attention.content ? "attn.qkv." : "attn.v."),
          {(attention.content ? 3 : 1) * config.d_model, config.d_model}),
      relpos_(attention.relpos ? list.add(prefix + "attn.relpos",
                                          {attention.heads, 2 * config.tokens - 1}, Init::kZeros)
                               : nullptr),
      out_(list, prefix + "attn.proj.", {config.d_model, config.d_model}),
      mlp_(list, prefix + "norm2.", prefix + "mlp.", config, config.d_model, config.d_ffn, false) {}

Var TransformerBlock::mix_tokens(Tape& tape, Var x, const std::vector<double>& drop_scales,
                                 const TokenMixer& mixer) const {
  Var z = in_(tape, norm_(tape, x));
  if (mixer.attend) {
    z = mixer.attend(z, relpos_, attention_.heads);
  } else if (attention_.content) {
    z = head_attention(tape, z, relpos_, attention_.heads, causal_);
  } else {
    z = position_attention(tape, z, *relpos_, causal_);
  }
  return add_branch(tape, x, out_(tape, z), drop_scales);
}

Block make_block(ParameterList& list, const std::string& prefix, Arch arch,
                 const BlockConfig& config, int64_t heads, int64_t spatial_ffn) {
  if (arch == Arch::kGmlp) return GmlpBlock(list, prefix, config);
  if (arch == Arch::kMixer) return MixerBlock(list, prefix, config, spatial_ffn);
  return TransformerBlock(list, prefix, config,
                          {heads, arch != Arch::kRelposOnly, arch != Arch::kTransformer});
}

void prepack_weights(std::vector<Block>& blocks, Arena& arena) {
  for (Block& block : blocks) {
    if (GmlpBlock* gmlp = std::get_if<GmlpBlock>(&block)) gmlp->prepack_weights(arena);
  }
}

}  // namespace gmlp
