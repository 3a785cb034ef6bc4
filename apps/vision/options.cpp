#include "apps/vision/options.h"

#include <CLI/CLI.hpp>

#include "core/error.h"

namespace gmlp {

namespace {

void add_model_options(CLI::App& app, VisionOptions& options) {
  const CLI::Validator size = integer_in(0, int64_t{1} << 24);
  app.add_option(
         "--model", options.model,
         "Architecture: a name (`gmlp-vision info --help` lists them), a checkpoint folder or "
         "FILE.json")
      ->type_name("NAME|DIR|FILE");
  app.add_option("--init", options.init, "Start from the weights in DIR or FILE.safetensors")
      ->type_name("DIR|FILE");
  app.add_option("--img-size", options.img_size, "Side of the input image; 0: the model's")
      ->check(size);
  app.add_option("--patch-size", options.patch_size, "0: the model's")->check(size);
  app.add_option("--in-chans", options.in_chans, "1 or 3; 0: the data set's")->check(size);
  app.add_option("--depth", options.depth, "Number of blocks; 0: the model's")->check(size);
  app.add_option("--d-model", options.d_model, "0: the model's")->check(size);
  app.add_option("--d-ffn", options.d_ffn, "0: the model's")->check(size);
  app.add_flag("--class-token", options.class_token,
               "The paper's class token, no mean over tokens");
  // No IsMember: the empty text that config.toml holds for "not given" must read back.
  app.add_option(
      "--gate", options.gate,
      "split, multiplicative, additive or linear (Table 3 of the paper); the model's when "
      "not given");
}

void add_data_options(CLI::App& app, VisionOptions& options) {
  const CLI::Validator fraction = number_in(0, 1);
  const CLI::Validator count = integer_in();
  app.add_option(
         "--data", options.data,
         "fashion-mnist, mnist:DIR, cifar10:DIR, cifar100:DIR, folder:DIR, arrays:DIR, shapes")
      ->type_name("SPEC");
  app.add_option("--aug", options.aug, "mirror: mirror images; light: also shifts or crops")
      ->check(CLI::IsMember({"none", "mirror", "light", "autoaugment"}));
  app.add_flag("--no-flip", options.no_flip, "No mirror images (never for digits: mnist)");
  app.add_flag("--no-shuffle", options.no_shuffle, "Keep the order of the training set");
  app.add_option("--smoothing", options.smoothing, "Label smoothing")->check(fraction);
  app.add_option("--mixup", options.mixup, "Mixup's alpha; 0: off")->check(number_in(0.0, 100.0));
  app.add_option("--cutmix", options.cutmix, "CutMix's alpha; 0: off")
      ->check(number_in(0.0, 100.0));
  app.add_option("--mixup-switch-prob", options.mixup_switch_prob, "Of CutMix, where both are on")
      ->check(fraction);
  app.add_option("--drop-path", options.drop_path, "Stochastic depth: 1 - survival probability")
      ->check(number_in(0.0, 0.99));
  app.add_option("--max-train-samples", options.max_train_samples, "0: all")->check(count);
  app.add_option("--val-fraction", options.val_fraction,
                 "Part of each class kept for validation, where a set has no validation part")
      ->check(fraction);
  app.add_option("--skip-bad", options.skip_bad, "Leave out up to N images that cannot be decoded")
      ->check(count);
}

void add_options(CLI::App& app, VisionOptions& options) {
  add_model_options(app, options);
  add_data_options(app, options);
}

void check_complete(const VisionOptions& options) {
  if (options.data.empty()) {
    fail_input("train needs --data; for example --data fashion-mnist, or --data shapes (no files)");
  }
  if (options.model.empty()) {
    fail_input("train needs --model; for example --model gmlp_nano_28");
  }
  arithmetic_from(options.precision, options.kernels);
}

}  // namespace

std::optional<TrainCommand> parse_train(const std::vector<std::string>& arguments) {
  return parse_run_command<VisionOptions>(
      {{"gmlp-vision train", "Train a vision gMLP"}, add_options, check_complete}, arguments);
}

}  // namespace gmlp
