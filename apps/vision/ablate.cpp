// gmlp-vision ablate: Table 2 and Figure 2 of the paper at laptop scale, gMLP beside ViT and Mixer
// of the same size, and the gates of Table 3.

#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/cli/run_main.h"
#include "apps/train/ablation.h"
#include "apps/vision/commands.h"

namespace gmlp {

namespace {

PlannedRun plan_run(const std::vector<std::string>& recipe,
                    const std::vector<std::string>& arguments, const Json& /*row*/,
                    bool /*complete*/) {
  const VisionOptions options = parse_train(arguments, parse_train(recipe));
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
  AblationOptions options;
  CLI::App app("", "gmlp-vision ablate");
  add_ablation_options(app, "vision", options);
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
  return ablate({"vision", plan_run}, rows, options);
}

}  // namespace gmlp
