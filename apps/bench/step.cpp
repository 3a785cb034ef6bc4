// gmlp-bench step and infer: how fast a training step or a forward pass is, and what share of the
// machine's peak it reaches.
//
//   forward     the model and its loss            2 x multiply-adds of the GEMMs
//   backward    all gradients                     4 x
//   optimizer   gradient norm, clipping, AdamW    not counted, but timed
//
// Recomputation never counts: a step that does more work for the same result is slower. The batch
// is in memory before the clock starts.

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/ranges.h>

#include "apps/bench/cases.h"
#include "apps/bench/measure.h"
#include "apps/ranks/sharded_gradients.h"
#include "autograd/ops.h"
#include "autograd/optimizer.h"
#include "core/error.h"
#include "core/io/npy.h"
#include "core/io/safetensors.h"
#include "core/parallel.h"
#include "core/profile.h"
#include "core/random.h"
#include "kernels/kernels.h"
#include "models/checkpoint/load_models.h"
#include "models/decoder.h"
#include "models/language.h"
#include "models/vision.h"

namespace gmlp {

namespace {

/// A named model with its batch. The batch is the same for every call, so that the loss must fall.
struct Workload {
  std::string name;
  std::vector<Parameter*> parameters;
  double inference_flops;  // 2 x the multiply-adds of the GEMMs of logits()
  double step_flops;       // 3 x those of loss()
  std::function<Var(Tape& tape)> logits;
  std::function<Var(Tape& tape)> loss;
  std::function<void()> prepack_weights;
  std::function<double()> decode = {};  // seconds per token of a window; causal models only
  ExecutionOptions execution = {};
};

/// Random images, or those of --input-array.
Tensor images_for(const BenchOptions& options, const Shape& shape) {
  if (options.input_array.empty()) return random_numbers(shape, 1.0);
  Tensor images = read_npy(options.input_array).to_tensor(DType::kF32, options.input_array);
  refuse_if(!(images.shape() == shape),
            "{}: an array of {}; the model and --batch-size need {} (NCHW)", options.input_array,
            images.shape().to_string(), shape.to_string());
  return images;
}

Workload vision_workload(const VisionConfig& config, const BenchOptions& options) {
  const int64_t batch = options.batch_size;
  const auto model = std::make_shared<VisionModel>(config, DType::kF32, 1);
  const Tensor images =
      images_for(options, {batch, config.chans, config.img_height, config.img_width});
  const Tensor targets = Tensor::zeros(DType::kF32, {batch, config.classes});  // one-hot
  for (int64_t b = 0; b < batch; ++b) {
    targets.data<float>()[b * config.classes + b % config.classes] = 1;
  }
  const double flops = static_cast<double>(batch) * config.forward_flops();
  const auto logits = [=](Tape& tape) { return model->forward(tape, images, ForwardContext{}); };
  return {.name = config.name,
          .parameters = model->parameters(),
          .inference_flops = flops,
          .step_flops = 3 * flops,
          .logits = logits,
          .loss = [=](Tape& tape) { return cross_entropy(tape, logits(tape), targets, 1.0); },
          .prepack_weights = [=] { model->prepack_weights(); }};
}

/// Random tokens. A causal model predicts all of them, a masked one 15 % (paper, section 4).
Workload language_workload(const LanguageConfig& config, const BenchOptions& options) {
  refuse_if(!options.input_array.empty(),
            "--input-array {}: holds images, but {} is a language model; leave it out",
            options.input_array, config.name);
  const int64_t batch = options.batch_size;
  const auto model = std::make_shared<LanguageModel>(config, DType::kF32, 1);
  std::vector<int64_t> ids, targets;
  int64_t scored = 0;
  Random random(1, Purpose::kSample);
  for (int64_t i = 0; i < batch * config.block.tokens; ++i) {
    constexpr int64_t kNotScored = -100;
    const bool counts = config.block.causal || i % 20 < 3;
    ids.push_back(random.below(config.vocab));
    targets.push_back(counts ? ids.back() : kNotScored);
    scored += counts ? 1 : 0;
  }
  // The vocabulary projection is computed, and counts, for the scored rows only.
  const double share = static_cast<double>(scored) / static_cast<double>(ids.size());
  const double samples = static_cast<double>(batch);
  Workload workload{.name = config.name,
                    .parameters = model->parameters(),
                    .inference_flops = samples * config.forward_flops(),
                    .step_flops = 3 * samples * config.forward_flops(share),
                    .logits = [=](Tape& tape) { return model->forward(tape, ids, batch); },
                    .loss = [=](Tape& tape) { return model->loss(tape, ids, targets, batch, 1.0); },
                    .prepack_weights = [=] { model->prepack_weights(); }};
  if (!config.block.causal) return workload;
  workload.decode = [=] {  // the tokens of a window, fed one after the other
    Decoder decoder(*model);
    const Stopwatch watch;
    for (int64_t i = 0; i < config.block.tokens; ++i) decoder.feed(i % config.vocab);
    return watch.seconds() / static_cast<double>(config.block.tokens);
  };
  return workload;
}

/// Throws InputError with all names for an unknown model, and for options that it does not have.
Workload make_workload(const BenchOptions& options) {
  const auto apply = [](int64_t given, int64_t& size) { size = given > 0 ? given : size; };
  Workload workload;
  if (std::ranges::count(language_config_names(), options.model) > 0) {
    LanguageConfig config = language_config(options.model);
    apply(options.depth, config.depth);
    apply(options.vocab_size, config.vocab);
    apply(options.seq_len, config.block.tokens);
    workload = language_workload(config, options);
  } else if (std::ranges::count(vision_config_names(), options.model) > 0) {
    refuse_if(options.vocab_size + options.seq_len > 0,
              "--vocab-size and --seq-len: {} is no language model; leave them out", options.model);
    VisionConfig config = vision_config(options.model);
    apply(options.depth, config.depth);
    workload = vision_workload(config, options);
  } else {
    fail_input("--model {}: no such model; the named ones are {}, {}", options.model,
               fmt::join(vision_config_names(), ", "), fmt::join(language_config_names(), ", "));
  }
  // A head starts as zeros, which would hide any disagreement between programs.
  if (!options.init.empty()) {
    load_weights(workload.parameters, SafetensorsFile::open(options.init), {workload.name, ""});
  }
  workload.execution = arithmetic_from(options.precision, options.kernels).execution;
  workload.execution.checkpoint = options.checkpoint_activations;
  return workload;
}

/// The lines that a run prints, and the JSON row with the same numbers.
class RunTable {
 public:
  /// Memory counts from here, so weights and optimizer state must be allocated.
  RunTable(const BenchOptions& options, const Workload& workload, const char* pass, double flops,
           int repeat)
      : options_(options), flops_(flops), repeat_(repeat) {
    fmt::print("{}, batch {}, {}, one {} of {:.1f} GFLOP\n{}\nmedian (least to most) of {}\n\n",
               workload.name, options.batch_size, options.precision, pass, flops * 1e-9,
               machine_line(), repeat);
    std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets the peak VmHWM to VmRSS
    row = {{"model", workload.name},
           {"batch_size", options.batch_size},
           {"precision", options.precision},
           {"kernels", options.kernels},
           {"checkpoint_activations", options.checkpoint_activations},
           {"isa", isa_name()},
           {"threads", thread_count()},
           {"flops", flops},
           {"process_before_bytes", status_bytes("VmRSS")}};
  }

  /// Runs `pass`, which returns the seconds of each phase, and prints phases, sum and speed.
  void measure(const std::function<std::vector<double>()>& pass,
               const std::vector<std::string>& phases) {
    constexpr int kWarmup = 2;  // the arena grows in the first pass and is merged in the second
    for (int i = 0; i < kWarmup; ++i) pass();
    std::vector<std::vector<double>> seconds(phases.size());
    std::vector<double> totals, rates, samples, peaks, shares;
    double before = peak_gflops(options_.precision, kPeakSeconds);
    for (int i = 0; i < repeat_; ++i) {
      const std::vector<double> times = pass();
      // Each pass has its own peak, so that a clock that changes during the run cancels out.
      const double after = peak_gflops(options_.precision, kPeakSeconds);
      totals.push_back(0);
      for (size_t j = 0; j < times.size(); ++j) {
        seconds[j].push_back(1e3 * times[j]);
        totals.back() += 1e3 * times[j];
      }
      samples.push_back(1e3 * static_cast<double>(options_.batch_size) / totals.back());
      rates.push_back(1e-6 * flops_ / totals.back());
      peaks.push_back(peak_between(before, after).value);
      shares.push_back(100 * rates.back() / peaks.back());
      before = after;
    }
    for (size_t j = 0; j < phases.size(); ++j) line(phases[j], phases[j] + "_ms", seconds[j], "ms");
    if (phases.size() > 1) line("whole step", "whole_step_ms", totals, "ms");
    line("samples/s", "samples_per_s", samples, "");
    line("speed", "gflops", rates, "GFLOP/s");
    line("machine peak", "peak_gflops", peaks, "GFLOP/s");
    line("share of peak", "share_of_peak_percent", shares, "%");
    const auto [low, high] = std::ranges::minmax_element(peaks);
    if (peak_between(*low, *high).moved) {
      fmt::print("  the machine's peak moved during this run: others use it; run it again\n");
    }
  }

  /// The cached decoding of a text, in f32 whatever --precision says.
  void decode(const std::function<double()>& seconds_per_token) {
    std::vector<double> ms(static_cast<size_t>(repeat_));
    for (double& time : ms) time = 1e3 * seconds_per_token();
    line("decoding", "token_ms", ms, "ms/token");
  }

  /// The process's peak is what its user pays for, the arena's what the activations need. The rest
  /// is the threads' stacks and the libraries' memory.
  void memory(const Arena& arena) {
    const int64_t peak = status_bytes("VmHWM"), before = row["process_before_bytes"];
    fmt::print(
        "  {:<16}{:>10.1f} MB        of activations and workspace\n"
        "  {:<16}{:>10.1f} MB        {:.1f} MB above weights and optimizer state\n",
        "peak, arena", 1e-6 * static_cast<double>(arena.peak_bytes()), "peak, process",
        1e-6 * static_cast<double>(peak), 1e-6 * static_cast<double>(peak - before));
    row["arena_peak_bytes"] = arena.peak_bytes();
    row["process_peak_bytes"] = peak;
  }

  /// Prints the time of each operation. Extra passes, because the marks cost time.
  void profile(const std::function<void()>& pass) {
    const double start = now_seconds();
    profile_start();
    for (int i = 0; i < repeat_; ++i) pass();
    profile_stop();
    const double total = now_seconds() - start;
    std::vector<ProfileEntry> entries(profile_entries().begin(), profile_entries().end());
    std::ranges::stable_sort(entries, std::ranges::greater(), &ProfileEntry::seconds);
    const auto print = [&](const std::string& name, double seconds, const std::string& marks) {
      fmt::print("  {:<28}{:>10.3f}{:>9.2f} %{:>8}\n", name, 1e3 * seconds / repeat_,
                 100 * seconds / total, marks);
    };
    fmt::print("\nprofile, mean of {} runs\n  {:<28}{:>10}{:>11}{:>8}\n", repeat_, "", "ms",
               "share", "times");
    double named = 0;
    for (const auto& [phase, op, seconds, marked] : entries) {
      const std::string name = fmt::format("{}{}{}", phase, *phase == '\0' ? "" : " ", op);
      const double marks = static_cast<double>(marked) / repeat_;
      print(name, seconds, fmt::format("{:.0f}", marks));
      named += seconds;
      row["profile"].push_back({{"name", name},
                                {"ms", 1e3 * seconds / repeat_},
                                {"percent", 100 * seconds / total},
                                {"marks", marks}});
    }
    print("named in all", named, "");
    print("not named", total - named, "");  // after a pass's last mark
  }

  Json row;

 private:
  void line(const std::string& what, const std::string& key, const std::vector<double>& values,
            const char* unit) {
    const Spread s = spread_of(values);
    fmt::print("  {:<16}{:>10.2f} {:<9} ({:.2f} to {:.2f})\n", what, s.median, unit, s.low, s.high);
    row[key] = to_json(s);
  }

  const BenchOptions& options_;
  double flops_;
  int repeat_;
};

/// A training step of a workload, again and again.
struct Step {
  explicit Step(const BenchOptions& options, bool on_ranks = false)
      : workload(make_workload(options)), optimizer(workload.parameters, AdamWOptions{}) {
    if (on_ranks) gradients.emplace(workload.parameters, rank_count());
  }

  /// The seconds of forward, backward and optimizer.
  std::vector<double> run() {
    constexpr double kLearningRate = 1e-3;
    arena.reset();
    Tape tape(arena, workload.execution, true);
    if (gradients) tape.after_block = [&](int64_t block) { gradients->finish_block(block); };
    const double t0 = now_seconds();
    const Var loss = workload.loss(tape);
    const double t1 = now_seconds();
    tape.backward(loss);
    if (gradients) gradients->finish_shard();
    const double t2 = now_seconds();
    // Clipped to a norm of 1, as in the trainer and in tools/bench_baselines.
    const double norm = global_gradient_norm(workload.parameters);
    optimizer.step(kLearningRate, 1.0 / std::max(1.0, norm));
    const double t3 = now_seconds();
    losses.push_back(tape.value(loss).at(0));
    return {t1 - t0, t2 - t1, t3 - t2};
  }

  const Workload workload;
  AdamW optimizer;
  std::optional<ShardedGradients> gradients;  // on ranks, a shard for each
  Arena arena;
  std::vector<double> losses;
};

}  // namespace

StepTime median_step(BenchOptions options, int64_t batch_size, bool on_ranks) {
  options.batch_size = batch_size;
  Step step(options, on_ranks);
  std::vector<std::vector<double>> phases(3);
  for (int i = -2; i < options.repeat_or(5); ++i) {
    const std::vector<double> times = step.run();
    for (size_t j = 0; i >= 0 && j < times.size(); ++j) phases[j].push_back(times[j]);
  }
  return {spread_of(phases[0]).median, spread_of(phases[1]).median, spread_of(phases[2]).median,
          count_parameters(step.workload.parameters)};
}

void run_step(const BenchOptions& options) {
  Step step(options);
  const Workload& workload = step.workload;
  RunTable table(options, workload, "training step", workload.step_flops, options.repeat_or(7));
  table.measure([&] { return step.run(); }, {"forward", "backward", "optimizer"});
  table.memory(step.arena);
  fmt::print("  {:<16}{:.5f} first, {:.5f} last\n", "loss", step.losses.front(),
             step.losses.back());
  table.row["losses"] = step.losses;
  if (options.profile) table.profile([&] { step.run(); });
  write_rows(Json::array({table.row}), options);
}

void run_infer(const BenchOptions& options) {
  const Workload workload = make_workload(options);
  workload.prepack_weights();
  Arena arena;
  const auto forward = [&]() -> std::vector<double> {
    arena.reset();
    Tape tape(arena, workload.execution, false);  // does not record, so that blocks save nothing
    const double start = now_seconds();
    workload.logits(tape);
    return {now_seconds() - start};
  };
  RunTable table(options, workload, "forward pass", workload.inference_flops,
                 options.repeat_or(15));
  table.measure(forward, {"forward"});
  if (workload.decode) table.decode(workload.decode);
  table.memory(arena);
  if (options.profile) table.profile(forward);
  write_rows(Json::array({table.row}), options);
}

}  // namespace gmlp
