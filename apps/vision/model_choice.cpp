#include "apps/vision/model_choice.h"

#include <algorithm>

#include "apps/vision/weights.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

namespace {

constexpr double kLargeImageCrop = 0.875;  // timm's crop_pct of gMLP

}  // namespace

int64_t photo_side_for(const VisionOptions& options) {
  const int64_t usual = DataOptions{}.photo_side;
  const std::string path = stored_config_path(options.model);
  if (options.img_size > 0 || path.empty()) {
    return std::max(usual, 2 * options.img_size);
  }
  const VisionConfig config = named_or_stored_config(options.model);
  const int64_t stored = stored_split(read_text(path, kMaxJsonBytes), path).photo_side;
  return stored > 0 ? stored : std::max(usual, 2 * std::max(config.img_height, config.img_width));
}

VisionConfig choose_model(const VisionOptions& options, const DataSplits& data) {
  VisionConfig config = named_or_stored_config(options.model);
  if (stored_config_path(options.model).empty()) config.chans = data.channels;
  config.classes = static_cast<int64_t>(data.train->class_names().size());
  for (const auto& [size, given] : {std::pair{&config.img_height, options.img_size},
                                    {&config.img_width, options.img_size},
                                    {&config.patch, options.patch_size},
                                    {&config.chans, options.in_chans},
                                    {&config.depth, options.depth},
                                    {&config.d_model, options.d_model},
                                    {&config.d_ffn, options.d_ffn}}) {
    if (given > 0) *size = given;
  }
  const VisionConfig before = config;
  if (options.class_token) config.class_token = true;
  if (!options.gate.empty()) config.gate = gate_from_name(options.gate);
  if (config.chans != 1 && config.chans != 3) {
    fail_input("--in-chans {}: images have 1 or 3 channels; choose one of them", config.chans);
  }
  // A changed architecture may not pass under a timm name that stands for another one.
  const bool changed = options.patch_size + options.depth + options.d_model + options.d_ffn > 0 ||
                       config.class_token != before.class_token || config.gate != before.gate;
  if (changed && !config.name.ends_with("_custom")) config.name += "_custom";
  config.validate();
  return config;
}

TransformOptions evaluation_transform_for(const VisionConfig& config, const DataSplits& data) {
  TransformOptions transform;
  transform.height = config.img_height;
  transform.width = config.img_width;
  transform.channels = config.chans;
  const bool larger = data.shorter_side > std::min(config.img_height, config.img_width);
  transform.crop_fraction = larger ? kLargeImageCrop : 1.0;
  return transform;
}

}  // namespace gmlp
