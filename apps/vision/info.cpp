// gmlp-vision info: what a model is and what training it costs.

#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/config_file.h"
#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"
#include "apps/vision/model_choice.h"

namespace gmlp {

int run_info(const std::vector<std::string>& arguments) {
  std::string model;
  int64_t batch_size = 128;
  bool tensors = false;
  bool class_token = false;
  std::string precision = "f32";
  bool checkpoint = false;
  CLI::App app("Describe a model. Named models: " +
                   fmt::format("{}", fmt::join(vision_config_names(), ", ")),
               "gmlp-vision info");
  add_config_option(app);
  app.add_option("--model", model, "A name, a checkpoint folder or FILE.json")
      ->required()
      ->type_name("NAME|DIR|FILE");
  app.add_option("--batch-size", batch_size, "Of the training step that is predicted")
      ->check(integer_in(1, kLargestBatch));
  app.add_option("--precision", precision, "f32, bf16 or f64, of that step");
  app.add_flag("--checkpoint-activations", checkpoint, "In that step");
  app.add_flag("--class-token", class_token, "The paper's class token, no mean over tokens");
  app.add_flag("--tensors", tensors, "List all tensors: name and shape");
  if (!parse_arguments(app, arguments)) return kExitSuccess;

  VisionConfig config = named_or_stored_config(model);
  if (class_token) config.class_token = true;
  if (tensors) {
    const VisionModel built(config, DType::kF32, 0);
    for (const Parameter* parameter : built.parameters()) {
      fmt::print("{} {}\n", parameter->name, parameter->value.shape().to_string());
    }
    return kExitSuccess;
  }
  const double forward = config.forward_flops() / 1e9;
  const double megabyte = 1 << 20;
  const int64_t parameters = config.parameter_count();
  Arithmetic arithmetic = arithmetic_from(precision, "fused");
  arithmetic.execution.checkpoint = checkpoint;
  const int64_t activations =
      training_memory(config, batch_size, arithmetic.dtype, arithmetic.execution);
  // Weights, gradients and AdamW's two moments.
  const int64_t state = 4 * dtype_size(arithmetic.dtype) * parameters;
  fmt::print("{}\n", config.name);
  fmt::print("parameters       {}\n", grouped(parameters));
  fmt::print("input            {} x {} x {}, patches of {}, {} tokens, {} classes\n", config.chans,
             config.img_height, config.img_width, config.patch, config.tokens(), config.classes);
  fmt::print("blocks           {}, d_model {}, d_ffn {}, gate {}\n", config.depth, config.d_model,
             config.d_ffn, gate_name(config.gate));
  fmt::print("forward          {:.3f} GFLOPs an image ({:.3f} G multiply-adds)\n", forward,
             forward / 2);
  fmt::print("training step    {:.1f} GFLOPs at batch size {}\n",
             3 * forward * static_cast<double>(batch_size), batch_size);
  fmt::print("memory           {:.0f} MB: activations {:.0f}, weights and optimizer {:.0f}\n",
             static_cast<double>(activations + state) / megabyte,
             static_cast<double>(activations) / megabyte, static_cast<double>(state) / megabyte);
  return kExitSuccess;
}

}  // namespace gmlp
