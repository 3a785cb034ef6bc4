// gmlp-vision info: a model's size, and the cost of training it.

#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

int run_info(const std::vector<std::string>& arguments) {
  std::string model, precision = "f32";
  int64_t batch_size = 128;
  bool tensors = false, class_token = false, checkpoint = false;
  CLI::App app(
      fmt::format("Describe a model. Named models: {}", fmt::join(vision_config_names(), ", ")),
      "gmlp-vision info");
  add_config_option(app);
  app.add_option("--model", model, "Name, checkpoint folder or FILE.json")
      ->required()
      ->type_name("NAME|DIR|FILE");
  app.add_option("--batch-size", batch_size, "Images per training step")
      ->check(integer_in(1, kLargestBatch))
      ->capture_default_str();
  app.add_option("--precision", precision, "Precision of the training step: f32, bf16 or f64")
      ->capture_default_str();
  app.add_flag("--checkpoint-activations", checkpoint, "Recompute activations in the backward");
  app.add_flag("--class-token", class_token, "Use a class token in place of the mean over tokens");
  app.add_flag("--tensors", tensors, "List the names and shapes of all tensors");
  if (!parse_arguments(app, arguments)) return kExitSuccess;

  VisionConfig config = named_or_stored_config(model);
  if (class_token) config.class_token = true;
  if (tensors) {
    const VisionModel built(config, DType::kF32, 0, Storage::kMeta);
    for (const Parameter* parameter : built.parameters()) {
      fmt::print("{} {}\n", parameter->name, parameter->value.shape().to_string());
    }
    return kExitSuccess;
  }
  const double gflops = config.forward_flops() / 1e9;
  const int64_t parameters = config.parameter_count();
  Arithmetic arithmetic = arithmetic_from(precision, "fused");
  arithmetic.execution.checkpoint = checkpoint;
  const int64_t activations =
      training_memory(config, batch_size, arithmetic.dtype, arithmetic.execution);
  // Weights, gradients and AdamW's two moments.
  const int64_t state = 4 * dtype_size(arithmetic.dtype) * parameters;
  const auto megabytes = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::string mixing = fmt::format(", gate {}", kGates.name(config.gate));
  if (config.is_vit()) mixing = fmt::format(", {} heads", config.heads);
  if (config.arch == Arch::kMixer) mixing = fmt::format(", spatial_ffn {}", config.spatial_ffn);
  fmt::print(
      "{}\n"
      "parameters       {}\n"
      "input            {} x {} x {}, patches of {}, {} tokens, {} classes\n"
      "blocks           {}, {}, d_model {}, d_ffn {}{}\n"
      "forward          {:.3f} GFLOPs per image ({:.3f} G multiply-adds)\n"
      "training step    {:.1f} GFLOPs at batch size {}\n"
      "memory           {:.0f} MB: activations {:.0f}, weights and optimizer {:.0f}\n",
      config.name, grouped(parameters), config.chans, config.img_height, config.img_width,
      config.patch, config.tokens(), config.classes, config.depth, kVisionArchs.name(config.arch),
      config.d_model, config.d_ffn, mixing, gflops, gflops / 2,
      3 * gflops * static_cast<double>(batch_size), batch_size, megabytes(activations + state),
      megabytes(activations), megabytes(state));
  return kExitSuccess;
}

}  // namespace gmlp
