#include "models/baselines/transformer_block.h"

#include "autograd/ops.h"
#include "models/initialise.h"

namespace gmlp {

int64_t TransformerConfig::parameter_count() const {
  const int64_t norms = 4 * d_model;
  const int64_t projections = (content ? 4 : 2) * d_model * (d_model + 1);  // q, k, v and out
  const int64_t bias = relpos ? heads * (2 * tokens - 1) : 0;
  return norms + projections + bias + 2 * d_model * d_ffn + d_ffn + d_model;
}

double TransformerConfig::forward_flops() const {
  const double n = static_cast<double>(tokens);
  const double d = static_cast<double>(d_model);
  const double projections = (content ? 4 : 2) * n * d * d;
  const double attention = (content ? 2 : 1) * n * n * d;
  return 2 * (projections + attention + 2 * n * d * static_cast<double>(d_ffn));
}

TransformerBlock::TransformerBlock(const TransformerConfig& config, const std::string& prefix,
                                   DType dtype, uint64_t seed)
    : config_(config),
      mlp_(config.d_model, config.d_model, config.d_ffn, false, config.norm_eps,
           {prefix + "norm2.", prefix + "mlp."}, dtype, seed) {
  const int64_t d = config.d_model;
  const auto make = [&](const std::string& name, const Shape& shape, Init init) {
    return make_parameter(prefix + name, shape, dtype, seed, init);
  };
  norm_weight_ = make("norm1.weight", {d}, Init::kOnes);
  norm_bias_ = make("norm1.bias", {d}, Init::kZeros);
  const int64_t columns = config.content ? 3 * d : d;
  const std::string in = config.content ? "attn.qkv." : "attn.v.";
  in_weight_ = make(in + "weight", {columns, d}, Init::kXavierUniform);
  in_bias_ = make(in + "bias", {columns}, Init::kZeros);
  if (config.relpos) {
    relpos_ = make("attn.relpos", {config.heads, 2 * config.tokens - 1}, Init::kZeros);
  }
  out_weight_ = make("attn.proj.weight", {d, d}, Init::kXavierUniform);
  out_bias_ = make("attn.proj.bias", {d}, Init::kZeros);
}

Var TransformerBlock::mix_tokens(Tape& tape, Var x) {
  Var z = layernorm(tape, x, norm_weight_, norm_bias_, config_.norm_eps);
  z = linear(tape, z, in_weight_, &in_bias_);
  if (config_.content) {
    Parameter* const bias = config_.relpos ? &relpos_ : nullptr;
    z = head_attention(tape, z, bias, config_.heads, config_.causal);
  } else {
    z = position_attention(tape, z, relpos_, config_.causal);
  }
  return add(tape, x, linear(tape, z, out_weight_, &out_bias_));
}

void TransformerBlock::collect(std::vector<Parameter*>& parameters) {
  for (Parameter* parameter :
       {&norm_weight_, &norm_bias_, &in_weight_, &in_bias_, &relpos_, &out_weight_, &out_bias_}) {
    if (parameter->value.defined()) parameters.push_back(parameter);
  }
  mlp_.collect(parameters);
}

}  // namespace gmlp
