#pragma once
// What `info` of both programs prints: a model's size, and the cost of training it.

#include <CLI/CLI.hpp>
#include <string>

#include <fmt/format.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

struct InfoOptions {
  int64_t batch_size = 0;
  std::string precision = "f32";
  bool checkpoint = false, tensors = false;
};

/// `samples` of a training step, such as "Images".
inline void add_info_options(CLI::App& app, InfoOptions& options, const std::string& samples) {
  OptionGroup step(app, "Training step");
  app.option_defaults()->always_capture_default();
  step.integer("--batch-size", options.batch_size, (samples + " per step").c_str(), 1,
               kLargestBatch);
  app.add_option("--precision", options.precision, "f32, bf16 or f64");
  app.add_flag("--checkpoint-activations", options.checkpoint, "Keep only each block's input");
  app.option_defaults()->group("Options");
  app.add_flag("--tensors", options.tensors, "List the name and the shape of every tensor");
}

/// Prints the model of `block`s, with `lines` on its input and blocks, or its tensors. `sample` is
/// the unit of a batch, such as "image", and `forward_flops` are those of one.
template <class Model, class Config>
void print_info(const Config& config, const BlockConfig& block, const InfoOptions& options,
                const std::string& lines, const char* sample, double forward_flops) {
  if (options.tensors) {
    const Model model(config, DType::kF32, 0, Storage::kMeta);
    for (const Parameter* parameter : model.parameters()) {
      fmt::print("{} {}\n", parameter->name, parameter->value.shape().to_string());
    }
    return;
  }
  Arithmetic arithmetic = arithmetic_from(options.precision, "fused");
  require_precision(arithmetic.execution, config.arch, block);
  arithmetic.execution.checkpoint = options.checkpoint;
  constexpr double kMegabyte = 1 << 20;
  const double activations = static_cast<double>(
      training_memory(config, options.batch_size, arithmetic.dtype, arithmetic.execution));
  // Weights, gradients and the two moments of AdamW.
  const double state =
      static_cast<double>(4 * dtype_size(arithmetic.dtype) * config.parameter_count());
  const double gflops = forward_flops / 1e9;
  const auto text = [](double value) {
    return value < 100 ? fmt::format("{:.3g}", value) : fmt::format("{:.0f}", value);
  };
  fmt::print(
      "{}\n"
      "parameters       {}\n"
      "{}"
      "forward          {} GFLOPs per {} ({} G multiply-adds)\n"
      "training step    {} GFLOPs at batch size {}\n"
      "memory           {:.0f} MB: activations {:.0f}, weights and optimizer {:.0f}\n",
      config.name, grouped(config.parameter_count()), lines, text(gflops), sample, text(gflops / 2),
      text(3 * gflops * static_cast<double>(options.batch_size)), options.batch_size,
      (activations + state) / kMegabyte, activations / kMegabyte, state / kMegabyte);
}

}  // namespace gmlp
