#pragma once
// What the subcommands of gmlp-bench share: their options, one way to repeat a measurement and one
// to tell its numbers, on a line and in the JSON.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <valarray>
#include <vector>

#include "apps/cli/format.h"
#include "core/io/json.h"

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

/// The same number, measured again and again.
using Values = std::valarray<double>;
/// Calls `measure` `count` times. Result j has number j of each call.
std::vector<Values> repeat(int64_t count, const std::function<std::vector<double>()>& measure);
/// The same, and one result more: for each call the machine's peak, the mean of a probe before the
/// call and a probe after it. So a clock that changes in between cancels out of shares of the peak.
std::vector<Values> repeat_beside_peak(int64_t count,
                                       const std::function<std::vector<double>()>& measure,
                                       const std::function<double()>& probe);
/// Whether they differ by more than 5 %: another program runs, or the clock frequency changed.
bool has_moved(const Values& peaks);

/// GFLOP/s during a measurement: peak_gflops() for a twentieth of a second.
double probe_gflops(const std::string& precision);
/// GB/s of a += s b over arrays much larger than the caches: two reads and a write per element. In
/// place, so that no cache line is fetched only to be overwritten.
double probe_gigabytes();

struct Spread {
  double median, low, high;
};
Spread spread_of(Values values);  ///< at least one value
double median_of(const Values& values);
/// For nlohmann-json: {"median": ..., "low": ..., "high": ...}
void to_json(Json& json, const Spread& spread);

/// Prints "  WHAT  MEDIAN UNIT  (LOW to HIGH)", adds these numbers to the row under `key`, and
/// returns them.
Spread report(Json& row, const std::string& key, const std::string& what, const Values& values,
              const char* unit);

/// Processor, instruction set and threads on one line.
std::string machine_line();

/// Median milliseconds of the parts of a training step, and the model's number of parameters.
struct StepTime {
  double forward = 0, backward = 0, optimizer = 0;
  int64_t parameters = 0;
  double whole() const { return forward + backward + optimizer; }
};
/// A step of the model of `options` on `batch_size` samples. On ranks, its backward ends when all
/// have the sums of their gradients.
StepTime median_step(BenchOptions options, int64_t batch_size, bool on_ranks = false);

}  // namespace gmlp
