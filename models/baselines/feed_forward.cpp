#include "models/baselines/feed_forward.h"

#include "autograd/ops.h"
#include "models/initialise.h"

namespace gmlp {

FeedForward::FeedForward(int64_t d_model, int64_t width, int64_t hidden, bool over_tokens,
                         double norm_eps, const FeedForwardNames& names, DType dtype, uint64_t seed)
    : over_tokens_(over_tokens), norm_eps_(norm_eps) {
  const auto make = [&](const std::string& name, const Shape& shape, Init init) {
    return make_parameter(name, shape, dtype, seed, init);
  };
  norm_weight_ = make(names.norm + "weight", {d_model}, Init::kOnes);
  norm_bias_ = make(names.norm + "bias", {d_model}, Init::kZeros);
  fc1_weight_ = make(names.mlp + "fc1.weight", {hidden, width}, Init::kXavierUniform);
  fc1_bias_ = make(names.mlp + "fc1.bias", {hidden}, Init::kZeros);
  fc2_weight_ = make(names.mlp + "fc2.weight", {width, hidden}, Init::kXavierUniform);
  fc2_bias_ = make(names.mlp + "fc2.bias", {width}, Init::kZeros);
}

Var FeedForward::forward(Tape& tape, Var x) {
  Var z = layernorm(tape, x, norm_weight_, norm_bias_, norm_eps_);
  if (over_tokens_) z = transpose_tokens(tape, z);
  z = gelu(tape, linear(tape, z, fc1_weight_, &fc1_bias_));
  z = linear(tape, z, fc2_weight_, &fc2_bias_);
  if (over_tokens_) z = transpose_tokens(tape, z);
  return add(tape, x, z);
}

void FeedForward::collect(std::vector<Parameter*>& parameters) {
  for (Parameter* parameter :
       {&norm_weight_, &norm_bias_, &fc1_weight_, &fc1_bias_, &fc2_weight_, &fc2_bias_}) {
    parameters.push_back(parameter);
  }
}

}  // namespace gmlp
