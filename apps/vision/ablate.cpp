// gmlp-vision ablate: Table 2 and Figure 2 of the paper at laptop scale, gMLP beside ViT and Mixer
// of the same size, and the gates of Table 3.

#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/cli/run_main.h"
#include "apps/train/ablation.h"
#include "apps/vision/commands.h"

namespace gmlp {

namespace {

PlannedRun plan_run(const std::vector<std::string>& arguments, const Json& row) {
  VisionOptions recipe;
  recipe.data = "fashion-mnist";
  recipe.epochs = 5;
  recipe.batch_size = 64;
  recipe.warmup_steps = 200;
  recipe.log_interval = 50;
  recipe.aug = "none";
  recipe.model = row.at("model");
  recipe.lr = row.at("lr");
  const VisionOptions options = parse_train(arguments, recipe);
  refuse_if(options.source.val_fraction <= 0,
            "--val-fraction 0: every row is validated; keep some images for it");
  return {options, [options](bool resume) {
            return train(resume ? parse_train({"--resume", options.out}) : options);
          }};
}

}  // namespace

int run_ablate(const std::vector<std::string>& arguments) {
  const std::vector<std::string> all_sizes = {"pico", "nano", "micro"};
  std::vector<std::string> sizes = all_sizes;
  AblationOptions options{.out = "runs/ablation-vision"};
  CLI::App app(
      "Train gMLP, ViT and MLP-Mixer of equal sizes, and the gates of the paper's Table 3 at the "
      "nano size. All other options, such as --data and --epochs, are those of train and apply to "
      "every row; for images that are not 28 pixels wide, give --img-size and --patch-size",
      "gmlp-vision ablate");
  app.footer(
      "Defaults: --data fashion-mnist --epochs 5 --batch-size 64 --warmup-steps 200 --aug none, "
      "and a learning rate per architecture");
  add_ablation_options(app, options, "Runs per row, with consecutive seeds");
  app.add_option("--sizes", sizes, "Sizes to train")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->check(CLI::IsMember(all_sizes));
  parse_arguments(app, arguments);
  options.shared = app.remaining();
  std::vector<Json> rows = ablation_rows("vision");
  std::erase_if(rows, [&](const Json& row) {
    return std::ranges::count(sizes, row.at("size").get<std::string>()) == 0;
  });
  const auto plan = [](const auto& given, const Json& row, bool) { return plan_run(given, row); };
  return ablate({"vision", plan}, rows, options);
}

}  // namespace gmlp
