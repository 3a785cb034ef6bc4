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
  std::function<Var(Tape& tape, bool training)> forward;  // the loss, or the logits
  std::function<std::vector<double>()> decode = {};       // ms per token; causal models only
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
  const auto forward = [=](Tape& tape, bool training) {
    const Var logits = model->forward(tape, images, ForwardContext{});
    return training ? cross_entropy_ids(tape, logits, labels, 1.0) : logits;
  };
  return {.name = config.name, .parameters = model->parameters(), .forward = forward};
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
  const auto forward = [=](Tape& tape, bool training) {
    return training ? model->loss(tape, ids, targets, batch, 1.0)
                    : model->forward(tape, ids, batch);
  };
  Workload workload{.name = config.name, .parameters = model->parameters(), .forward = forward};
  if (!config.block.causal) return workload;
  workload.decode = [=] {  // the tokens of a window, fed one after the other
    Decoder decoder(*model);
    const Stopwatch watch;
    for (int64_t i = 0; i < config.block.tokens; ++i) decoder.feed(i % config.vocab);
    return std::vector{1e3 * watch.seconds() / static_cast<double>(config.block.tokens)};
  };
  return workload;
}

/// Throws InputError with all names for an unknown model, and for options that it does not have.
Workload make_workload(const BenchOptions& options) {
  std::vector<std::string> names = vision_config_names();
  const size_t first_language = names.size();
  const std::vector<std::string> language = language_config_names();
  names.insert(names.end(), language.begin(), language.end());
  const bool is_language = choice_index(options.model, names, "--model", "model") >= first_language;
  Workload workload = is_language ? language_workload(options) : vision_workload(options);
  // A head starts as zeros, which would hide any disagreement between programs.
  if (!options.init.empty()) {
    load_weights(workload.parameters, SafetensorsFile::open(options.init), {workload.name, ""});
  }
  workload.execution = arithmetic_from(options.precision, options.kernels).execution;
  workload.execution.checkpoint = options.checkpoint_activations;
  return workload;
}

/// A training step, or a forward pass that records nothing, so that blocks save nothing.
class Pass {
 public:
  Pass(const BenchOptions& options, bool training, bool on_ranks = false)
      : workload(make_workload(options)) {
    if (training) optimizer.emplace(workload.parameters, AdamWOptions{});
    if (on_ranks) gradients.emplace(workload.parameters, rank_count());
  }

  /// Returns the milliseconds of forward, backward and optimizer, or of the forward alone.
  std::vector<double> run() {
    arena.reset();
    Tape tape(arena, workload.execution, optimizer.has_value());
    if (gradients) tape.after_block = [&](int64_t block) { gradients->finish_block(block); };
    const double t0 = now_seconds();
    const Var result = workload.forward(tape, optimizer.has_value());
    const double t1 = now_seconds();
    if (!optimizer) return {1e3 * (t1 - t0)};
    tape.backward(result);
    if (gradients) gradients->finish_shard();
    const double t2 = now_seconds();
    // Clipped to a norm of 1, as in the trainer and in tools/bench_baselines.
    constexpr double kLearningRate = 1e-3;
    const double norm = global_gradient_norm(workload.parameters);
    optimizer->step(kLearningRate, 1.0 / std::max(1.0, norm));
    const double t3 = now_seconds();
    losses.push_back(tape.value(result).at(0));
    return {1e3 * (t1 - t0), 1e3 * (t2 - t1), 1e3 * (t3 - t2)};
  }

  /// The arena grows in the first pass and is merged in the second.
  void warm_up() {
    run();
    run();
  }

  const Workload workload;
  std::optional<AdamW> optimizer;             // in training
  std::optional<ShardedGradients> gradients;  // on ranks, a shard for each
  Arena arena;
  std::vector<double> losses;
};

/// Prints the head of the table and returns the row with the same facts. Memory counts from here,
/// so weights and optimizer state must be allocated.
Json start_row(const BenchOptions& options, const Pass& pass) {
  const bool training = pass.optimizer.has_value();
  const double flops = (training ? 3 : 1) *
                       measure_flops([&](Tape& tape) { pass.workload.forward(tape, training); });
  fmt::print("{}, batch {}, {}, one {} of {:.1f} GFLOP\n{}\nmedian (least to most) of {}\n\n",
             pass.workload.name, options.batch_size, options.precision,
             training ? "training step" : "forward pass", flops * 1e-9, machine_line(),
             options.repeat);
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets the peak VmHWM to VmRSS
  return {{"model", pass.workload.name},
          {"batch_size", options.batch_size},
          {"precision", options.precision},
          {"kernels", options.kernels},
          {"checkpoint_activations", options.checkpoint_activations},
          {"isa", isa_name()},
          {"threads", thread_count()},
          {"flops", flops},
          {"process_before_bytes", status_bytes("VmRSS")}};
}

/// Runs the pass, and prints its phases, their sum and the speed.
void report_speed(const BenchOptions& options, Pass& pass, Json& row) {
  pass.warm_up();
  const std::vector<Values> results = repeat_beside_peak(
      options.repeat, [&] { return pass.run(); }, [&] { return probe_gflops(options.precision); });
  const Values& peaks = results.back();
  Values total(peaks.size());
  const std::vector<std::string> names = {"forward", "backward", "optimizer"};
  for (size_t j = 0; j + 1 < results.size(); ++j) {
    report(row, names[j] + "_ms", names[j], results[j], "ms");
    total += results[j];
  }
  if (pass.optimizer) report(row, "whole_step_ms", "whole step", total, "ms");
  const Values rates = 1e-6 * row["flops"].get<double>() / total;
  report(row, "samples_per_s", "samples/s", 1e3 * static_cast<double>(options.batch_size) / total,
         "");
  report(row, "gflops", "speed", rates, "GFLOP/s");
  report(row, "peak_gflops", "machine peak", peaks, "GFLOP/s");
  report(row, "share_of_peak_percent", "share of peak", 100.0 * rates / peaks, "%");
  if (has_moved(peaks)) {
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
void report_profile(int64_t count, Pass& pass, Json& row) {
  const double passes = static_cast<double>(count);
  const Stopwatch watch;
  profile_start();
  for (int64_t i = 0; i < count; ++i) pass.run();
  profile_stop();
  const double total = watch.seconds();
  std::vector<ProfileEntry> entries(profile_entries().begin(), profile_entries().end());
  std::ranges::stable_sort(entries, std::ranges::greater(), &ProfileEntry::seconds);
  const auto print = [&](const std::string& name, double seconds, const std::string& marks) {
    fmt::print("  {:<28}{:>10.3f}{:>9.2f} %{:>8}\n", name, 1e3 * seconds / passes,
               100 * seconds / total, marks);
  };
  fmt::print("\nprofile, mean of {} runs\n  {:<28}{:>10}{:>11}{:>8}\n", count, "", "ms", "share",
             "times");
  double named = 0;
  for (const auto& [phase, op, seconds, marked] : entries) {
    const std::string name = fmt::format("{}{}{}", phase, *phase == '\0' ? "" : " ", op);
    const double marks = static_cast<double>(marked) / passes;
    print(name, seconds, fmt::format("{:.0f}", marks));
    named += seconds;
    row["profile"].push_back({{"name", name},
                              {"ms", 1e3 * seconds / passes},
                              {"percent", 100 * seconds / total},
                              {"marks", marks}});
  }
  print("named in all", named, "");
  print("not named", total - named, "");  // after a pass's last mark
}

Json run_model(const BenchOptions& options, bool training) {
  Pass pass(options, training);
  Json row = start_row(options, pass);
  report_speed(options, pass, row);
  const auto& decode = pass.workload.decode;
  if (decode && !training) {  // in f32 whatever --precision says
    report(row, "token_ms", "decoding", repeat(options.repeat, decode).front(), "ms/token");
  }
  report_memory(pass.arena, row);
  if (training) {
    fmt::print("  {:<16}{:.5f} first, {:.5f} last\n", "loss", pass.losses.front(),
               pass.losses.back());
    row["losses"] = pass.losses;
  }
  if (options.profile) report_profile(options.repeat, pass, row);
  return Json::array({row});
}

}  // namespace

StepTime median_step(BenchOptions options, int64_t batch_size, bool on_ranks) {
  options.batch_size = batch_size;
  Pass pass(options, true, on_ranks);
  pass.warm_up();
  const std::vector<Values> ms = repeat(options.repeat, [&] { return pass.run(); });
  return {median_of(ms[0]), median_of(ms[1]), median_of(ms[2]),
          count_parameters(pass.workload.parameters)};
}

Json run_step(const BenchOptions& options) {
  return run_model(options, true);
}

Json run_infer(const BenchOptions& options) {
  return run_model(options, false);
}

}  // namespace gmlp
