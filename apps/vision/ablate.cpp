// gmlp-vision ablate: Table 2 and Figure 2 of the paper at laptop scale, gMLP beside ViT and Mixer
// of the same size, and the gates of Table 3. Every row is an ordinary run of train per seed. All
// runs see the same images in the same order. A repeated command continues where the previous one
// stopped.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/train/ablation.h"
#include "apps/vision/commands.h"
#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

const std::vector<std::string> kSizes = {"pico", "nano", "micro"};

struct AblateOptions : AblationOptions {
  std::vector<std::string> sizes = kSizes;
};

/// Each architecture has the learning rate at which its nano model was best after one epoch, of
/// 1e-3, 2e-3, 4e-3 and 8e-3 with a seed of its own (docs/findings.md).
struct Row {
  std::string series;  // "sizes", or "gates" of the nano size
  std::string name;
  std::string title;
  double lr;
};
const Row kRows[] = {
    {"sizes", "gmlp", "gMLP", 4e-3},
    {"sizes", "vit", "ViT", 2e-3},
    {"sizes", "mixer", "MLP-Mixer", 4e-3},
    {"gates", "linear", "gMLP, linear gate", 4e-3},
    {"gates", "additive", "gMLP, additive gate", 4e-3},
    {"gates", "multiplicative", "gMLP, multiplicative gate", 4e-3},
};

/// A row at a size, and its finished runs.
struct Cell {
  Row row;
  std::string size;
  std::vector<AblationRun> runs = {};
};

/// The defaults of train's options.
VisionOptions recipe(const std::string& model, double lr) {
  VisionOptions options;
  options.model = model;
  options.data = "fashion-mnist";
  options.epochs = 5;
  options.batch_size = 64;
  options.warmup_steps = 200;
  options.log_interval = 50;
  options.aug = "none";
  options.lr = lr;
  return options;
}

/// The run of the cell's seed `index`.
PlannedRun plan_run(Cell& cell, int64_t index, const AblateOptions& options) {
  const auto& [series, name, title, lr] = cell.row;
  const bool gates = series == "gates";
  const VisionOptions defaults =
      recipe(fmt::format("{}_{}_28", gates ? "gmlp" : name, cell.size), lr);
  const VisionOptions given = parse_train(options.shared, defaults);
  refuse_options({"model", "arch", "gate", "depth", "d-model", "d-ffn", "heads", "spatial-ffn",
                  "class-token", "init", "time-limit"},
                 "every row has its own, or none", given.config, parse_train({}, defaults).config);
  refuse_if(given.source.val_fraction <= 0,
            "--val-fraction 0: every row is validated; keep some images for it");
  const std::string seed = std::to_string(given.seed + static_cast<uint64_t>(index));
  const std::string folder = fmt::format("{}/{}-{}/seed-{}", options.out, name, cell.size, seed);
  std::vector<std::string> arguments = options.shared;
  arguments.insert(arguments.end(), {"--seed", seed, "--overwrite", "--out", folder});
  if (gates) arguments.insert(arguments.end(), {"--gate", name});
  const VisionOptions chosen = parse_train(arguments, defaults);
  const auto train_it = [chosen](bool resume) {
    return train(resume ? parse_train({"--resume", chosen.out}) : chosen);
  };
  return {fmt::format("{}, {}, seed {}", title, cell.size, seed), chosen, train_it, &cell.runs};
}

void write_tables(const std::vector<Cell>& cells, const AblateOptions& options) {
  std::string table =
      "| model | size | parameters | top-1, % | validation loss | images/s |\n"
      "|---|---|---|---|---|---|\n";
  Json rows = Json::array();
  for (const Cell& cell : cells) {
    const MeanDeviation top1 = mean_deviation(values_of(cell.runs, &AblationRun::top1));
    const MeanDeviation loss = mean_deviation(values_of(cell.runs, &AblationRun::loss));
    const double speed = median(values_of(cell.runs, &AblationRun::samples_per_s));
    const int64_t parameters = cell.runs.front().parameters;
    table +=
        fmt::format("| {} | {} | {} | {} | {} | {} |\n", cell.row.title, cell.size,
                    grouped(parameters), top1.text(2), loss.text(4), grouped(std::llround(speed)));
    Json runs = Json::array();
    for (const AblationRun& run : cell.runs) {
      runs.push_back({{"seed", run.seed},
                      {"folder", run.folder},
                      {"val_top1", run.top1},
                      {"val_loss", run.loss}});
    }
    rows.push_back({{"series", cell.row.series},
                    {"title", cell.row.title},
                    {"size", cell.size},
                    {"lr", cell.row.lr},
                    {"parameters", parameters},
                    {"top1", to_json(top1)},
                    {"images_per_s", speed},
                    {"runs", runs}});
  }
  if (options.seeds > 1) {
    table += fmt::format("\nMean ± sample standard deviation over {} seeds.\n", options.seeds);
  }
  write_ablation(options.out, table, {{"vision", rows}});
}

}  // namespace

int run_ablate(const std::vector<std::string>& arguments) {
  AblateOptions options;
  CLI::App app(
      "Train gMLP, ViT and MLP-Mixer of equal sizes, and the gates of the paper's Table 3 at the "
      "nano size. All other options, such as --data and --epochs, are those of train and apply to "
      "every row; for images that are not 28 pixels wide, give --img-size and --patch-size",
      "gmlp-vision ablate");
  app.footer(
      "Defaults: --data fashion-mnist --epochs 5 --batch-size 64 --warmup-steps 200 --aug none, "
      "and a learning rate per architecture");
  options.out = "runs/ablation-vision";
  add_ablation_options(app, options, "Runs per row, with consecutive seeds");
  app.add_option("--sizes", options.sizes, "Sizes to train")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->check(CLI::IsMember(kSizes));
  parse_arguments(app, arguments);
  options.shared = app.remaining();

  std::vector<Cell> cells;
  for (const std::string& size : kSizes) {
    if (std::ranges::count(options.sizes, size) == 0) continue;
    for (const Row& row : kRows) {
      if (row.series == "sizes" || size == "nano") cells.push_back({row, size});
    }
  }
  // All commands are checked before the first run.
  std::vector<PlannedRun> runs;
  for (Cell& cell : cells) {
    for (int64_t i = 0; i < options.seeds; ++i) runs.push_back(plan_run(cell, i, options));
  }
  return train_all(runs, [&] { write_tables(cells, options); });
}

}  // namespace gmlp
