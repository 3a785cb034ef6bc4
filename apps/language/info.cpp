// gmlp-language info: what a model is and what training it costs.

#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/config_file.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/train/metrics.h"

namespace gmlp {

namespace {

void print_costs(const LanguageConfig& config, int64_t batch_size, const Arithmetic& arithmetic) {
  const double forward = config.forward_flops() / 1e9;
  const double megabyte = 1 << 20;
  const int64_t parameters = config.parameter_count();
  const double activations = static_cast<double>(
      training_memory(config, batch_size, arithmetic.dtype, arithmetic.execution));
  // Weights, gradients and AdamW's two moments.
  const double state = static_cast<double>(4 * dtype_size(arithmetic.dtype) * parameters);
  const BlockConfig& block = config.block;
  fmt::print("{}\n", config.name);
  fmt::print("parameters       {}\n", grouped(parameters));
  fmt::print("input            {} tokens of {}{}\n", block.tokens, grouped(config.vocab),
             block.causal ? ", causal" : "");
  fmt::print("blocks           {} of {}, d_model {}, d_ffn {}", config.depth,
             arch_name(config.arch), block.d_model, block.d_ffn);
  if (config.arch == Arch::kGmlp) {
    fmt::print(", gate {}{}{}", gate_name(block.gate), block.toeplitz ? ", Toeplitz" : "",
               block.d_attn > 0 ? fmt::format(", tiny attention {}", block.d_attn) : "");
  }
  fmt::print("\nforward          {:.3f} GFLOPs a sequence ({:.3f} G multiply-adds)\n", forward,
             forward / 2);
  fmt::print("training step    {:.1f} GFLOPs at batch size {}\n",
             3 * forward * static_cast<double>(batch_size), batch_size);
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
  CLI::App app("Describe a model. Named models: " +
                   fmt::format("{}", fmt::join(language_config_names(), ", ")),
               "gmlp-language info");
  add_config_option(app);
  add_language_model_options(app, options);
  app.get_option("--model")->required();
  app.add_option("--batch-size", batch_size, "Of the training step that is predicted")
      ->check(integer_in(1, kLargestBatch));
  app.add_option("--precision", precision, "f32, bf16 or f64, of that step");
  app.add_flag("--checkpoint-activations", checkpoint, "In that step");
  app.add_flag("--tensors", tensors, "List all tensors: name and shape");
  if (!parse_arguments(app, arguments)) return kExitSuccess;

  const LanguageConfig config = choose_language_model(options);
  if (tensors) {
    const LanguageModel built(config, DType::kF32, 0, Storage::kMeta);
    for (const Parameter* parameter : built.parameters()) {
      fmt::print("{} {}\n", parameter->name, parameter->value.shape().to_string());
    }
    return kExitSuccess;
  }
  Arithmetic arithmetic = arithmetic_from(precision, "fused");
  if (arithmetic.execution.precision == fused::Precision::kBf16) require_bf16_fits(config);
  arithmetic.execution.checkpoint = checkpoint;
  print_costs(config, batch_size, arithmetic);
  return kExitSuccess;
}

}  // namespace gmlp
