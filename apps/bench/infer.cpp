// gmlp-bench infer: how fast a forward pass is that keeps nothing: a tape that does not record, so
// the blocks save nothing for a backward pass. One pass at a time; its time is the latency, too.

#include <vector>

#include <fmt/format.h>

#include "apps/bench/peaks.h"
#include "apps/bench/profile.h"
#include "apps/bench/run_table.h"
#include "apps/bench/workload.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

double forward_seconds(Workload& workload, Arena& arena, const ExecutionOptions& execution) {
  arena.reset();
  Tape tape(arena, execution, false);
  const double start = now_seconds();
  workload.logits(tape);
  return now_seconds() - start;
}

}  // namespace

void run_infer(const BenchOptions& options) {
  const int repeat = options.repeat_or(15);
  const std::unique_ptr<Workload> workload = make_workload(options);
  workload->prepack_weights();
  const ExecutionOptions execution = execution_of(options);
  const double flops = workload->inference_flops();
  fmt::print(
      "{}, batch {}, {}, one forward pass of {:.1f} GFLOP\n{}\nmedian (least to most) of {}\n\n",
      workload->name(), options.batch_size, options.precision, flops * 1e-9, machine_line(),
      repeat);

  RunTable table(options, workload->name());
  Arena arena;
  for (int i = 0; i < kWarmup; ++i) forward_seconds(*workload, arena, execution);
  std::vector<double> seconds, rates, peaks, shares;
  double peak = peak_gflops(options.precision, thread_count(), kPeakSeconds);
  for (int i = 0; i < repeat; ++i) {
    seconds.push_back(forward_seconds(*workload, arena, execution));
    // Each pass is judged by the mean of the peaks before and after it, as in step.cpp.
    const double next = peak_gflops(options.precision, thread_count(), kPeakSeconds);
    rates.push_back(flops / seconds.back() * 1e-9);
    peaks.push_back((peak + next) / 2);
    shares.push_back(100 * rates.back() / peaks.back());
    peak = next;
  }
  table.milliseconds("forward", seconds);
  table.speed(seconds, rates, peaks, shares);
  table.memory(arena);
  table.row()["flops"] = flops;
  if (options.profile) {
    const auto pass = [&] { forward_seconds(*workload, arena, execution); };
    table.row()["profile"] = profile_steps(pass, repeat);
  }
  table.finish();
}

}  // namespace gmlp
