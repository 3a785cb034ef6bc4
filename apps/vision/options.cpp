#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/vision/commands.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

void add_data_options(CLI::App& app, VisionOptions& options) {
  OptionGroup data(app, "Data");
  data.text("--data", options.data, "SPEC",
            "Training data: fashion-mnist, mnist:DIR, cifar10:DIR, cifar100:DIR, folder:DIR, "
            "arrays:DIR, or shapes (drawn, no files)");
  data.number("--val-fraction", options.source.val_fraction,
              "Share of the images kept for validation if the data has no validation part; 0 = "
              "train on all, validate nothing",
              0, 0.99);
  data.integer("--max-train-samples", options.source.max_train_samples,
               "Number of training images to use; 0 = all");
  data.integer("--skip-bad", options.source.skip_bad,
               "Number of unreadable images to leave out before the run is refused");
  data.integer("--workers", options.loading.workers,
               "Threads that decode and augment images; any number gives the same results", 1, 256);
  app.add_flag("--no-shuffle", options.no_shuffle, "Keep the order of the training data");
}

void add_model_options(CLI::App& app, VisionOptions& options) {
  OptionGroup model(app, "Model");
  model.text("--model", options.model, "NAME|DIR|FILE",
             "Architecture: a name (`gmlp-vision info --help` lists them), a checkpoint folder or "
             "FILE.json");
  model.text("--init", options.init, "DIR|FILE",
             "Initial weights: a checkpoint folder or FILE.safetensors");
  const auto size = [&](const char* name, int64_t& value, const char* text) {
    model.integer(name, value, text, 0, 1 << 24);
  };
  size("--img-size", options.img_size, "Side of the input image; 0 = the model's");
  size("--patch-size", options.patch_size, "Side of a patch; 0 = the model's");
  size("--in-chans", options.in_chans, "Input channels, 1 or 3; 0 = the data's");
  size("--depth", options.depth, "Number of blocks; 0 = the model's");
  size("--d-model", options.d_model, "Model width; 0 = the model's");
  size("--d-ffn", options.d_ffn, "Feed-forward width; 0 = the model's");
  // No IsMember: an empty text in config.toml must read back.
  app.add_option("--arch", options.arch,
                 "Architecture of the blocks: gmlp, vit or mixer; by default the model's");
  size("--heads", options.heads, "Attention heads of a ViT; 0 = the model's, or d_model / 64");
  size("--spatial-ffn", options.spatial_ffn,
       "Width of a Mixer's MLP over tokens; 0 = the model's, or d_model / 2");
  app.add_flag("--class-token", options.class_token,
               "Classify from a class token, as the paper, instead of the mean over tokens");
  app.add_option("--gate", options.gate,
                 "Gate of Table 3 of the paper: split, multiplicative, additive or linear; by "
                 "default the model's");
}

void add_augmentation_options(CLI::App& app, VisionOptions& options) {
  OptionGroup recipe(app, "Recipe");
  recipe.choice("--aug", options.aug,
                "Augmentation; mirror: horizontal flips; light: also shifts or crops",
                kAugments.names);
  const auto range = [&](const char* name, std::vector<double>& value, const char* text, double low,
                         double high) {
    app.add_option(name, value, text)->expected(2)->delimiter(',')->check(number_in(low, high));
  };
  range("--scale", options.scale,
        "Smallest and largest share of the area that a random crop keeps; by default 0.6 1, from "
        "128 pixels on timm's 0.08 1",
        1e-6, 1);
  range("--ratio", options.ratio,
        "Smallest and largest width / height of a random crop; by default 3/4 4/3", 1e-3, 1e3);
  app.add_flag("--no-flip", options.no_flip, "No horizontal flips (mnist never has them)");
  recipe.number("--smoothing", options.loading.smoothing, "Label smoothing", 0, 1);
  recipe.choice("--class-weights", options.class_weights,
                "Weights of the classes in the loss; balanced: a rare class counts as much as a "
                "frequent one",
                {"none", "balanced"});
  recipe.number("--mixup", options.loading.mixup, "Alpha of Mixup; 0 = off", 0, 100);
  recipe.number("--cutmix", options.loading.cutmix, "Alpha of CutMix; 0 = off", 0, 100);
  recipe.number("--mixup-switch-prob", options.loading.switch_prob,
                "Probability of CutMix when both are enabled", 0, 1);
  recipe.number("--drop-path", options.drop_path,
                "Stochastic depth: probability of skipping a block", 0, 0.99);
}

void check_complete(const VisionOptions& options) {
  refuse_if(options.data.empty(),
            "train needs --data; for example --data fashion-mnist, or --data shapes (no files)");
  refuse_if(options.model.empty(), "train needs --model; for example --model gmlp_nano_28");
  for (const std::vector<double>& range : {options.scale, options.ratio}) {
    if (range.empty() || range[0] <= range[1]) continue;
    fail_input("--scale, --ratio: {} is more than {}; write the smaller number first", range[0],
               range[1]);
  }
}

}  // namespace

VisionOptions parse_train(const std::vector<std::string>& arguments,
                          const VisionOptions& defaults) {
  VisionOptions options = defaults;
  const auto add = [&](CLI::App& app) {
    add_data_options(app, options);
    add_model_options(app, options);
    add_augmentation_options(app, options);
  };
  const auto check = [&](CLI::App&) { check_complete(options); };
  parse_training({"gmlp-vision train", "Train a vision gMLP, ViT or MLP-Mixer", add, check},
                 arguments, options);
  return options;
}

DataOptions data_options_for(const VisionOptions& options, bool resumed) {
  DataOptions data = options.source;
  data.seed = options.seed;
  const std::string path = stored_config_path(options.model);
  int64_t size = options.img_size;
  if (!path.empty() && (resumed || size == 0)) {
    const DataOptions stored = stored_split(read_text(path, kMaxJsonBytes), path);
    if (resumed || stored.photo_side > 0) {
      data.photo_side = stored.photo_side;
      return data;
    }
    const VisionConfig config = named_or_stored_config(options.model);
    size = std::max(config.img_height, config.img_width);
  }
  data.photo_side = std::max(data.photo_side, 2 * size);
  return data;
}

VisionConfig choose_model(const VisionOptions& options, const DataSplits& data) {
  VisionConfig config = named_or_stored_config(options.model);
  if (stored_config_path(options.model).empty()) config.chans = data.channels;
  config.classes = std::ssize(data.train->class_names);
  const auto apply = [](int64_t given, int64_t& size) { size = given > 0 ? given : size; };
  apply(options.img_size, config.img_height);
  apply(options.img_size, config.img_width);
  apply(options.in_chans, config.chans);
  const VisionConfig before = config;
  apply(options.patch_size, config.patch);
  apply(options.depth, config.depth);
  apply(options.d_model, config.d_model);
  apply(options.d_ffn, config.d_ffn);
  if (options.class_token) config.class_token = true;
  if (!options.arch.empty()) config.arch = kVisionArchs.from_name(options.arch);
  if (options.arch == "mixer" && !options.class_token) config.class_token = false;  // a ViT's
  const auto only = [&](Arch arch, bool given, const char* name) {
    if (!given || config.arch == arch) return;
    fail_input("{}: belongs to --arch {}, the model's is {}; leave it out, or give another --arch",
               name, kVisionArchs.name(arch), kVisionArchs.name(config.arch));
  };
  only(Arch::kTransformer, options.heads > 0, "--heads");
  only(Arch::kMixer, options.spatial_ffn > 0, "--spatial-ffn");
  only(Arch::kGmlp, !options.gate.empty(), "--gate");
  apply(options.heads, config.heads);
  apply(options.spatial_ffn, config.spatial_ffn);
  if (config.heads == 0 && config.is_vit()) config.heads = default_heads(config.d_model);
  if (config.spatial_ffn == 0 && config.arch == Arch::kMixer) {
    config.spatial_ffn = std::max<int64_t>(config.d_model / 2, 1);
  }
  if (!options.gate.empty()) config.gate = kGates.from_name(options.gate);
  refuse_if(config.chans != 1 && config.chans != 3,
            "--in-chans {}: images have 1 or 3 channels; choose one of them", config.chans);
  // A changed architecture may not pass under a timm name that stands for another one.
  if (!(config == before) && !config.name.ends_with("_custom")) config.name += "_custom";
  config.validate();
  return config;
}

}  // namespace gmlp
