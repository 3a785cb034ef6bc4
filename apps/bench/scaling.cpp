// gmlp-bench scaling: what more threads bring, measured, and what more machines would, predicted:
//
//   step = forward + max(backward + c bytes, bytes / bandwidth + 2 log2(p) latency) + optimizer
//
// with 2 (p - 1) / p x 4 bytes per parameter, which each of p ranks sends and receives while its
// backward goes on (apps/ranks/sharded_gradients.h). c is what a byte costs the processor. Under
// mpirun, latency, bandwidth and c are measured between pairs of ranks, and so is the step.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <ctime>
#include <thread>
#include <vector>

#include <fmt/ranges.h>

#include "apps/bench/measure.h"
#include "apps/ranks/ranks.h"
#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

struct Network {
  double gigabits;            // per second, in each direction at once
  double latency_us = 50;     // per message: assumed, for TCP
  double core_ms_per_mb = 0;  // of sending and receiving
};

/// Between this rank and its neighbor: short messages, then eight of 2 MB at once, as buckets of
/// gradients are, half of which are added up. The slowest pair counts.
Network measure_network() {
  constexpr int64_t kFloats = 1 << 19;
  constexpr int kMessages = 8;
  constexpr double kBytes = 4 * kMessages * kFloats;
  std::valarray<float> out(kMessages * kFloats), in(kMessages * kFloats);
  const auto start = [&](int message, int64_t floats) {
    const size_t begin = static_cast<size_t>(message) * kFloats;
    start_exchange(message, rank() ^ 1, &out[begin], &in[begin], 4 * floats);
  };
  wait_for_ranks();
  const std::vector<Values> latency = repeat(200, [&] {
    const Stopwatch watch;
    start(0, 1);
    wait_for_exchange(0);
    return std::vector{1e6 * watch.seconds()};
  });
  const std::vector<Values> buckets = repeat(8, [&] {
    const std::clock_t busy = std::clock();  // of all threads
    const Stopwatch watch;
    for (int j = 0; j < kMessages; ++j) start(j, kFloats);
    // Sleeps between looks, so that waiting costs the processor nothing.
    for (int j = 0; j < kMessages; ++j) {
      while (!is_exchange_done(j)) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    const double gigabits = 8e-9 * kBytes / watch.seconds();
    for (size_t j = 0; j < out.size() / 2; ++j) out[j] += in[j];
    const double core_seconds = static_cast<double>(std::clock() - busy) / CLOCKS_PER_SEC;
    return std::vector{gigabits, 1e9 * core_seconds / kBytes};
  });
  return {-max_over_ranks(-median_of(buckets[0])), max_over_ranks(median_of(latency[0])),
          max_over_ranks(median_of(buckets[1]))};
}

/// In ms.
double predicted_step(const StepTime& step, int64_t ranks, const Network& network) {
  const double r = static_cast<double>(ranks);
  const double megabytes = 2 * (r - 1) / r * 4e-6 * static_cast<double>(step.parameters);
  const double messages =
      8 * megabytes / network.gigabits + 2e-3 * std::log2(r) * network.latency_us;
  return step.forward + std::max(step.backward + network.core_ms_per_mb * megabytes, messages) +
         step.optimizer;
}

void scale_ranks(const BenchOptions& options, const StepTime& alone, Json& rows) {
  const int64_t ranks = rank_count();
  const Network network = measure_network();
  const double predicted = max_over_ranks(predicted_step(alone, ranks, network));
  const double measured = max_over_ranks(median_step(options, options.batch_size, true).whole());
  fmt::print(
      "\n{} ranks ({}), batch {} on each\n"
      "  network    {:.2f} Gbit/s each way, {:.0f} us per message, {:.2f} ms of a core per MB\n"
      "  step       {:.1f} ms measured, {:.1f} ms predicted ({:+.0f} %), {:.1f} ms alone\n",
      ranks, describe_ranks(), options.batch_size, network.gigabits, network.latency_us,
      network.core_ms_per_mb, measured, predicted, 100 * (predicted / measured - 1), alone.whole());
  rows.push_back({{"ranks", ranks},
                  {"gigabits", network.gigabits},
                  {"latency_us", network.latency_us},
                  {"core_ms_per_mb", network.core_ms_per_mb},
                  {"ms", measured},
                  {"predicted_ms", predicted}});
}

void predict_machines(const BenchOptions& options, const StepTime& step, Json& rows) {
  const int64_t batch = options.batch_size;
  fmt::print(
      "\nmore such machines, predicted: efficiency in percent, by the network's Gbit/s\n"
      "{:>8}{:>24}{:>24}\n{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}\n",
      "", fmt::format("batch {} on each", batch), fmt::format("batch {} in all", batch), "machines",
      1, 10, 100, 1, 10, 100);
  for (int64_t machines = 2; machines <= 64; machines *= 2) {
    std::vector<double> weak, strong;
    StepTime part;
    if (batch % machines == 0) part = median_step(options, batch / machines);
    for (const double rate : {1.0, 10.0, 100.0}) {
      weak.push_back(100 * step.whole() / predicted_step(step, machines, {.gigabits = rate}));
      if (part.parameters == 0) continue;  // the machines cannot share the batch equally
      strong.push_back(100 * step.whole() / static_cast<double>(machines) /
                       predicted_step(part, machines, {.gigabits = rate}));
    }
    fmt::print("{:>8}{:8.0f}{:8.0f}\n", machines, fmt::join(weak, ""), fmt::join(strong, ""));
    rows.push_back({{"machines", machines}, {"weak", weak}, {"strong", strong}});
  }
}

}  // namespace

Json run_scaling(const BenchOptions& options) {
  refuse_if(!std::has_single_bit(static_cast<uint64_t>(rank_count())),
            "{} ranks: their gradients are added in pairs; start 2, 4, 8, ... (mpirun -n)",
            rank_count());
  fmt::print("{}, batch {}, {}\n{}\n\n{:>8}{:>10}{:>12}\n", options.model, options.batch_size,
             options.precision, machine_line(), "threads", "ms", "speed-up");
  Json rows = Json::array();
  const int most = thread_count();
  StepTime step;  // on all threads, at the end
  double one = 0;
  for (int threads = 1; threads <= most; ++threads) {
    if (!std::has_single_bit(static_cast<unsigned>(threads)) && threads != most) continue;
    set_thread_count(threads);
    step = median_step(options, options.batch_size);
    const double ms = step.whole();
    if (threads == 1) one = ms;
    fmt::print("{:>8}{:>10.1f}{:>12.2f}\n", threads, ms, one / ms);
    rows.push_back({{"threads", threads}, {"ms", ms}, {"speed_up", one / ms}});
  }
  const auto scale = rank_count() > 1 ? scale_ranks : predict_machines;
  scale(options, step, rows);
  return rows;
}

}  // namespace gmlp
