// gmlp-bench: how fast a training step is, and how near to what the machine can do.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include <fmt/format.h>

#include "autograd/ops.h"
#include "autograd/optimizer.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "kernels/dispatch.h"
#include "kernels/peak.h"
#include "models/vision.h"

namespace gmlp {

namespace {

struct StepOptions {
  std::string model = "gmlp_s16_224";
  int64_t batch_size = 8;
  int threads = 0;
  int repeat = 7;
  std::string kernels = "fused";
  std::string json;
};

struct Spread {
  double median, low, high;
};

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A batch of random images and one-hot targets: a step's time does not depend on what they show.
struct RandomBatch {
  Tensor images;
  Tensor targets;
  RandomBatch(const VisionConfig& config, int64_t batch)
      : images(
            Tensor::zeros(DType::kF32, {batch, config.chans, config.img_height, config.img_width})),
        targets(Tensor::zeros(DType::kF32, {batch, config.classes})) {
    Random random(1, Purpose::kSample);
    for (int64_t i = 0; i < images.elements(); ++i) {
      images.data<float>()[i] = static_cast<float>(random.uniform(-1, 1));
    }
    for (int64_t b = 0; b < batch; ++b) {
      targets.data<float>()[b * config.classes + b % config.classes] = 1;
    }
  }
};

struct StepTimes {
  double forward, backward, optimizer;
};

StepTimes time_step(VisionModel& model, AdamW& optimizer, Arena& arena, Family family,
                    const RandomBatch& batch) {
  arena.reset();
  Tape tape(arena, family, true);
  const double t0 = seconds();
  const Var loss =
      cross_entropy(tape, model.forward(tape, batch.images, ForwardContext{}), batch.targets, 1.0);
  const double t1 = seconds();
  tape.backward(loss);
  const double t2 = seconds();
  const double norm = global_gradient_norm(model.parameters());
  optimizer.step(1e-3, 1.0 / std::max(1.0, norm));
  return {t1 - t0, t2 - t1, seconds() - t2};
}

void run_step(const StepOptions& options) {
  if (options.threads > 0) set_thread_count(options.threads);
  const VisionConfig config = vision_config(options.model);
  const Family family = options.kernels == "reference" ? Family::kReference : Family::kFused;
  VisionModel model(config, DType::kF32, 1);
  AdamW optimizer(model.parameters(), AdamWOptions{});
  Arena arena;
  const RandomBatch batch(config, options.batch_size);
  for (int i = 0; i < 2; ++i) time_step(model, optimizer, arena, family, batch);

  // The peak of the machine before and after each step; a step is judged by the mean of the two.
  const double flops = 3 * config.forward_flops() * static_cast<double>(options.batch_size);
  std::vector<double> forward, backward, update, whole, rates, shares, peaks;
  double peak = machine_peak_gflops(thread_count(), 0.05);
  for (int i = 0; i < options.repeat; ++i) {
    const StepTimes times = time_step(model, optimizer, arena, family, batch);
    const double next_peak = machine_peak_gflops(thread_count(), 0.05);
    const double total = times.forward + times.backward + times.optimizer;
    forward.push_back(times.forward * 1e3);
    backward.push_back(times.backward * 1e3);
    update.push_back(times.optimizer * 1e3);
    whole.push_back(total * 1e3);
    rates.push_back(flops / total * 1e-9);
    peaks.push_back((peak + next_peak) / 2);
    shares.push_back(100 * rates.back() / peaks.back());
    peak = next_peak;
  }
  nlohmann::json rows = nlohmann::json::array();
  fmt::print("{} batch {} f32, {} kernels on {}, {} threads; median (least to most) of {}\n",
             config.name, options.batch_size, options.kernels, isa_name(), thread_count(),
             options.repeat);
  const auto line = [&](const char* what, const std::vector<double>& values, const char* unit) {
    const Spread s = spread_of(values);
    fmt::print("  {:<16}{:>10.2f} {:<9} ({:.2f} to {:.2f})\n", what, s.median, unit, s.low, s.high);
    rows.push_back(
        {{"what", what}, {"median", s.median}, {"low", s.low}, {"high", s.high}, {"unit", unit}});
  };
  line("forward", forward, "ms");
  line("backward", backward, "ms");
  line("optimizer", update, "ms");
  line("whole step", whole, "ms");
  line("speed", rates, "GFLOP/s");
  line("machine peak", peaks, "GFLOP/s");
  line("share of peak", shares, "%");
  const double step_seconds = spread_of(whole).median * 1e-3;
  fmt::print("  {:<16}{:>10.2f}\n", "samples/s",
             static_cast<double>(options.batch_size) / step_seconds);
  fmt::print("  {:<16}{:>10.2f} MB of activations and workspace\n", "peak memory",
             static_cast<double>(arena.peak_bytes()) * 1e-6);
  if (!options.json.empty()) {
    std::ofstream out(options.json);
    out << nlohmann::json{{"rows", rows},
                          {"machine", {{"isa", isa_name()}, {"threads", thread_count()}}}}
               .dump(2)
        << "\n";
    if (!out.flush()) fail_run("{}: could not be written; choose another --json", options.json);
  }
}

void run_peak(int threads) {
  if (threads > 0) set_thread_count(threads);
  const int all = thread_count();
  fmt::print("f32 fused multiply-add on {}: {:.1f} GFLOP/s on 1 thread", isa_name(), [] {
    set_thread_count(1);
    return machine_peak_gflops(1, 0.5);
  }());
  set_thread_count(all);
  fmt::print(", {:.1f} on {}\n", machine_peak_gflops(all, 0.5), all);
}

int run(int argc, char** argv) {
  CLI::App app("gmlp-bench: how fast, and how near to what the machine can do");
  app.require_subcommand(1);
  StepOptions options;
  CLI::App* step = app.add_subcommand("step", "one training step: forward, backward, optimizer");
  step->add_option("--model", options.model, "a named model")->capture_default_str();
  step->add_option("--batch-size", options.batch_size)->check(CLI::PositiveNumber);
  step->add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  step->add_option("--repeat", options.repeat)->check(CLI::PositiveNumber);
  step->add_option("--kernels", options.kernels)->check(CLI::IsMember({"fused", "reference"}));
  step->add_option("--json", options.json, "write the rows to this file");
  CLI::App* peak = app.add_subcommand("peak", "what this machine can do at most");
  peak->add_option("--threads", options.threads)->check(CLI::PositiveNumber);
  try {
    app.parse(argc, argv);
    if (step->parsed()) run_step(options);
    if (peak->parsed()) run_peak(options.threads);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const InputError& error) {
    fmt::print(stderr, "gmlp-bench: {}\n", error.what());
    return 2;
  }
  return 0;
}

}  // namespace

}  // namespace gmlp

int main(int argc, char** argv) {
  try {
    return gmlp::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gmlp-bench: {}\n", error.what());
    return 1;
  }
}
