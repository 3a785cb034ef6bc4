// A run's beginning: from options to everything that the loop needs.

#include <filesystem>

#include "apps/vision/model_choice.h"
#include "apps/vision/run.h"
#include "apps/vision/weights.h"
#include "core/error.h"
#include "core/io/file.h"
#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/weight_files.h"

namespace gmlp {

namespace {

/// Mirroring a digit makes another sign of it.
bool mirror_keeps_label(const VisionOptions& options) {
  return !options.no_flip && !options.data.starts_with("mnist:");
}

}  // namespace

VisionRun::VisionRun(const TrainCommand& command) : options(command.options) {
  prepare(command.config);
  open_data();
  build_model();
  build_loader();
  identify();
  open(loader->batches_per_epoch());
}

void VisionRun::open_data() {
  data_options.seed = options.seed;
  data_options.val_fraction = options.val_fraction;
  data_options.skip_bad = options.skip_bad;
  data_options.max_train_samples = options.max_train_samples;
  data_options.photo_side = photo_side_for(options);
  // A resumed run's photographs stay what they were.
  if (resumed() && std::filesystem::exists(config_path(resume_from()))) {
    const std::string path = config_path(resume_from());
    data_options.photo_side = stored_split(read_text(path), path).photo_side;
  }
  data = open_dataset(options.data, data_options);
  if (data.train->size() < options.batch_size) {
    fail_input("--batch-size {} is more than the {} training images; use {} or fewer",
               options.batch_size, data.train->size(), data.train->size());
  }
  for (const std::string& line : data.notes) note(line);
}

void VisionRun::build_model() {
  config = choose_model(options, data);
  if (execution.precision == fused::Precision::kBf16) require_bf16_fits(config.block());
  model = std::make_unique<VisionModel>(config, dtype, options.seed);
  // A resumed run's weights come from its checkpoint.
  if (!options.init.empty() && !resumed()) {
    for (const std::string& line : initialise_from(*model, options.init)) note(line);
    note(fmt::format("weights taken from {}", options.init));
    identity.weights = options.init;
  }
}

void VisionRun::build_loader() {
  val_transform = evaluation_transform_for(config, data);
  train_transform = val_transform;
  train_transform.augment = augment_from_name(options.aug);
  train_transform.flip = mirror_keeps_label(options);
  LoaderOptions loading;
  loading.batch_size = options.batch_size;
  loading.seed = options.seed;
  loading.shuffle = !options.no_shuffle;
  loading.smoothing = options.smoothing;
  loading.mixup = options.mixup;
  loading.cutmix = options.cutmix;
  loading.switch_prob = options.mixup_switch_prob;
  loader = std::make_unique<Loader>(data.train, train_transform, loading);
}

void VisionRun::identify() {
  identity.command = "gmlp-vision train";
  identity.kind = "vision";
  identity.model = config.name;
  identity.data = data.name;
  identity.samples = "images";
  identity.unit = "samples";
  identity.parameters = config.parameter_count();
  identity.forward_flops = config.forward_flops();
  identity.figures = "results.svg, filters.png";
}

void VisionRun::describe_model(CheckpointContent& content) const {
  content.config = add_preprocessing(
      vision_config_to_json(config, data.train->class_names(), split_json(data_options)),
      preprocessing_of(val_transform));
}

}  // namespace gmlp
