// gmlp-bench: how fast gMLPs train and run, and what share of the machine's peak they reach.

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "apps/bench/measure.h"
#include "apps/bench/usage.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/ranks/ranks.h"
#include "core/error.h"
#include "core/io/file.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

struct BenchCommand {
  const char* name;
  const char* description;
  Json (*run)(const BenchOptions& options);
  int64_t repeat;  // by default
};

constexpr BenchCommand kCommands[] = {
    {"kernels", "Every kernel, beside Eigen, OpenBLAS and oneDNN if installed", run_kernels, 9},
    {"step", "A training step: forward, backward, optimizer, memory", run_step, 7},
    {"infer", "A forward pass without gradients", run_infer, 15},
    {"scaling", "A training step on more threads, and on more machines: predicted, or under mpirun",
     run_scaling, 5},
    {"peak", "The machine's peak: multiply-adds, bf16 products, bandwidth", run_peak, 7},
};

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

void add_model_options(CLI::App& app, OptionGroup& group, BenchOptions& options) {
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
}

int run(const BenchCommand& command, const std::vector<std::string>& arguments) {
  const auto is = [&](auto... runs) { return ((command.run == runs) || ...); };
  std::vector<std::string> isas;
  for (const fused::Kernels* table : fused::available_kernels()) isas.emplace_back(table->isa);
  BenchOptions options;
  options.repeat = command.repeat;
  CLI::App app(command.description, std::string("gmlp-bench ") + command.name);
  app.option_defaults()->always_capture_default();
  OptionGroup group(app, "Options");
  add_config_option(app);
  add_threads_option(app, options.threads);
  group.choice("--isa", options.isa,
               "Instruction set that this processor and build run; by default the best", isas);
  group.integer("--repeat", options.repeat, "Number of measurements", 1, 1000000);
  group.text("--json", options.json, "FILE", "File for the numbers");
  if (is(run_step, run_infer, run_scaling)) add_model_options(app, group, options);
  if (is(run_step, run_infer)) {
    app.add_flag("--profile", options.profile, "Also print the time of each operation");
  }
  if (is(run_step, run_scaling)) {
    app.add_flag("--checkpoint-activations", options.checkpoint_activations,
                 "Save only the blocks' inputs and recompute the rest in the backward");
  }
  if (is(run_kernels)) {
    group.text("--only", options.only, "TEXT", "Measure only cases whose title contains TEXT");
  }
  parse_arguments(app, arguments);
  require_writable(options.json);
  if (!options.isa.empty()) setenv("GMLP_ISA", options.isa.c_str(), 1);  // before its first use
  use_threads(options.threads);
  const Json rows = command.run(options);
  if (options.json.empty() || !is_root()) return kExitSuccess;
  const Json machine = parse_json(environment_json(), "machine");
  write_file_atomic(options.json, json_text({{"rows", rows}, {"machine", machine}}));
  fmt::print("written  {}\n", options.json);
  return kExitSuccess;
}

}  // namespace

}  // namespace gmlp

int main(int argc, char** argv) {
  std::vector<gmlp::Subcommand> all;
  for (const gmlp::BenchCommand& command : gmlp::kCommands) {
    all.push_back({command.name, [&](const auto& given) { return gmlp::run(command, given); },
                   command.run == gmlp::run_scaling});
  }
  return gmlp::run_main("gmlp-bench", kBenchUsage, all, argc, argv);
}
