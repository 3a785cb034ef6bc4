#include "models/baselines/feed_forward.h"

#include "autograd/ops.h"

namespace gmlp {

FeedForward::FeedForward(ParameterList& list, const std::string& norm_name,
                         const std::string& mlp_name, int64_t d_model, int64_t width,
                         int64_t hidden, bool over_tokens, double norm_eps)
    : norm(list, norm_name, d_model, norm_eps),
      fc1(list, mlp_name + "fc1.", {hidden, width}),
      fc2(list, mlp_name + "fc2.", {width, hidden}),
      over_tokens_(over_tokens) {}

Var FeedForward::forward(Tape& tape, Var x) const {
  Var z = norm(tape, x);
  if (over_tokens_) z = transpose_tokens(tape, z);
  z = fc2(tape, gelu(tape, fc1(tape, z)));
  if (over_tokens_) z = transpose_tokens(tape, z);
  return add(tape, x, z);
}

MixerBlock::MixerBlock(ParameterList& list, const std::string& prefix, const MixerConfig& config)
    : tokens_(list, prefix + "norm1.", prefix + "mlp_tokens.", config.d_model, config.tokens,
              config.spatial_ffn, true, config.norm_eps),
      channels_(list, prefix + "norm2.", prefix + "mlp_channels.", config.d_model, config.d_model,
                config.d_ffn, false, config.norm_eps) {}

}  // namespace gmlp
