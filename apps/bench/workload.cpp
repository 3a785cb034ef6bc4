#include "apps/bench/workload.h"

#include <algorithm>
#include <memory>

#include <fmt/ranges.h>

#include "autograd/ops.h"
#include "core/error.h"
#include "core/io/npy.h"
#include "core/io/safetensors.h"
#include "core/random.h"
#include "models/checkpoint/weight_files.h"
#include "models/language.h"
#include "models/vision.h"

namespace gmlp {

namespace {

/// Random images, or those of --input-array.
Tensor images_for(const BenchOptions& options, const Shape& shape) {
  if (options.input_array.empty()) {
    Tensor images = Tensor::zeros(DType::kF32, shape);
    Random random(1, Purpose::kSample);
    for (int64_t i = 0; i < images.elements(); ++i) {
      images.data<float>()[i] = static_cast<float>(random.uniform(-1, 1));
    }
    return images;
  }
  Tensor images = read_npy(options.input_array).to_tensor(DType::kF32, options.input_array);
  if (!(images.shape() == shape)) {
    fail_input("{}: an array of {}; the model and --batch-size need {} (NCHW)", options.input_array,
               images.shape().to_string(), shape.to_string());
  }
  return images;
}

Workload vision_workload(const VisionConfig& config, const BenchOptions& options) {
  const int64_t batch = options.batch_size;
  const auto model = std::make_shared<VisionModel>(config, DType::kF32, 1);
  const Tensor images =
      images_for(options, {batch, config.chans, config.img_height, config.img_width});
  const Tensor targets = Tensor::zeros(DType::kF32, {batch, config.classes});  // one-hot
  for (int64_t b = 0; b < batch; ++b) {
    targets.data<float>()[b * config.classes + b % config.classes] = 1;
  }
  const double flops = static_cast<double>(batch) * config.forward_flops();
  const auto logits = [=](Tape& tape) { return model->forward(tape, images, ForwardContext{}); };
  return {.name = config.name,
          .parameters = model->parameters(),
          .inference_flops = flops,
          .step_flops = 3 * flops,
          .logits = logits,
          .loss = [=](Tape& tape) { return cross_entropy(tape, logits(tape), targets, 1.0); },
          .prepack_weights = [=] { model->prepack_weights(); }};
}

/// Random tokens. A causal model predicts all of them, a masked one 15 % (paper, section 4).
Workload language_workload(const LanguageConfig& config, const BenchOptions& options) {
  if (!options.input_array.empty()) {
    fail_input("--input-array {}: holds images, but {} is a language model; leave it out",
               options.input_array, config.name);
  }
  const int64_t batch = options.batch_size;
  const auto model = std::make_shared<LanguageModel>(config, DType::kF32, 1);
  std::vector<int64_t> ids, targets;
  int64_t scored = 0;
  Random random(1, Purpose::kSample);
  for (int64_t i = 0; i < batch * config.block.tokens; ++i) {
    constexpr int64_t kNotScored = -100;
    const bool counts = config.block.causal || i % 20 < 3;
    ids.push_back(random.below(config.vocab));
    targets.push_back(counts ? ids.back() : kNotScored);
    scored += counts ? 1 : 0;
  }
  // The vocabulary projection is computed, and counts, for the scored rows only.
  const double share = static_cast<double>(scored) / static_cast<double>(ids.size());
  const double samples = static_cast<double>(batch);
  return {.name = config.name,
          .parameters = model->parameters(),
          .inference_flops = samples * config.forward_flops(),
          .step_flops = 3 * samples * config.forward_flops(share),
          .logits = [=](Tape& tape) { return model->forward(tape, ids, batch); },
          .loss = [=](Tape& tape) { return model->loss(tape, ids, targets, batch, 1.0); },
          .prepack_weights = [=] { model->prepack_weights(); }};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Workload named_workload(const BenchOptions& options) {
  if (contains(language_config_names(), options.model)) {
    LanguageConfig config = language_config(options.model);
    if (options.depth > 0) config.depth = options.depth;
    if (options.vocab_size > 0) config.vocab = options.vocab_size;
    return language_workload(config, options);
  }
  if (!contains(vision_config_names(), options.model)) {
    fail_input("--model {}: no such model; the named ones are {}, {}", options.model,
               fmt::join(vision_config_names(), ", "), fmt::join(language_config_names(), ", "));
  }
  if (options.vocab_size > 0) {
    fail_input("--vocab-size {}: {} has no vocabulary; leave it out", options.vocab_size,
               options.model);
  }
  VisionConfig config = vision_config(options.model);
  if (options.depth > 0) config.depth = options.depth;
  return vision_workload(config, options);
}

}  // namespace

Workload make_workload(const BenchOptions& options) {
  Workload workload = named_workload(options);
  // A head starts as zeros, which would hide any disagreement between programs.
  if (!options.init.empty()) {
    load_weights(workload.parameters, SafetensorsFile::open(options.init), {workload.name, ""});
  }
  return workload;
}

ExecutionOptions execution_of(const BenchOptions& options) {
  ExecutionOptions execution = arithmetic_from(options.precision, options.kernels).execution;
  execution.checkpoint = options.checkpoint_activations;
  return execution;
}

}  // namespace gmlp
