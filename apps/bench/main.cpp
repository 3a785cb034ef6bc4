// gmlp-bench: how fast, and how near to what the machine can do.

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "apps/bench/options.h"
#include "apps/cli/config_file.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

constexpr const char* kUsage =
    "gmlp-bench measures how fast gMLPs train and run, against what the machine could do.\n\n"
    "  gmlp-bench kernels   every kernel, beside Eigen, OpenBLAS and oneDNN where found\n"
    "  gmlp-bench step      one training step: forward, backward, optimizer, memory\n"
    "  gmlp-bench infer     one forward pass that keeps nothing\n"
    "  gmlp-bench decode    a causal model writing, with its cache and without\n"
    "  gmlp-bench peak      what the machine does at most: multiply-adds, bf16 products, "
    "bandwidth\n"
    "  gmlp-bench ladder    one product from three loops to the fused kernel, rung by rung\n\n"
    "Try: gmlp-bench step --model gmlp_ti16_224 --batch-size 16 --profile\n"
    "`gmlp-bench VERB --help` lists a verb's options.\n";

struct Verb {
  const char* name;
  const char* what;
  void (*run)(const BenchOptions& options);
  bool takes_model;
};

// What `gmlp-bench VERB` runs. A new verb is a line here, one in kUsage and a function.
constexpr Verb kVerbs[] = {
    {"kernels", "every kernel at the models' shapes", run_kernels, false},
    {"step", "one training step", run_step, true},
    {"infer", "one forward pass that keeps nothing", run_infer, true},
    {"decode", "a causal model writing, with its cache and without", run_decode, false},
    {"peak", "what the machine does at most", run_peak, false},
    {"ladder", "from three loops to the fused kernel, on one thread", run_ladder, false},
};

void add_common_options(CLI::App& app, BenchOptions& options) {
  app.add_option("--threads", options.threads, "How many threads; all without it")
      ->check(integer_in(1, 4096));
  app.add_option("--isa", options.isa, "Instruction set: scalar, avx2, ...; the best without it")
      ->type_name("NAME");
  app.add_option("--repeat", options.repeat, "How often to measure")->check(integer_in(1, 1000000));
  app.add_option("--json", options.json, "Write the numbers to FILE, too")->type_name("FILE");
}

void add_model_options(CLI::App& app, BenchOptions& options) {
  app.add_option("--model", options.model, "A named model; an unknown name lists them")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Samples")
      ->check(integer_in(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--depth", options.depth, "Another number of blocks")->check(integer_in(1, 10000));
  app.add_option("--vocab-size", options.vocab_size, "Another number of words, of a language model")
      ->check(integer_in(1, 1 << 24));
  app.add_option("--precision", options.precision, "f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_option("--kernels", options.kernels, "fused or reference")
      ->check(CLI::IsMember({"fused", "reference"}))
      ->capture_default_str();
  app.add_option("--init", options.init, "Start from these weights")->type_name("FILE.safetensors");
  app.add_option("--input-array", options.input_array, "Take these images, float32 NCHW")
      ->type_name("FILE.npy");
  app.add_flag("--profile", options.profile, "Say where the time goes");
}

void add_decode_options(CLI::App& app, BenchOptions& options) {
  options.model = "gmlp_char";
  options.batch_size = 1;
  app.add_option("--model", options.model, "A named causal model")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--seq-len", options.seq_len, "Tokens of the window, and to write")
      ->check(integer_in(1, int64_t{1} << 13))  // W has its square
      ->capture_default_str();
  app.add_option("--depth", options.depth, "Another number of blocks")->check(integer_in(1, 10000));
  app.add_option("--vocab-size", options.vocab_size, "Another number of words")
      ->check(integer_in(1, 1 << 24));
}

/// Before minutes of measuring, not after them.
void require_place_to_write(const char* option, const std::string& path) {
  if (path.empty()) return;
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  if (std::filesystem::is_directory(path)) {
    fail_input("{} {}: a folder; name a file in it", option, path);
  }
  if (!std::filesystem::is_directory(folder)) {
    fail_input("{} {}: there is no folder {}; make it, or choose another", option, path,
               folder.string());
  }
  if (access(folder.c_str(), W_OK) != 0) {
    fail_input("{} {}: you may not write into {}; choose another folder", option, path,
               folder.string());
  }
}

/// Chooses the kernels' table before anything asks for it.
void choose_isa(const std::string& name) {
  if (name.empty()) return;
  // The table's own check would speak of GMLP_ISA, which the user did not type.
  std::vector<std::string> names;
  for (const fused::Kernels* table : fused::available_kernels()) names.emplace_back(table->isa);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    fail_input("--isa {}: not an instruction set that this processor and build run; use {}", name,
               fmt::join(names, " or "));
  }
  setenv("GMLP_ISA", name.c_str(), 1);
}

int run_verb(const Verb& verb, const std::vector<std::string>& arguments) {
  BenchOptions options;
  CLI::App app(verb.what, std::string("gmlp-bench ") + verb.name);
  add_config_option(app);
  add_common_options(app, options);
  if (verb.takes_model) {
    add_model_options(app, options);
    if (verb.run == run_step) {
      app.add_flag("--checkpoint-activations", options.checkpoint_activations,
                   "Keep the blocks' inputs only and compute the rest again");
    }
  } else if (verb.run == run_decode) {
    add_decode_options(app, options);
  } else if (verb.run == run_kernels) {
    app.add_option("--only", options.only, "Cases whose title contains TEXT")->type_name("TEXT");
    app.add_option("--svg", options.svg, "Draw the shares of the peak")->type_name("FILE.svg");
  }
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  require_place_to_write("--json", options.json);
  require_place_to_write("--svg", options.svg);
  choose_isa(options.isa);
  if (options.threads > 0) set_thread_count(options.threads);
  verb.run(options);
  return kExitSuccess;
}

}  // namespace

}  // namespace gmlp

int main(int argc, char** argv) {
  std::vector<gmlp::Subcommand> subcommands;
  for (const gmlp::Verb& verb : gmlp::kVerbs) {
    subcommands.push_back({verb.name, [&verb](const std::vector<std::string>& arguments) {
                             return gmlp::run_verb(verb, arguments);
                           }});
  }
  return gmlp::run_main("gmlp-bench", gmlp::kUsage, subcommands, argc, argv);
}
