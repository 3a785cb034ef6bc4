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
#include <numeric>
#include <optional>
#include <vector>

#include <fmt/ranges.h>

#include "apps/bench/measure.h"
#include "apps/bench/products.h"
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
  std::function<Var(Tape& tape)> logits;
  std::function<Var(Tape& tape)> loss;
  std::function<double()> decode = {};  // ms per token of a window; causal models only
  ExecutionOptions execution = {};
};

/// Random images, or those of --input-array.
Workload vision_workload(const BenchOptions& options) {
  refuse_if(options.vocab_size + options.seq_len > 0,
            "--vocab-size and --seq-len: {} is no language model; leave them out", options.model);
  VisionConfig config = vision_config(options.model);
  if (options.depth > 0) config.depth = options.depth;
  const auto model = std::make_shared<VisionModel>(config, DType::kF32, 1);
  model->prepack_weights();  // for passes that record nothing
  const Shape shape{options.batch_size, config.chans, config.img_height, config.img_width};
  const std::string& file = options.input_array;
  const Tensor images =
      file.empty() ? random_numbers(shape, 1.0) : read_npy(file).to_tensor(DType::kF32, file);
  refuse_if(!(images.shape() == shape),
            "{}: an array of {}; the model and --batch-size need {} (NCHW)", file,
            images.shape().to_string(), shape.to_string());
  std::vector<int64_t> labels;
  for (int64_t b = 0; b < options.batch_size; ++b) labels.push_back(b % config.classes);
  const auto logits = [=](Tape& tape) { return model->forward(tape, images, ForwardContext{}); };
  return {.name = config.name,
          .parameters = model->parameters(),
          .logits = logits,
          .loss = [=](Tape& tape) { return cross_entropy_ids(tape, logits(tape), labels, 1.0); }};
}

/// Random tokens. A causal model predicts all of them, a masked one 15 % (paper, section 4).
Workload language_workload(const BenchOptions& options) {
  refuse_if(!options.input_array.empty(),
            "--input-array {}: holds images, but {} is a language model; leave it out",
            options.input_array, options.model);
  LanguageConfig config = language_config(options.model);
  if (options.depth > 0) config.depth = options.depth;
  if (options.vocab_size > 0) config.vocab = options.vocab_size;
  if (options.seq_len > 0) config.block.tokens = options.seq_len;
  const int64_t batch = options.batch_size;
  const auto model = std::make_shared<LanguageModel>(config, DType::kF32, 1);
  model->prepack_weights();
  std::vector<int64_t> ids, targets;
  Random random(1, Purpose::kSample);
  for (int64_t i = 0; i < batch * config.block.tokens; ++i) {
    constexpr int64_t kNotScored = -100;
    ids.push_back(random.below(config.vocab));
    targets.push_back(config.block.causal || i % 20 < 3 ? ids.back() : kNotScored);
  }
  Workload workload{
      .name = config.name,
      .parameters = model->parameters(),
      .logits = [=](Tape& tape) { return model->forward(tape, ids, batch); },
      .loss = [=](Tape& tape) { return model->loss(tape, ids, targets, batch, 1.0); }};
  if (!config.block.causal) return workload;
  workload.decode = [=] {  // the tokens of a window, fed one after the other
    Decoder decoder(*model);
    const Stopwatch watch;
    for (int64_t i = 0; i < config.block.tokens; ++i) decoder.feed(i % config.vocab);
    return 1e3 * watch.seconds() / static_cast<double>(config.block.tokens);
  };
  return workload;
}

/// Throws InputError with all names for an unknown model, and for options that it does not have.
Workload make_workload(const BenchOptions& options) {
  const std::vector<std::string> vision = vision_config_names(), language = language_config_names();
  const bool is_language = std::ranges::count(language, options.model) > 0;
  refuse_if(!is_language && std::ranges::count(vision, options.model) == 0,
            "--model {}: no such model; the named ones are {}, {}", options.model,
            fmt::join(vision, ", "), fmt::join(language, ", "));
  Workload workload = is_language ? language_workload(options) : vision_workload(options);
  // A head starts as zeros, which would hide any disagreement between programs.
  if (!options.init.empty()) {
    load_weights(workload.parameters, SafetensorsFile::open(options.init), {workload.name, ""});
  }
  workload.execution = arithmetic_from(options.precision, options.kernels).execution;
  workload.execution.checkpoint = options.checkpoint_activations;
  return workload;
}

/// What is measured, again and again.
struct Pass {
  const char* name;  // "training step"
  double flops;
  int64_t repeat;
  std::vector<std::string> phases;
  std::function<std::vector<double>()> run;  // returns the milliseconds of each phase
};
constexpr int kWarmup = 2;  // passes: the arena grows in the first and is merged in the second

/// Prints a line of the table, and adds its numbers to the row.
void report(Json& row, const std::string& what, const std::string& key,
            const std::vector<double>& values, const char* unit) {
  const Spread s = spread_of(values);
  fmt::print("  {:<16}{:>10.2f} {:<9} ({:.2f} to {:.2f})\n", what, s.median, unit, s.low, s.high);
  row[key] = s;
}

/// Prints the head of the table and returns the row with the same facts. Memory counts from here,
/// so weights and optimizer state must be allocated.
Json start_row(const BenchOptions& options, const Workload& workload, const Pass& pass) {
  fmt::print("{}, batch {}, {}, one {} of {:.1f} GFLOP\n{}\nmedian (least to most) of {}\n\n",
             workload.name, options.batch_size, options.precision, pass.name, pass.flops * 1e-9,
             machine_line(), pass.repeat);
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets the peak VmHWM to VmRSS
  return {{"model", workload.name},
          {"batch_size", options.batch_size},
          {"precision", options.precision},
          {"kernels", options.kernels},
          {"checkpoint_activations", options.checkpoint_activations},
          {"isa", isa_name()},
          {"threads", thread_count()},
          {"flops", pass.flops},
          {"process_before_bytes", status_bytes("VmRSS")}};
}

/// Runs the pass, and prints its phases, their sum and the speed.
void measure(const BenchOptions& options, const Pass& pass, Json& row) {
  const auto peak = [&] { return peak_gflops(options.precision, kPeakSeconds); };
  for (int i = 0; i < kWarmup; ++i) pass.run();
  std::vector<std::vector<double>> phases(pass.phases.size());
  std::vector<double> totals, rates, samples, peaks, shares;
  double before = peak();
  for (int64_t i = 0; i < pass.repeat; ++i) {
    const std::vector<double> ms = pass.run();
    // Each pass has its own peak, so that a clock that changes during the run cancels out.
    const double after = peak();
    for (size_t j = 0; j < ms.size(); ++j) phases[j].push_back(ms[j]);
    totals.push_back(std::accumulate(ms.begin(), ms.end(), 0.0));
    samples.push_back(1e3 * static_cast<double>(options.batch_size) / totals.back());
    rates.push_back(1e-6 * pass.flops / totals.back());
    peaks.push_back(peak_between(before, after).value);
    shares.push_back(100 * rates.back() / peaks.back());
    before = after;
  }
  for (size_t j = 0; j < phases.size(); ++j) {
    report(row, pass.phases[j], pass.phases[j] + "_ms", phases[j], "ms");
  }
  if (phases.size() > 1) report(row, "whole step", "whole_step_ms", totals, "ms");
  report(row, "samples/s", "samples_per_s", samples, "");
  report(row, "speed", "gflops", rates, "GFLOP/s");
  report(row, "machine peak", "peak_gflops", peaks, "GFLOP/s");
  report(row, "share of peak", "share_of_peak_percent", shares, "%");
  const auto [low, high] = std::ranges::minmax_element(peaks);
  if (peak_between(*low, *high).moved) {
    fmt::print("  the machine's peak moved during this run: others use it; run it again\n");
  }
}

/// The process's peak is what its user pays for, the arena's what the activations need. The rest
/// is the threads' stacks and the libraries' memory.
void report_memory(const Arena& arena, Json& row) {
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
void report_profile(const Pass& pass, Json& row) {
  const double repeat = static_cast<double>(pass.repeat);
  const Stopwatch watch;
  profile_start();
  for (int64_t i = 0; i < pass.repeat; ++i) pass.run();
  profile_stop();
  const double total = watch.seconds();
  std::vector<ProfileEntry> entries(profile_entries().begin(), profile_entries().end());
  std::ranges::stable_sort(entries, std::ranges::greater(), &ProfileEntry::seconds);
  const auto print = [&](const std::string& name, double seconds, const std::string& marks) {
    fmt::print("  {:<28}{:>10.3f}{:>9.2f} %{:>8}\n", name, 1e3 * seconds / repeat,
               100 * seconds / total, marks);
  };
  fmt::print("\nprofile, mean of {} runs\n  {:<28}{:>10}{:>11}{:>8}\n", pass.repeat, "", "ms",
             "share", "times");
  double named = 0;
  for (const auto& [phase, op, seconds, marked] : entries) {
    const std::string name = fmt::format("{}{}{}", phase, *phase == '\0' ? "" : " ", op);
    const double marks = static_cast<double>(marked) / repeat;
    print(name, seconds, fmt::format("{:.0f}", marks));
    named += seconds;
    row["profile"].push_back({{"name", name},
                              {"ms", 1e3 * seconds / repeat},
                              {"percent", 100 * seconds / total},
                              {"marks", marks}});
  }
  print("named in all", named, "");
  print("not named", total - named, "");  // after a pass's last mark
}

/// A training step of a workload, again and again.
struct Step {
  explicit Step(const BenchOptions& options, bool on_ranks = false)
      : workload(make_workload(options)), optimizer(workload.parameters, AdamWOptions{}) {
    if (on_ranks) gradients.emplace(workload.parameters, rank_count());
  }

  /// The milliseconds of forward, backward and optimizer.
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
    return {1e3 * (t1 - t0), 1e3 * (t2 - t1), 1e3 * (t3 - t2)};
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
  std::vector<double> phases[3];
  for (int64_t i = -kWarmup; i < options.repeat; ++i) {
    const std::vector<double> ms = step.run();
    for (size_t j = 0; i >= 0 && j < ms.size(); ++j) phases[j].push_back(ms[j]);
  }
  return {spread_of(phases[0]).median, spread_of(phases[1]).median, spread_of(phases[2]).median,
          count_parameters(step.workload.parameters)};
}

Json run_step(const BenchOptions& options) {
  Step step(options);
  const Pass pass{"training step",
                  3 * measure_flops(step.workload.loss),
                  options.repeat,
                  {"forward", "backward", "optimizer"},
                  [&] { return step.run(); }};
  Json row = start_row(options, step.workload, pass);
  measure(options, pass, row);
  report_memory(step.arena, row);
  fmt::print("  {:<16}{:.5f} first, {:.5f} last\n", "loss", step.losses.front(),
             step.losses.back());
  row["losses"] = step.losses;
  if (options.profile) report_profile(pass, row);
  return Json::array({row});
}

Json run_infer(const BenchOptions& options) {
  const Workload workload = make_workload(options);
  Arena arena;
  const auto forward = [&]() -> std::vector<double> {
    arena.reset();
    Tape tape(arena, workload.execution, false);  // does not record, so that blocks save nothing
    const Stopwatch watch;
    workload.logits(tape);
    return {1e3 * watch.seconds()};
  };
  const Pass pass{
      "forward pass", measure_flops(workload.logits), options.repeat, {"forward"}, forward};
  Json row = start_row(options, workload, pass);
  measure(options, pass, row);
  if (workload.decode) {  // in f32 whatever --precision says
    std::vector<double> ms(static_cast<size_t>(pass.repeat));
    std::ranges::generate(ms, workload.decode);
    report(row, "decoding", "token_ms", ms, "ms/token");
  }
  report_memory(arena, row);
  if (options.profile) report_profile(pass, row);
  return Json::array({row});
}

}  // namespace gmlp
