#include "apps/bench/workload.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "apps/train/options.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/io/npy.h"
#include "core/io/safetensors.h"
#include "core/random.h"
#include "models/language.h"
#include "models/vision.h"

namespace gmlp {

namespace {

/// Random images and one-hot targets: a step's time does not depend on what they show.
class VisionWorkload : public Workload {
 public:
  VisionWorkload(const VisionConfig& config, const BenchOptions& options)
      : model_(config, DType::kF32, 1), batch_(options.batch_size) {
    const Shape shape{batch_, config.chans, config.img_height, config.img_width};
    images_ = options.input_array.empty() ? random_images(shape)
                                          : stored_images(options.input_array, shape);
    targets_ = Tensor::zeros(DType::kF32, {batch_, config.classes});
    for (int64_t b = 0; b < batch_; ++b) {
      targets_.data<float>()[b * config.classes + b % config.classes] = 1;
    }
  }
  std::string name() const override { return model_.config().name; }
  double inference_flops() const override {
    return static_cast<double>(batch_) * model_.config().forward_flops();
  }
  double step_flops() const override { return 3 * inference_flops(); }
  Var logits(Tape& tape) override { return model_.forward(tape, images_, ForwardContext{}); }
  Var loss(Tape& tape) override { return cross_entropy(tape, logits(tape), targets_, 1.0); }
  void prepack_weights() override { model_.prepack_weights(); }
  const std::vector<Parameter*>& parameters() const override { return model_.parameters(); }

 private:
  static Tensor random_images(const Shape& shape) {
    Tensor images = Tensor::zeros(DType::kF32, shape);
    Random random(1, Purpose::kSample);
    for (int64_t i = 0; i < images.elements(); ++i) {
      images.data<float>()[i] = static_cast<float>(random.uniform(-1, 1));
    }
    return images;
  }
  static Tensor stored_images(const std::string& path, const Shape& shape) {
    Tensor images = read_npy(path).to_tensor(DType::kF32, path);
    if (!(images.shape() == shape)) {
      fail_input("{}: an array of {}; the model and --batch-size take {} (NCHW)", path,
                 images.shape().to_string(), shape.to_string());
    }
    return images;
  }

  VisionModel model_;
  int64_t batch_;
  // The batch is the same for every step, so that the loss must fall.
  Tensor images_;   // (B, C, H, W)
  Tensor targets_;  // (B, classes)
};

/// Random words. A causal model predicts all of them, a masked one 15 % (paper, section 4).
class LanguageWorkload : public Workload {
 public:
  LanguageWorkload(const LanguageConfig& config, const BenchOptions& options)
      : model_(config, DType::kF32, 1), batch_(options.batch_size) {
    if (!options.input_array.empty()) {
      fail_input("--input-array {}: images of a vision model; {} makes its own words",
                 options.input_array, config.name);
    }
    Random random(1, Purpose::kSample);
    for (int64_t i = 0; i < batch_ * config.block.tokens; ++i) {
      ids_.push_back(random.below(config.vocab));
      const bool scored = config.block.causal || i % 20 < 3;
      targets_.push_back(scored ? ids_.back() : -100);
      if (scored) ++scored_;
    }
  }
  std::string name() const override { return model_.config().name; }
  double inference_flops() const override {
    return static_cast<double>(batch_) * model_.config().forward_flops();
  }
  /// Of the projection to the vocabulary only what is computed counts: the scored rows.
  double step_flops() const override {
    const double share = static_cast<double>(scored_) / static_cast<double>(targets_.size());
    return 3 * static_cast<double>(batch_) * model_.config().forward_flops(share);
  }
  Var logits(Tape& tape) override { return model_.forward(tape, ids_, batch_); }
  Var loss(Tape& tape) override { return model_.loss(tape, ids_, targets_, batch_, 1.0); }
  void prepack_weights() override { model_.prepack_weights(); }
  const std::vector<Parameter*>& parameters() const override { return model_.parameters(); }

 private:
  LanguageModel model_;
  int64_t batch_;
  std::vector<int64_t> ids_;      // (B N)
  std::vector<int64_t> targets_;  // (B N); -100: not scored
  int64_t scored_ = 0;
};

/// Weights by name; a head of zeros, as models start with, tells nothing about agreement.
void load_weights(const std::vector<Parameter*>& parameters, const std::string& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  for (const Parameter* parameter : parameters) {
    const Tensor stored = file.read(parameter->name, DType::kF32);
    if (!(stored.shape() == parameter->value.shape())) {
      fail_input("{}: tensor {} is {}, the model's is {}; choose the --model it belongs to", path,
                 parameter->name, stored.shape().to_string(), parameter->value.shape().to_string());
    }
    parameter->value.copy_from(stored);
  }
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::unique_ptr<Workload> named_workload(const BenchOptions& options) {
  if (has(language_config_names(), options.model)) {
    LanguageConfig config = language_config(options.model);
    if (options.depth > 0) config.depth = options.depth;
    if (options.vocab_size > 0) config.vocab = options.vocab_size;
    return std::make_unique<LanguageWorkload>(config, options);
  }
  if (!has(vision_config_names(), options.model)) {
    fail_input("--model {}: no such model; the named ones are {}, {}", options.model,
               fmt::join(vision_config_names(), ", "), fmt::join(language_config_names(), ", "));
  }
  if (options.vocab_size > 0) {
    fail_input("--vocab-size {}: {} has no vocabulary; leave it out", options.vocab_size,
               options.model);
  }
  VisionConfig config = vision_config(options.model);
  if (options.depth > 0) config.depth = options.depth;
  return std::make_unique<VisionWorkload>(config, options);
}

}  // namespace

std::unique_ptr<Workload> make_workload(const BenchOptions& options) {
  std::unique_ptr<Workload> workload = named_workload(options);
  if (!options.init.empty()) load_weights(workload->parameters(), options.init);
  return workload;
}

ExecutionOptions execution_of(const BenchOptions& options) {
  ExecutionOptions execution = arithmetic_from(options.precision, options.kernels).execution;
  execution.checkpoint = options.checkpoint_activations;
  return execution;
}

}  // namespace gmlp
