// gmlp-language info: a model's size and the cost of training it.

#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"

namespace gmlp {

namespace {

void print_costs(const LanguageConfig& config, int64_t batch_size, const Arithmetic& arithmetic) {
  const BlockConfig& block = config.block;
  const double gflops = config.forward_flops() / 1e9;
  const double activations = static_cast<double>(
      training_memory(config, batch_size, arithmetic.dtype, arithmetic.execution));
  // Weights, gradients and the two moments of AdamW.
  const double state =
      static_cast<double>(4 * dtype_size(arithmetic.dtype) * config.parameter_count());
  const double megabyte = 1 << 20;
  fmt::print("{}\n", config.name);
  fmt::print("parameters       {}\n", grouped(config.parameter_count()));
  fmt::print("input            {} tokens of {}{}\n", block.tokens, grouped(config.vocab),
             block.causal ? ", causal" : "");
  fmt::print("blocks           {} of {}, d_model {}, d_ffn {}", config.depth,
             kLanguageArchs.name(config.arch), block.d_model, block.d_ffn);
  if (config.arch == Arch::kGmlp) {
    fmt::print(", gate {}{}{}", kGates.name(block.gate), block.toeplitz ? ", Toeplitz" : "",
               block.d_attn > 0 ? fmt::format(", tiny attention {}", block.d_attn) : "");
  }
  fmt::print("\nforward          {:.3f} GFLOPs per sequence ({:.3f} G multiply-adds)\n", gflops,
             gflops / 2);
  fmt::print("training step    {:.1f} GFLOPs at batch size {}\n",
             3 * gflops * static_cast<double>(batch_size), batch_size);
  fmt::print("memory           {:.0f} MB: activations {:.0f}, weights and optimizer {:.0f}\n",
             (activations + state) / megabyte, activations / megabyte, state / megabyte);
}

}  // namespace

int language_info(const std::vector<std::string>& arguments) {
  LanguageModelOptions options;
  int64_t batch_size = 32;
  bool tensors = false;
  std::string precision = "f32";
  bool checkpoint = false;
  CLI::App app(
      fmt::format("Describe a model. Named models: {}", fmt::join(language_config_names(), ", ")),
      "gmlp-language info");
  add_config_option(app);
  add_language_model_options(app, options);
  app.get_option("--model")->required();
  app.option_defaults()->always_capture_default();
  OptionGroup(app, "Training step")
      .integer("--batch-size", batch_size, "Sequences per step", 1, kLargestBatch);
  app.add_option("--precision", precision, "f32, bf16 or f64");
  app.add_flag("--checkpoint-activations", checkpoint, "Keep only each block's input");
  app.option_defaults()->group("Options");
  app.add_flag("--tensors", tensors, "List the name and the shape of every tensor");
  if (!parse_arguments(app, arguments)) return kExitSuccess;

  const LanguageConfig config = choose_language_model(options);
  if (tensors) {
    const LanguageModel model(config, DType::kF32, 0, Storage::kMeta);
    for (const Parameter* parameter : model.parameters()) {
      fmt::print("{} {}\n", parameter->name, parameter->value.shape().to_string());
    }
    return kExitSuccess;
  }
  Arithmetic arithmetic = arithmetic_from(precision, "fused");
  require_precision(arithmetic.execution, config.arch, config.block);
  arithmetic.execution.checkpoint = checkpoint;
  print_costs(config, batch_size, arithmetic);
  return kExitSuccess;
}

}  // namespace gmlp
