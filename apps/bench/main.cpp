// gmlp-bench: how fast gMLPs train and run, and what share of the machine's peak they reach.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "apps/bench/measure.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

void add_infer_options(CLI::App& app, BenchOptions& options) {
  const auto add_size = [&](const char* name, int64_t& value, int64_t high, const char* what) {
    app.add_option(name, value, fmt::format("{} (default: the model's)", what))
        ->check(integer_in(1, high));
  };
  app.add_option("--model", options.model, "Named model; an unknown name lists them")
      ->type_name("NAME")
      ->capture_default_str();
  add_size("--depth", options.depth, 10000, "Number of blocks");
  add_size("--vocab-size", options.vocab_size, 1 << 24, "Vocabulary size of a language model");
  add_size("--seq-len", options.seq_len, 1 << 20, "Tokens per sample of a language model");
  app.add_option("--batch-size", options.batch_size, "Samples per batch")
      ->check(integer_in(1, kLargestBatch))
      ->capture_default_str();
  app.add_option("--precision", options.precision, "Precision of the blocks")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_option("--kernels", options.kernels, "Implementation of the operations")
      ->check(CLI::IsMember({"fused", "reference"}))
      ->capture_default_str();
  app.add_option("--init", options.init, "Initial weights")->type_name("FILE.safetensors");
  app.add_option("--input-array", options.input_array, "Batch of images, float32 NCHW")
      ->type_name("FILE.npy");
  app.add_flag("--profile", options.profile, "Also print the time of each operation");
}

void add_step_options(CLI::App& app, BenchOptions& options) {
  add_infer_options(app, options);
  app.add_flag("--checkpoint-activations", options.checkpoint_activations,
               "Save only the blocks' inputs and recompute the rest in the backward");
}

void add_ladder_options(CLI::App& app, BenchOptions& options) {
  app.add_option("--csv", options.csv, "File for the numbers that `chart` draws")
      ->type_name("FILE.csv");
}

void add_kernels_options(CLI::App& app, BenchOptions& options) {
  add_ladder_options(app, options);
  app.add_option("--only", options.only, "Measure only cases whose title contains TEXT")
      ->type_name("TEXT");
}

void add_chart_options(CLI::App& app, BenchOptions& options) {
  app.add_option("FILE.csv", options.csv, "Bars: the columns are group, series, value")->required();
  app.add_option("--svg", options.svg, "File for the chart")->required()->type_name("FILE.svg");
}

struct BenchCommand {
  const char* name;
  const char* description;
  void (*run)(const BenchOptions& options);
  void (*add_options)(CLI::App& app, BenchOptions& options);
};

constexpr BenchCommand kCommands[] = {
    {"kernels", "every kernel, beside Eigen, OpenBLAS and oneDNN if installed", run_kernels,
     add_kernels_options},
    {"step", "a training step: forward, backward, optimizer, memory", run_step, add_step_options},
    {"infer", "a forward pass without gradients", run_infer, add_infer_options},
    {"peak", "the machine's peak: multiply-adds, bf16 products, bandwidth", run_peak,
     [](CLI::App&, BenchOptions&) {}},
    {"ladder", "one product from three loops to the fused kernel", run_ladder, add_ladder_options},
    {"chart", "a chart from a CSV file, such as that of kernels or ladder", run_chart,
     add_chart_options},
};

std::string usage() {
  std::string text =
      "gmlp-bench measures how fast gMLPs train and run, beside the machine's peak.\n\n";
  for (const BenchCommand& command : kCommands) {
    text += fmt::format("  gmlp-bench {:<10}{}\n", command.name, command.description);
  }
  return text +
         "\nTry: gmlp-bench step --model gmlp_ti16_224 --batch-size 16 --profile\n"
         "`gmlp-bench SUBCOMMAND --help` lists its options.\n";
}

/// Fails before minutes of measuring, not after them.
void require_writable(const char* option, const std::string& path) {
  if (path.empty()) return;
  const bool exists = std::filesystem::exists(path);
  if (!std::ofstream(path, std::ios::app)) {
    fail_input("{} {}: cannot be written: {}; name a file in an existing folder", option, path,
               std::strerror(errno));
  }
  if (!exists) std::filesystem::remove(path);
}

/// Selects the kernel table before its first use.
void choose_isa(const std::string& name) {
  if (name.empty()) return;
  // The table's own error would name GMLP_ISA, which the user did not set.
  std::vector<std::string> isas;
  for (const fused::Kernels* table : fused::available_kernels()) isas.emplace_back(table->isa);
  if (std::find(isas.begin(), isas.end(), name) == isas.end()) {
    fail_input("--isa {}: not an instruction set that this processor and build run; use {}", name,
               fmt::join(isas, " or "));
  }
  setenv("GMLP_ISA", name.c_str(), 1);
}

int run(const BenchCommand& command, const std::vector<std::string>& arguments) {
  BenchOptions options;
  CLI::App app(command.description, std::string("gmlp-bench ") + command.name);
  add_config_option(app);
  if (command.run != run_chart) {
    add_threads_option(app, options.threads);
    app.add_option("--isa", options.isa, "Instruction set: scalar, avx2, ... (default: the best)")
        ->type_name("NAME");
    app.add_option("--repeat", options.repeat, "Number of measurements")
        ->check(integer_in(1, 1000000));
    app.add_option("--json", options.json, "File for the numbers")->type_name("FILE");
  }
  command.add_options(app, options);
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  require_writable("--json", options.json);
  if (command.run != run_chart) require_writable("--csv", options.csv);
  require_writable("--svg", options.svg);
  choose_isa(options.isa);
  set_thread_count(resolve_threads(options.threads));
  command.run(options);
  return kExitSuccess;
}

}  // namespace

}  // namespace gmlp

int main(int argc, char** argv) {
  std::vector<gmlp::Subcommand> subcommands;
  for (const gmlp::BenchCommand& command : gmlp::kCommands) {
    subcommands.push_back({command.name, [&command](const std::vector<std::string>& arguments) {
                             return gmlp::run(command, arguments);
                           }});
  }
  return gmlp::run_main("gmlp-bench", gmlp::usage().c_str(), subcommands, argc, argv);
}
