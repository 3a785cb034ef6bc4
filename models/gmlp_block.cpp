#include "models/gmlp_block.h"

#include "autograd/ops.h"
#include "core/error.h"
#include "models/initialise.h"

namespace gmlp {

Gate gate_from_name(const std::string& name) {
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    if (name == gate_name(gate)) return gate;
  }
  fail_input("--gate {}: no such gate; use split, multiplicative, additive or linear", name);
}

const char* gate_name(Gate gate) {
  switch (gate) {
    case Gate::kSplit:
      return "split";
    case Gate::kMultiplicative:
      return "multiplicative";
    case Gate::kAdditive:
      return "additive";
    case Gate::kLinear:
      return "linear";
  }
  return "?";
}

int64_t BlockConfig::parameter_count() const {
  const int64_t width = gate_width();
  const int64_t spatial = toeplitz ? 2 * tokens - 1 : tokens * tokens;
  const int64_t attention = d_attn == 0 ? 0 : 3 * d_attn * (d_model + 1) + width * (d_attn + 1);
  return 2 * d_model                           // norm
         + d_ffn * (d_model + 1)               // fc1
         + 2 * width + spatial + tokens        // gate
         + attention + d_model * (width + 1);  // fc2
}

double BlockConfig::forward_flops() const {
  const double n = static_cast<double>(tokens);
  const double d = static_cast<double>(d_model);
  const double e = static_cast<double>(gate_width());
  const double a = static_cast<double>(d_attn);
  const double projections = n * d * static_cast<double>(d_ffn) + n * e * d;
  const double spatial = n * n * e;
  const double attention = n * d * 3 * a + 2 * n * n * a + n * a * e;
  return 2 * (projections + spatial + attention);
}

GmlpBlock::GmlpBlock(const BlockConfig& config, const std::string& prefix, DType dtype,
                     uint64_t seed)
    : config_(config) {
  const int64_t d = config.d_model;
  const int64_t f = config.d_ffn;
  const int64_t e = config.gate_width();
  const int64_t n = config.tokens;
  const int64_t a = config.d_attn;
  const auto make = [&](const char* name, const Shape& shape, Init init, double std = 0) {
    return make_parameter(prefix + name, shape, dtype, seed, init, std);
  };
  norm_weight_ = make("norm.weight", {d}, Init::kOnes);
  norm_bias_ = make("norm.bias", {d}, Init::kZeros);
  fc1_weight_ = make("mlp_channels.fc1.weight", {f, d}, Init::kXavierUniform);
  fc1_bias_ = make("mlp_channels.fc1.bias", {f}, Init::kZeros);
  gate_norm_weight_ = make("mlp_channels.gate.norm.weight", {e}, Init::kOnes);
  gate_norm_bias_ = make("mlp_channels.gate.norm.bias", {e}, Init::kZeros);
  // W near zero and b = 1: every block starts as a plain feed-forward block (paper, section 2.1).
  const Shape spatial = config.toeplitz ? Shape({2 * n - 1}) : Shape({n, n});
  spatial_weight_ =
      make("mlp_channels.gate.proj.weight", spatial, Init::kNormal, config.spatial_init_std);
  spatial_bias_ = make("mlp_channels.gate.proj.bias", {n}, Init::kOnes);
  if (a > 0) {
    qkv_weight_ = make("mlp_channels.attn.qkv.weight", {3 * a, d}, Init::kXavierUniform);
    qkv_bias_ = make("mlp_channels.attn.qkv.bias", {3 * a}, Init::kZeros);
    out_weight_ = make("mlp_channels.attn.out.weight", {e, a}, Init::kXavierUniform);
    out_bias_ = make("mlp_channels.attn.out.bias", {e}, Init::kZeros);
  }
  fc2_weight_ = make("mlp_channels.fc2.weight", {d, e}, Init::kXavierUniform);
  fc2_bias_ = make("mlp_channels.fc2.bias", {d}, Init::kZeros);
}

Var GmlpBlock::forward(Tape& tape, Var x, const std::vector<double>& drop_scales) {
  const bool fused = tape.backend() == Backend::kFused && norm_weight_.value.dtype() == DType::kF32;
  return fused ? forward_fused(tape, x, drop_scales) : forward_composed(tape, x, drop_scales);
}

// The paper's pseudo-code, line for line.
Var GmlpBlock::forward_composed(Tape& tape, Var x, const std::vector<double>& drop_scales) {
  const Var shortcut = x;
  x = layernorm(tape, x, norm_weight_, norm_bias_, config_.norm_eps);
  Var z = gelu(tape, linear(tape, x, fc1_weight_, &fc1_bias_));

  const bool split = config_.gate == Gate::kSplit;
  const Var u = split ? split_half(tape, z, false) : z;  // the bypass
  Var v = split ? split_half(tape, z, true) : z;         // what is projected over tokens
  v = layernorm(tape, v, gate_norm_weight_, gate_norm_bias_, config_.gate_eps);
  v = spatial_project(tape, v, spatial_weight_, spatial_bias_, config_.causal);
  if (config_.d_attn > 0) v = add(tape, v, tiny_attention(tape, x));
  switch (config_.gate) {
    case Gate::kSplit:
    case Gate::kMultiplicative:
      z = multiply(tape, u, v);
      break;
    case Gate::kAdditive:
      z = add(tape, u, v);
      break;
    case Gate::kLinear:
      z = v;
      break;
  }

  z = linear(tape, z, fc2_weight_, &fc2_bias_);
  if (!drop_scales.empty()) z = drop_path(tape, z, drop_scales);
  return add(tape, shortcut, z);
}

Var GmlpBlock::tiny_attention(Tape& tape, Var x) {
  const Var qkv = linear(tape, x, qkv_weight_, &qkv_bias_);
  return linear(tape, attention(tape, qkv, config_.causal), out_weight_, &out_bias_);
}

Var GmlpBlock::forward_fused(Tape& tape, Var x, const std::vector<double>& drop_scales) {
  const FusedBlockParameters parameters{
      .weights = {&norm_weight_, &norm_bias_, &fc1_weight_, &fc1_bias_, &gate_norm_weight_,
                  &gate_norm_bias_, &spatial_weight_, &spatial_bias_, &fc2_weight_, &fc2_bias_},
      .norm_eps = config_.norm_eps,
      .gate_eps = config_.gate_eps,
      .gate = config_.gate,
      .causal = config_.causal,
      .packed = &packed_};
  Var extra;  // the tiny attention reads the normalised x, which the block keeps to itself
  if (config_.d_attn > 0) {
    extra = tiny_attention(tape, layernorm(tape, x, norm_weight_, norm_bias_, config_.norm_eps));
  }
  return fused_block(tape, x, parameters, drop_scales, extra);
}

void GmlpBlock::collect(std::vector<Parameter*>& parameters) {
  for (Parameter* parameter :
       {&norm_weight_, &norm_bias_, &fc1_weight_, &fc1_bias_, &gate_norm_weight_, &gate_norm_bias_,
        &spatial_weight_, &spatial_bias_, &qkv_weight_, &qkv_bias_, &out_weight_, &out_bias_,
        &fc2_weight_, &fc2_bias_}) {
    if (parameter->value.defined()) parameters.push_back(parameter);
  }
}

}  // namespace gmlp
