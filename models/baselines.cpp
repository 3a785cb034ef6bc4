#include "models/baselines.h"

#include <cmath>
#include <string>

namespace gmlp {

namespace {

using Scales = std::vector<double>;

/// The last layer of a branch starts near zero, as in GPT-2, so that training begins with the
/// tokens themselves: Xavier's branches would hide embeddings of standard deviation 0.02.
double last_std(int64_t depth) {
  return 0.02 / std::sqrt(2 * static_cast<double>(depth));
}

Var add_branch(Tape& tape, Var shortcut, Var branch, const Scales& drop_scales) {
  if (!drop_scales.empty()) branch = drop_path(tape, branch, drop_scales);
  return add(tape, shortcut, branch);
}

/// x + mlp(norm(x)), over the D channels of a token or over the N tokens of a channel. The norm is
/// over the channels in both. The MLP maps `width` numbers to `hidden` and back.
Branch feed_forward(ParameterList& list, const std::string& norm_name, const std::string& mlp_name,
                    int64_t width, int64_t hidden, const BlockConfig& config, bool over_tokens,
                    int64_t depth) {
  const LayerNorm norm(list, norm_name, config.d_model, config.norm_eps);
  const Linear fc1(list, mlp_name + "fc1.", {hidden, width});
  const Linear fc2(list, mlp_name + "fc2.", {width, hidden}, Init::kNormal, last_std(depth));
  return [=](Tape& tape, Var x, const Scales& drop_scales, const TokenMixer&) {
    Var z = norm(tape, x);
    if (over_tokens) z = transpose_tokens(tape, z);
    z = fc2.in_block(tape, gelu(tape, fc1.in_block(tape, z)));
    if (over_tokens) z = transpose_tokens(tape, z);
    return add_branch(tape, x, z, drop_scales);
  };
}

/// x + proj(attention(qkv(norm1(x)))), where attention without content has no q and k.
Branch attention(ParameterList& list, const std::string& prefix, const BlockConfig& config,
                 Arch arch, int64_t heads, int64_t depth) {
  const int64_t d = config.d_model;
  const bool causal = config.causal;
  const bool content = arch != Arch::kRelposOnly;
  const LayerNorm norm(list, prefix + "norm1.", d, config.norm_eps);
  const Linear in(list, prefix + (content ? "attn.qkv." : "attn.v."), {(content ? 3 : 1) * d, d});
  Parameter* relpos = nullptr;  // (H, 2N-1)
  if (arch != Arch::kTransformer) {
    relpos = list.add(prefix + "attn.relpos", {heads, 2 * config.tokens - 1}, Init::kZeros);
  }
  const Linear out(list, prefix + "attn.proj.", {d, d}, Init::kNormal, last_std(depth));
  return [=](Tape& tape, Var x, const Scales& drop_scales, const TokenMixer& mixer) {
    Var z = in.in_block(tape, norm(tape, x));
    z = mixer.attend ? mixer.attend(z, relpos, heads)
                     : head_attention(tape, z, relpos, heads, causal, content);
    return add_branch(tape, x, out.in_block(tape, z), drop_scales);
  };
}

}  // namespace

std::vector<Block> make_blocks(ParameterList& list, Arch arch, int64_t depth,
                               const BlockConfig& config, int64_t heads, int64_t spatial_ffn) {
  std::vector<Block> blocks;
  for (int64_t i = 0; i < depth; ++i) {
    const std::string prefix = "blocks." + std::to_string(i) + ".";
    const auto channels = [&](const char* mlp) {
      return feed_forward(list, prefix + "norm2.", prefix + mlp, config.d_model, config.d_ffn,
                          config, false, depth);
    };
    Block& block = blocks.emplace_back();
    if (arch == Arch::kGmlp) {
      block.gmlp = std::make_shared<GmlpBlock>(list, prefix, config);
      block.branches = {[gmlp = block.gmlp](auto&&... args) { return gmlp->forward(args...); }};
    } else if (arch == Arch::kMixer) {
      block.branches.push_back(feed_forward(list, prefix + "norm1.", prefix + "mlp_tokens.",
                                            config.tokens, spatial_ffn, config, true, depth));
      block.branches.push_back(channels("mlp_channels."));
    } else {
      block.branches.push_back(attention(list, prefix, config, arch, heads, depth));
      block.branches.push_back(channels("mlp."));
    }
  }
  return blocks;
}

}  // namespace gmlp
