#include "models/vision.h"

#include <algorithm>

#include "autograd/ops.h"
#include "core/error.h"
#include "core/random.h"
#include "models/initialise.h"
#include "models/size_checks.h"

namespace gmlp {

BlockConfig VisionConfig::block() const {
  BlockConfig block;
  block.tokens = tokens();
  block.d_model = d_model;
  block.d_ffn = d_ffn;
  block.gate = gate;
  block.spatial_init_std = spatial_init_std;
  return block;
}

int64_t VisionConfig::parameter_count() const {
  const int64_t stem = d_model * (chans * patch * patch + 1);
  const int64_t paper_form = class_token ? d_model + d_model * (d_model + 1) : 0;
  return stem + depth * block().parameter_count() + 2 * d_model + paper_form +
         classes * (d_model + 1);
}

double VisionConfig::forward_flops() const {
  const double patches = static_cast<double>(tokens() - (class_token ? 1 : 0));
  const double d = static_cast<double>(d_model);
  const double stem = 2 * patches * static_cast<double>(chans * patch * patch) * d;
  const double head = 2 * d * (static_cast<double>(classes) + (class_token ? d : 0));
  return stem + static_cast<double>(depth) * block().forward_flops() + head;
}

void VisionConfig::validate() const {
  check_positive(img_height, "the image height");
  check_positive(img_width, "the image width");
  check_positive(patch, "--patch-size");
  check_positive(chans, "--in-chans");
  check_positive(classes, "the number of classes");
  check_positive(depth, "--depth");
  check_positive(d_model, "--d-model");
  check_positive(d_ffn, "--d-ffn");
  if (img_height % patch != 0 || img_width % patch != 0) {
    fail_input(
        "an image of {} x {} cannot be cut into patches of {} x {}; choose an --img-size that is a "
        "multiple of --patch-size",
        img_height, img_width, patch, patch);
  }
  if (gate == Gate::kSplit && d_ffn % 2 != 0) {
    fail_input("--d-ffn {} is odd, and the split gate halves it; use an even one", d_ffn);
  }
  check_product({depth, tokens(), tokens()}, kParameterBits, "W, one row and column a token,");
  check_product({depth, d_model, d_ffn}, kParameterBits, "the channel projections");
  check_product({d_model, chans, patch, patch}, kParameterBits, "the patch embedding");
  check_product({d_model, std::max(classes, d_model)}, kParameterBits, "the head");
  check_product({depth, tokens(), std::max(d_model, d_ffn)}, kActivationBits, "the activations");
  if (!(spatial_init_std >= 0) || spatial_init_std > 1) {
    fail_input("\"spatial_init_std\" is {}; it must be from 0 to 1", spatial_init_std);
  }
}

VisionModel::VisionModel(const VisionConfig& config, DType dtype, uint64_t seed)
    : config_(config), dtype_(dtype) {
  config.validate();
  const int64_t d = config.d_model;
  const auto make = [&](const std::string& name, const Shape& shape, Init init, double std = 0) {
    return make_parameter(name, shape, dtype, seed, init, std);
  };
  if (config.class_token) class_token_ = make("cls_token", {1, 1, d}, Init::kNormal, 0.02);
  stem_weight_ =
      make("stem.proj.weight", {d, config.chans, config.patch, config.patch}, Init::kLecunNormal);
  stem_bias_ = make("stem.proj.bias", {d}, Init::kZeros);
  blocks_.reserve(static_cast<size_t>(config.depth));
  for (int64_t i = 0; i < config.depth; ++i) {
    blocks_.emplace_back(config.block(), "blocks." + std::to_string(i) + ".", dtype, seed);
  }
  norm_weight_ = make("norm.weight", {d}, Init::kOnes);
  norm_bias_ = make("norm.bias", {d}, Init::kZeros);
  if (config.class_token) {
    pre_head_weight_ = make("pre_head.weight", {d, d}, Init::kXavierUniform);
    pre_head_bias_ = make("pre_head.bias", {d}, Init::kZeros);
  }
  head_weight_ = make("head.weight", {config.classes, d}, Init::kZeros);
  head_bias_ = make("head.bias", {config.classes}, Init::kZeros);

  if (config.class_token) parameters_.push_back(&class_token_);
  parameters_.push_back(&stem_weight_);
  parameters_.push_back(&stem_bias_);
  for (GmlpBlock& block : blocks_) block.collect(parameters_);
  parameters_.push_back(&norm_weight_);
  parameters_.push_back(&norm_bias_);
  if (config.class_token) {
    parameters_.push_back(&pre_head_weight_);
    parameters_.push_back(&pre_head_bias_);
  }
  parameters_.push_back(&head_weight_);
  parameters_.push_back(&head_bias_);
}

Var VisionModel::forward(Tape& tape, const Tensor& images, const ForwardContext& context) {
  const Shape& s = images.shape();
  require(s.rank() == 4 && s[1] == config_.chans && s[2] == config_.img_height &&
              s[3] == config_.img_width,
          "VisionModel: images of another size than the model's");
  Var x = patchify(tape, tape.constant(images), config_.patch);
  x = linear(tape, x, stem_weight_, &stem_bias_);
  if (config_.class_token) x = prepend_token(tape, x, class_token_);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = blocks_[i].forward(tape, x, drop_path_scales(context, s[0], static_cast<int64_t>(i)));
  }
  x = layernorm(tape, x, norm_weight_, norm_bias_, 1e-6);
  if (config_.class_token) {
    x = linear(tape, select_token(tape, x, 0), pre_head_weight_, &pre_head_bias_);
  } else {
    x = mean_pool(tape, x);
  }
  return linear(tape, x, head_weight_, &head_bias_);
}

void VisionModel::prepack_weights() {
  for (GmlpBlock& block : blocks_) block.prepack_weights(packed_);
}

std::vector<double> drop_path_scales(const ForwardContext& context, int64_t batch, int64_t block) {
  if (!context.training || context.drop_path <= 0) return {};
  std::vector<double> scales(static_cast<size_t>(batch));
  Random random(context.seed, Purpose::kDropPath, static_cast<uint64_t>(context.step),
                static_cast<uint64_t>(block));
  for (double& scale : scales) {
    scale = random.uniform() < context.drop_path ? 0 : 1 / (1 - context.drop_path);
  }
  return scales;
}

}  // namespace gmlp
