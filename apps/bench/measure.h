#pragma once
// The subcommands of gmlp-bench, their options, and what they measure with: clock, spread, peak of
// the machine, JSON.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/cli/format.h"
#include "core/io/json.h"
#include "core/tensor.h"

namespace gmlp {

struct BenchOptions {
  // all subcommands
  int threads = 0;     // 0: all
  std::string isa;     // empty: the best
  int64_t repeat = 0;  // the subcommand's default if none is given
  std::string json;    // output file for the rows, or empty

  // step, infer, scaling
  std::string model = "gmlp_s16_224";
  int64_t batch_size = 8;
  int64_t depth = 0, vocab_size = 0, seq_len = 0;  // 0: the model's
  std::string precision = "f32", kernels = "fused";
  std::string init;         // safetensors file with the initial weights, or empty
  std::string input_array;  // npy file with the images, or empty
  bool profile = false, checkpoint_activations = false;

  std::string only;  // kernels: measure the cases whose title contains this
};

// Each prints a table and returns its rows.
Json run_kernels(const BenchOptions& options);
Json run_step(const BenchOptions& options);
Json run_infer(const BenchOptions& options);
Json run_scaling(const BenchOptions& options);
Json run_peak(const BenchOptions& options);
Json run_ladder(const BenchOptions& options);

/// Median milliseconds of the parts of a training step, and the model's number of parameters.
struct StepTime {
  double forward = 0, backward = 0, optimizer = 0;
  int64_t parameters = 0;
  double whole() const { return forward + backward + optimizer; }
};
/// A step of the model of `options` on `batch_size` samples. On ranks, its backward ends when all
/// have the sums of their gradients.
StepTime median_step(BenchOptions options, int64_t batch_size, bool on_ranks = false);

/// Median, minimum and maximum of repeated measurements.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spread_of(std::vector<double> values);  ///< at least one value
/// For nlohmann-json: {"median": ..., "low": ..., "high": ...}
void to_json(Json& json, const Spread& spread);

constexpr double kPeakSeconds = 0.05;  // of a probe of the peak beside a measurement
/// GB/s of a += s b over arrays much larger than the caches: two reads and a write per element. In
/// place, so that no cache line is fetched only to be overwritten.
double triad_gigabytes();

/// The peak during a measurement: the mean of a probe before it and a probe after it.
struct Peak {
  double value = 0;    // in the probe's unit
  bool moved = false;  // by more than 5 %: another program runs, or the clock frequency changed
};
Peak peak_between(double before, double after);
/// Runs `work` between two probes, up to three times until the peak stays the same.
Peak with_steady_peak(const std::function<double()>& probe, const std::function<void()>& work);

/// How fast something ran: medians.
struct Speed {
  double ms;
  double rate;           // GFLOP/s or GB/s
  double share_percent;  // of the peak
};
/// Adds to a row, under the keys that all tables share, the speed and the peak. `work` is the
/// number of FLOPs or bytes of one run.
Speed add_speed(Json& row, const std::vector<double>& seconds, double work, const char* unit,
                const Peak& peak);

/// Throws RunError unless the rows of both matrices, as far as both have columns, differ by at most
/// `tolerance` of the largest number. Times of a wrong result mean nothing. `what` names the
/// comparison in the message.
void require_agreement(const std::string& what, const Tensor& expected, const Tensor& found,
                       double tolerance);

/// Processor, instruction set and threads on one line.
std::string machine_line();

}  // namespace gmlp
