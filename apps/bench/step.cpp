// gmlp-bench step: how fast a training step is, and how near to what the machine can do.
//
//   forward     the model and its loss            2 x multiply-adds of the GEMMs
//   backward    all gradients                     4 x
//   optimizer   gradient norm, clipping, AdamW    none are counted, but its time is
//
// Recomputation is never counted: a step that does more work for the same result is slower, not
// faster. Data is in memory before the clock starts.

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/bench/peaks.h"
#include "apps/bench/profile.h"
#include "apps/bench/run_table.h"
#include "apps/bench/workload.h"
#include "autograd/optimizer.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

constexpr double kLearningRate = 1e-3;

struct StepTimes {
  double forward, backward, optimizer;
  double loss;
  double total() const { return forward + backward + optimizer; }
};

struct Training {
  std::unique_ptr<Workload> workload;
  AdamW optimizer;
  Arena arena;
  ExecutionOptions execution;

  explicit Training(const BenchOptions& options)
      : workload(make_workload(options)),
        optimizer(workload->parameters(), AdamWOptions{}),
        execution(execution_of(options)) {}

  StepTimes step() {
    arena.reset();
    Tape tape(arena, execution, true);
    const double t0 = now_seconds();
    const Var loss = workload->loss(tape);
    const double t1 = now_seconds();
    tape.backward(loss);
    const double t2 = now_seconds();
    // Clipped to a norm of 1, as the trainer does and tools/bench_baselines does in PyTorch.
    const double norm = global_gradient_norm(workload->parameters());
    optimizer.step(kLearningRate, 1.0 / std::max(1.0, norm));
    return {t1 - t0, t2 - t1, now_seconds() - t2, tape.value(loss).at(0)};
  }
};

struct StepSeries {
  std::vector<double> forward, backward, optimizer, whole, rates, peaks, shares;
};

/// The peak of the machine before and after each step; a step is judged by the mean of the two, so
/// that a clock that changes during the run changes both sides of the division.
StepSeries measure_steps(Training& training, const BenchOptions& options, int repeat,
                         std::vector<double>& losses) {
  const double flops = training.workload->step_flops();
  StepSeries series;
  double peak = peak_gflops(options.precision, thread_count(), kPeakSeconds);
  for (int i = 0; i < repeat; ++i) {
    const StepTimes times = training.step();
    const double next = peak_gflops(options.precision, thread_count(), kPeakSeconds);
    losses.push_back(times.loss);
    series.forward.push_back(times.forward);
    series.backward.push_back(times.backward);
    series.optimizer.push_back(times.optimizer);
    series.whole.push_back(times.total());
    series.rates.push_back(flops / times.total() * 1e-9);
    series.peaks.push_back((peak + next) / 2);
    series.shares.push_back(100 * series.rates.back() / series.peaks.back());
    peak = next;
  }
  return series;
}

}  // namespace

void run_step(const BenchOptions& options) {
  const int repeat = options.repeat_or(7);
  Training training(options);
  const double flops = training.workload->step_flops();
  fmt::print(
      "{}, batch {}, {}, one training step of {:.1f} GFLOP\n{}\nmedian (least to most) of {}\n\n",
      training.workload->name(), options.batch_size, options.precision, flops * 1e-9,
      machine_line(), repeat);

  // Weights, gradients and moments are in memory by now; what a step adds is activations.
  RunTable table(options, training.workload->name());
  std::vector<double> losses(kWarmup);
  for (double& loss : losses) loss = training.step().loss;
  const StepSeries series = measure_steps(training, options, repeat, losses);

  table.milliseconds("forward", series.forward);
  table.milliseconds("backward", series.backward);
  table.milliseconds("optimizer", series.optimizer);
  table.milliseconds("whole step", series.whole);
  table.speed(series.whole, series.rates, series.peaks, series.shares);
  table.memory(training.arena);
  fmt::print("  {:<16}{:.5f} first, {:.5f} last\n", "loss", losses.front(), losses.back());
  table.row()["losses"] = losses;
  table.row()["flops"] = flops;

  // In steps of their own: marks cost little, but they are not nothing.
  if (options.profile) {
    table.row()["profile"] = profile_steps([&] { training.step(); }, repeat);
  }
  table.finish();
}

}  // namespace gmlp
