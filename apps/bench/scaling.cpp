// gmlp-bench scaling: what more threads bring, measured, and what more machines would, predicted:
//
//   step = forward + max(backward + c bytes, bytes / bandwidth + 2 log2(R) latency) + optimizer
//
// with 2 (R - 1) / R x 4 bytes per parameter, which each of R ranks sends and receives while its
// backward goes on (apps/ranks/sharded_gradients.h). c is what a byte costs the processor. Under
// mpirun, latency, bandwidth and c are measured between pairs of ranks, and so is the step.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include <fmt/ranges.h>
#include <sys/resource.h>

#include "apps/bench/measure.h"
#include "apps/ranks/ranks.h"
#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

struct Network {
  double bandwidth;           // bytes per second, in each direction at once
  double latency = 50e-6;     // seconds per message: assumed, for TCP
  double processor_cost = 0;  // seconds of a core per byte sent and received
};

Network gigabits(double rate) {
  return {.bandwidth = rate * 125e6};
}

double processor_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Between this rank and its neighbor: short messages, then eight of 2 MB at once, as buckets of
/// gradients are, half of which are added up. The slowest pair counts.
Network measure_network() {
  constexpr int64_t kFloats = 1 << 19;
  constexpr int kMessages = 8, kShort = 200, kLong = 8;
  constexpr double kBytes = 4 * kMessages * kFloats;
  std::vector<float> out(kMessages * kFloats), in(kMessages * kFloats);
  const auto start = [&](int message, int64_t floats) {
    const size_t begin = static_cast<size_t>(message) * kFloats;
    start_exchange(message, rank() ^ 1, &out[begin], &in[begin], 4 * floats);
  };
  std::vector<double> latency, bandwidth, cost;
  wait_for_ranks();
  for (int i = 0; i < kShort; ++i) {
    const double begin = now_seconds();
    start(0, 1);
    wait_for_exchange(0);
    latency.push_back(now_seconds() - begin);
  }
  for (int i = 0; i < kLong; ++i) {
    const double begin = now_seconds(), busy = processor_seconds();
    for (int j = 0; j < kMessages; ++j) start(j, kFloats);
    // Sleeps between looks, so that waiting costs the processor nothing.
    for (int j = 0; j < kMessages; ++j) {
      while (!is_exchange_done(j)) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    bandwidth.push_back(kBytes / (now_seconds() - begin));
    for (size_t j = 0; j < out.size() / 2; ++j) out[j] += in[j];
    cost.push_back((processor_seconds() - busy) / kBytes);
  }
  return {-max_over_ranks(-spread_of(bandwidth).median), max_over_ranks(spread_of(latency).median),
          max_over_ranks(spread_of(cost).median)};
}

double predicted_step(const StepTime& step, int64_t ranks, const Network& network) {
  const double r = static_cast<double>(ranks);
  const double bytes = 2 * (r - 1) / r * 4 * static_cast<double>(step.parameters);
  const double messages = bytes / network.bandwidth + 2 * std::log2(r) * network.latency;
  return step.forward + std::max(step.backward + network.processor_cost * bytes, messages) +
         step.optimizer;
}

/// On all threads.
StepTime scale_threads(const BenchOptions& options, Json& rows) {
  fmt::print("{:>8}{:>10}{:>12}\n", "threads", "ms", "speed-up");
  const int most = thread_count();
  StepTime step;
  double one = 0;
  for (int threads = 1; threads <= most; ++threads) {
    if (!std::has_single_bit(static_cast<unsigned>(threads)) && threads != most) continue;
    set_thread_count(threads);
    step = median_step(options, options.batch_size);
    if (threads == 1) one = step.whole();
    fmt::print("{:>8}{:>10.1f}{:>12.2f}\n", threads, 1e3 * step.whole(), one / step.whole());
    rows.push_back(
        {{"threads", threads}, {"ms", 1e3 * step.whole()}, {"speed_up", one / step.whole()}});
  }
  return step;
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
      ranks, describe_ranks(), options.batch_size, network.bandwidth / 125e6, 1e6 * network.latency,
      1e9 * network.processor_cost, 1e3 * measured, 1e3 * predicted,
      100 * (predicted / measured - 1), 1e3 * alone.whole());
  rows.push_back({{"ranks", ranks},
                  {"gigabits", network.bandwidth / 125e6},
                  {"latency_us", 1e6 * network.latency},
                  {"core_ms_per_mb", 1e9 * network.processor_cost},
                  {"ms", 1e3 * measured},
                  {"predicted_ms", 1e3 * predicted}});
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
      weak.push_back(100 * step.whole() / predicted_step(step, machines, gigabits(rate)));
      if (part.parameters == 0) continue;  // the machines cannot share the batch equally
      const double time = predicted_step(part, machines, gigabits(rate));
      strong.push_back(100 * step.whole() / static_cast<double>(machines) / time);
    }
    fmt::print("{:>8}{:8.0f}{:8.0f}\n", machines, fmt::join(weak, ""), fmt::join(strong, ""));
    rows.push_back({{"machines", machines}, {"weak", weak}, {"strong", strong}});
  }
}

}  // namespace

void run_scaling(const BenchOptions& options) {
  refuse_if(options.profile, "--profile: belongs to step and infer; leave it out");
  refuse_if(!std::has_single_bit(static_cast<uint64_t>(rank_count())),
            "{} ranks: their gradients are added in pairs; start 2, 4, 8, ... (mpirun -n)",
            rank_count());
  fmt::print("{}, batch {}, {}\n{}\n\n", options.model, options.batch_size, options.precision,
             machine_line());
  Json rows = Json::array();
  const StepTime step = scale_threads(options, rows);
  if (rank_count() > 1) {
    scale_ranks(options, step, rows);
  } else {
    predict_machines(options, step, rows);
  }
  if (is_root()) write_rows(rows, options);
}

}  // namespace gmlp
