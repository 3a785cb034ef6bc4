// The gMLP block: its parameters, the paper's pseudo-code in primitive ops, and the call that runs
// the same on the fused kernels (autograd/fused_block.cpp).
//
//   def gmlp_block(x, d_model, d_ffn):                 (paper, Figure 1)
//     shortcut = x
//     x = norm(x, axis="channel")
//     x = proj(x, d_ffn, axis="channel")               fc1
//     x = gelu(x)
//     x = spatial_gating_unit(x)
//     x = proj(x, d_model, axis="channel")             fc2
//     return x + shortcut
//
//   def spatial_gating_unit(x):
//     u, v = split(x, axis="channel")
//     v = norm(v, axis="channel")
//     n = get_dim(v, axis="spatial")
//     v = proj(v, n, axis="spatial", init_bias=1)      spatial_project
//     return u * v

#include "models/gmlp_block.h"

namespace gmlp {

namespace {

GmlpBlock::Layers make_layers(ParameterList& list, const std::string& prefix,
                              const BlockConfig& config) {
  const int64_t d = config.d_model;
  const int64_t e = config.gate_width();
  const int64_t n = config.tokens;
  const int64_t a = config.d_attn;
  const std::string mlp = prefix + "mlp_channels.";
  const Shape spatial = config.toeplitz ? Shape({2 * n - 1}) : Shape({n, n});
  // Braces evaluate in order, which is the order of the parameters. W near zero and b = 1: every
  // block starts as a plain feed-forward block (paper, section 2.1).
  return {.norm = LayerNorm(list, prefix + "norm.", d, config.norm_eps),
          .fc1 = Linear(list, mlp + "fc1.", {config.d_ffn, d}),
          .gate_norm = LayerNorm(list, mlp + "gate.norm.", e, config.gate_eps),
          .spatial = {list.add(mlp + "gate.proj.weight", spatial, Init::kNormal,
                               config.spatial_init_std),
                      list.add(mlp + "gate.proj.bias", {n}, Init::kOnes)},
          .qkv = a > 0 ? Linear(list, mlp + "attn.qkv.", {3 * a, d}) : Linear(),
          .attn_out = a > 0 ? Linear(list, mlp + "attn.out.", {e, a}) : Linear(),
          .fc2 = Linear(list, mlp + "fc2.", {d, e})};
}

}  // namespace

GmlpBlock::GmlpBlock(ParameterList& list, const std::string& prefix, const BlockConfig& config)
    : config_(config), layers_(make_layers(list, prefix, config)) {}

Var GmlpBlock::forward(Tape& tape, Var x, const std::vector<double>& drop_scales,
                       const TokenMixer& mixer) const {
  if (tape.recording()) packed_.is_stale = true;
  const bool fused = tape.use_fused(layers_.fc1.weight->value.dtype()) && !mixer.project;
  return fused ? forward_fused(tape, x, drop_scales)
               : forward_composed(tape, x, drop_scales, mixer);
}

Var GmlpBlock::forward_composed(Tape& tape, Var x, const std::vector<double>& drop_scales,
                                const TokenMixer& mixer) const {
  const Var shortcut = x;
  x = layers_.norm(tape, x);
  Var z = gelu(tape, layers_.fc1(tape, x));

  const bool split = config_.gate == Gate::kSplit;
  const Var u = split ? split_half(tape, z, false) : z;
  Var v = split ? split_half(tape, z, true) : z;
  v = layers_.gate_norm(tape, v);
  v = mixer.project ? mixer.project(v, *layers_.spatial.weight, *layers_.spatial.bias)
                    : spatial_project(tape, v, *layers_.spatial.weight, *layers_.spatial.bias,
                                      config_.causal);
  if (config_.d_attn > 0) v = add(tape, v, tiny_attention(tape, x, mixer));
  if (config_.gate == Gate::kAdditive) {
    v = add(tape, u, v);
  } else if (config_.gate != Gate::kLinear) {
    v = multiply(tape, u, v);
  }

  z = layers_.fc2(tape, v);
  if (!drop_scales.empty()) z = drop_path(tape, z, drop_scales);
  return add(tape, shortcut, z);
}

Var GmlpBlock::tiny_attention(Tape& tape, Var x, const TokenMixer& mixer) const {
  const Var qkv = layers_.qkv.in_block(tape, x);
  const Var y = mixer.attend ? mixer.attend(qkv, nullptr, 1)
                             : head_attention(tape, qkv, nullptr, 1, config_.causal);
  return layers_.attn_out.in_block(tape, y);
}

Var GmlpBlock::forward_fused(Tape& tape, Var x, const std::vector<double>& drop_scales) const {
  Var extra;  // the tiny attention reads norm(x), which stays inside the fused block
  if (config_.d_attn > 0) extra = tiny_attention(tape, layers_.norm(tape, x), {});
  return fused_block(tape, x,
                     {.weights = {.norm = layers_.norm,
                                  .fc1 = layers_.fc1,
                                  .gate_norm = layers_.gate_norm,
                                  .spatial = layers_.spatial,
                                  .fc2 = layers_.fc2},
                      .shape = {.batch = tape.value(x).shape()[0],
                                .tokens = config_.tokens,
                                .d_model = config_.d_model,
                                .d_ffn = config_.d_ffn,
                                .norm_eps = static_cast<float>(config_.norm_eps),
                                .gate_eps = static_cast<float>(config_.gate_eps),
                                .gate = config_.gate,
                                .causal = config_.causal,
                                .precision = tape.execution().precision},
                      .packed = &packed_},
                     drop_scales, extra);
}

double BlockConfig::forward_flops() const {
  ParameterList list(DType::kF32, 0, Storage::kMeta);
  GmlpBlock block(list, "", *this);
  const Tensor x = Tensor::meta(DType::kF32, {1, tokens, d_model});
  return measure_flops([&](Tape& tape) { block.forward(tape, tape.constant(x), {}); });
}

}  // namespace gmlp
