#include "models/baselines/transformer_block.h"

#include "autograd/ops.h"

namespace gmlp {

namespace {

TransformerBlock::Layers make_layers(ParameterList& list, const std::string& prefix,
                                     const TransformerConfig& config) {
  const int64_t d = config.d_model;
  // Braces evaluate in order, which is the order of the parameters.
  return {.norm = LayerNorm(list, prefix + "norm1.", d, config.norm_eps),
          .in = config.content ? Linear(list, prefix + "attn.qkv.", {3 * d, d})
                               : Linear(list, prefix + "attn.v.", {d, d}),
          .relpos = config.relpos ? list.add(prefix + "attn.relpos",
                                             {config.heads, 2 * config.tokens - 1}, Init::kZeros)
                                  : nullptr,
          .out = Linear(list, prefix + "attn.proj.", {d, d}),
          .mlp = FeedForward(list, prefix + "norm2.", prefix + "mlp.", d, d, config.d_ffn, false,
                             config.norm_eps)};
}

}  // namespace

TransformerBlock::TransformerBlock(ParameterList& list, const std::string& prefix,
                                   const TransformerConfig& config)
    : config_(config), layers_(make_layers(list, prefix, config)) {}

Var TransformerBlock::mix_tokens(Tape& tape, Var x) const {
  Var z = layers_.in(tape, layers_.norm(tape, x));
  z = config_.content ? head_attention(tape, z, layers_.relpos, config_.heads, config_.causal)
                      : position_attention(tape, z, *layers_.relpos, config_.causal);
  return add(tape, x, layers_.out(tape, z));
}

}  // namespace gmlp
