// The vision gMLP (paper, section 3), in timm's form:
//
//   images (B, C, H, W)
//     patches = patchify(images)                            (B, N, C P P), N = (H / P) (W / P)
//     x = stem(patches)                                     (B, N, D)
//     x = block(x), L times                                 (B, N, D)   models/gmlp_block.cpp
//     x = mean over tokens of norm(x)                       (B, D)
//     logits = head(x)                                      (B, classes)
//
// With class_token, the paper's form, a learned token precedes the others (N + 1 tokens), and
// pre_head of that token replaces the mean. ViT (Dosovitskiy et al. 2021) adds learned positions to
// the tokens and has no pre_head; its class token is DeiT's without distillation (Touvron et al.
// 2021).

#include "models/vision.h"

#include <algorithm>

#include "core/error.h"
#include "core/random.h"

namespace gmlp {

namespace {

/// Stochastic depth of a residual branch (Huang et al. 2016; scaled as timm does): one scale per
/// sample, or none if it is off.
std::vector<double> drop_path_scales(const ForwardContext& context, double rate, int64_t batch,
                                     int64_t branch) {
  if (!context.training || rate <= 0) return {};
  std::vector<double> scales(static_cast<size_t>(batch));
  Random random(context.seed, Purpose::kDropPath, static_cast<uint64_t>(context.step),
                static_cast<uint64_t>(branch));
  for (double& scale : scales) scale = random.uniform() < rate ? 0 : 1 / (1 - rate);
  return scales;
}

}  // namespace

BlockConfig VisionConfig::block() const {
  return {.tokens = tokens(),
          .d_model = d_model,
          .d_ffn = d_ffn,
          .gate = gate,
          .spatial_init_std = spatial_init_std};
}

VisionModel::VisionModel(const VisionConfig& config, DType dtype, uint64_t seed, Storage storage)
    : Model(config, dtype, seed, storage) {
  const int64_t d = config.d_model;
  if (config.class_token) {
    class_token_ = parameters_.add("cls_token", {1, 1, d}, Init::kNormal, 0.02);
  }
  if (config.is_vit()) {
    positions_ = parameters_.add("pos_embed", {1, config.tokens(), d}, Init::kNormal, 0.02);
  }
  stem_ = Linear(parameters_, config.is_vit() ? "patch_embed.proj." : "stem.proj.",
                 {d, config.chans, config.patch, config.patch}, Init::kLecunNormal);
  blocks_ = make_blocks(parameters_, config.arch, config.depth, config.block(), config.heads,
                        config.spatial_ffn);
  norm_ = LayerNorm(parameters_, "norm.", d, config.block().norm_eps);
  if (config.class_token && !config.is_vit()) pre_head_ = Linear(parameters_, "pre_head.", {d, d});
  head_ = Linear(parameters_, "head.", {config.classes, d}, Init::kZeros);
}

Var VisionModel::features(Tape& tape, const Tensor& images, const ForwardContext& context) {
  const Shape& shape = images.shape();
  const Shape needed{shape[0], config_.chans, config_.img_height, config_.img_width};
  if (!(shape == needed)) {
    fail_input("images of {}, and the model needs {}; resize them", shape.to_string(),
               needed.to_string());
  }
  Var x = stem_(tape, patchify(tape, tape.constant(images), config_.patch));
  if (config_.class_token) x = prepend_token(tape, x, *class_token_);
  if (config_.is_vit()) x = add_positions(tape, x, *positions_);
  const double depth = static_cast<double>(config_.depth);
  int64_t place = 0;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    tape.begin_block();
    // As in timm, the rate is the same in all blocks of an MLP and grows with depth in a ViT.
    const double share = config_.is_vit() ? static_cast<double>(i) / std::max(depth - 1, 1.0) : 1;
    for (const Branch& branch : blocks_[i].branches) {
      const double rate = share * context.drop_rate;
      x = branch(tape, x, drop_path_scales(context, rate, shape[0], place++), {});
    }
  }
  x = norm_(tape, x);
  if (!config_.class_token) return mean_pool(tape, x);
  x = select_token(tape, x, 0);
  return config_.is_vit() ? x : pre_head_(tape, x);
}

Var VisionModel::forward(Tape& tape, const Tensor& images, const ForwardContext& context) {
  return head_(tape, features(tape, images, context));
}

int64_t VisionConfig::parameter_count() const {
  return count_parameters(VisionModel(*this, DType::kF32, 0, Storage::kMeta).parameters());
}

double VisionConfig::forward_flops() const {
  VisionModel model(*this, DType::kF32, 0, Storage::kMeta);
  const Tensor image = Tensor::meta(DType::kF32, {1, chans, img_height, img_width});
  return measure_flops([&](Tape& tape) { model.forward(tape, image, {}); });
}

int64_t training_memory(const VisionConfig& config, int64_t batch, DType dtype,
                        const ExecutionOptions& execution) {
  VisionModel model(config, dtype, 0, Storage::kMeta);
  const Tensor images =
      Tensor::meta(dtype, {batch, config.chans, config.img_height, config.img_width});
  const Tensor targets = Tensor::meta(dtype, {batch, config.classes});
  return measure_memory(execution, [&](Tape& tape) {
    return cross_entropy(tape, model.forward(tape, images, {}), targets, 1);
  });
}

}  // namespace gmlp
