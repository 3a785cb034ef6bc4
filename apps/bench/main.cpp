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
#include "kernels/kernels.h"

namespace gmlp {

namespace {

void add_infer_options(CLI::App& app, BenchOptions& options) {
  OptionGroup group(app, "Options");
  group.text("--model", options.model, "NAME", "Named model; an unknown name lists them");
  group.integer("--depth", options.depth, "Number of blocks; 0 = the model's", 0, 10000);
  group.integer("--vocab-size", options.vocab_size,
                "Vocabulary size of a language model; 0 = the model's", 0, 1 << 24);
  group.integer("--seq-len", options.seq_len,
                "Tokens per sample of a language model; 0 = the model's", 0, 1 << 20);
  group.integer("--batch-size", options.batch_size, "Samples per batch", 1, kLargestBatch);
  add_arithmetic_options(app, options.precision, options.kernels);
  group.text("--init", options.init, "FILE.safetensors", "Initial weights");
  group.text("--input-array", options.input_array, "FILE.npy", "Batch of images, float32 NCHW");
  app.add_flag("--profile", options.profile, "Also print the time of each operation");
}

void add_step_options(CLI::App& app, BenchOptions& options) {
  add_infer_options(app, options);
  app.add_flag("--checkpoint-activations", options.checkpoint_activations,
               "Save only the blocks' inputs and recompute the rest in the backward");
}

void add_kernels_options(CLI::App& app, BenchOptions& options) {
  OptionGroup group(app, "Options");
  group.text("--only", options.only, "TEXT", "Measure only cases whose title contains TEXT");
}

struct BenchCommand {
  const char* name;
  const char* description;
  void (*run)(const BenchOptions& options);
  void (*add_options)(CLI::App& app, BenchOptions& options) = [](CLI::App&, BenchOptions&) {};
  bool on_ranks = false;
};

constexpr BenchCommand kCommands[] = {
    {"kernels", "every kernel, beside Eigen, OpenBLAS and oneDNN if installed", run_kernels,
     add_kernels_options},
    {"step", "a training step: forward, backward, optimizer, memory", run_step, add_step_options},
    {"infer", "a forward pass without gradients", run_infer, add_infer_options},
    {"scaling", "a training step on more threads, and on more machines: predicted, or under mpirun",
     run_scaling, add_step_options, true},
    {"peak", "the machine's peak: multiply-adds, bf16 products, bandwidth", run_peak},
    {"ladder", "one product from three loops to the fused kernel", run_ladder},
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
void require_writable(const std::string& path) {
  if (path.empty()) return;
  const bool exists = std::filesystem::exists(path);
  if (!std::ofstream(path, std::ios::app)) {
    fail_input("--json {}: cannot be written: {}; name a file in an existing folder", path,
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
  refuse_if(std::ranges::find(isas, name) == isas.end(),
            "--isa {}: not an instruction set that this processor and build run; use {}", name,
            fmt::join(isas, " or "));
  setenv("GMLP_ISA", name.c_str(), 1);
}

int run(const BenchCommand& command, const std::vector<std::string>& arguments) {
  BenchOptions options;
  CLI::App app(command.description, std::string("gmlp-bench ") + command.name);
  app.option_defaults()->always_capture_default();
  add_config_option(app);
  add_threads_option(app, options.threads);
  app.add_option("--isa", options.isa, "Instruction set: scalar, avx2, ...; by default the best")
      ->type_name("NAME");
  app.add_option("--repeat", options.repeat, "Number of measurements; 0 = the subcommand's")
      ->check(integer_in(0, 1000000));
  app.add_option("--json", options.json, "File for the numbers")->type_name("FILE");
  command.add_options(app, options);
  parse_arguments(app, arguments);
  require_writable(options.json);
  choose_isa(options.isa);
  use_threads(options.threads);
  command.run(options);
  return kExitSuccess;
}

}  // namespace

}  // namespace gmlp

int main(int argc, char** argv) {
  std::vector<gmlp::Subcommand> all;
  for (const gmlp::BenchCommand& command : gmlp::kCommands) {
    all.push_back({command.name, [&](const auto& given) { return gmlp::run(command, given); },
                   command.on_ranks});
  }
  return gmlp::run_main("gmlp-bench", gmlp::usage().c_str(), all, argc, argv);
}
