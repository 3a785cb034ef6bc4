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
// pre_head of that token replaces the mean.

#include "models/vision.h"

#include "core/error.h"
#include "core/random.h"

namespace gmlp {

namespace {

/// Stochastic depth of block `block` (Huang et al. 2016; scaled as timm does): one scale per
/// sample, or none if it is off.
std::vector<double> drop_path_scales(const ForwardContext& context, int64_t batch, int64_t block) {
  if (!context.training || context.drop_rate <= 0) return {};
  std::vector<double> scales(static_cast<size_t>(batch));
  Random random(context.seed, Purpose::kDropPath, static_cast<uint64_t>(context.step),
                static_cast<uint64_t>(block));
  for (double& scale : scales) {
    scale = random.uniform() < context.drop_rate ? 0 : 1 / (1 - context.drop_rate);
  }
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
    : config_(config), parameters_(dtype, seed, storage) {
  config.validate();
  const int64_t d = config.d_model;
  if (config.class_token) {
    class_token_ = parameters_.add("cls_token", {1, 1, d}, Init::kNormal, 0.02);
  }
  stem_ = Linear(parameters_, "stem.proj.", {d, config.chans, config.patch, config.patch},
                 Init::kLecunNormal);
  for (int64_t i = 0; i < config.depth; ++i) {
    blocks_.emplace_back(parameters_, "blocks." + std::to_string(i) + ".", config.block());
  }
  norm_ = LayerNorm(parameters_, "norm.", d, config.block().norm_eps);
  if (config.class_token) pre_head_ = Linear(parameters_, "pre_head.", {d, d});
  head_ = Linear(parameters_, "head.", {config.classes, d}, Init::kZeros);
}

Var VisionModel::features(Tape& tape, const Tensor& images, const ForwardContext& context) {
  const Shape& shape = images.shape();
  require(shape == Shape({shape[0], config_.chans, config_.img_height, config_.img_width}),
          "VisionModel: images of another size than the model's");
  Var x = stem_(tape, patchify(tape, tape.constant(images), config_.patch));
  if (config_.class_token) x = prepend_token(tape, x, *class_token_);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = blocks_[i].forward(tape, x, drop_path_scales(context, shape[0], static_cast<int64_t>(i)));
  }
  x = norm_(tape, x);
  return config_.class_token ? pre_head_(tape, select_token(tape, x, 0)) : mean_pool(tape, x);
}

Var VisionModel::forward(Tape& tape, const Tensor& images, const ForwardContext& context) {
  return head_(tape, features(tape, images, context));
}

void VisionModel::prepack_weights() {
  for (GmlpBlock& block : blocks_) block.prepack_weights(packed_);
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
