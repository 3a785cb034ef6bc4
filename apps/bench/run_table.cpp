#include "apps/bench/run_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "apps/cli/machine.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

/// "whole step", "ms" -> "whole_step_ms"
std::string key_of(const std::string& what, const char* unit) {
  std::string key = what + "_" + unit;
  std::replace(key.begin(), key.end(), ' ', '_');
  return key;
}

double megabytes(int64_t bytes) {
  return 1e-6 * static_cast<double>(bytes);
}

}  // namespace

// The peak of the process is what its user pays for; the arena's is what the activations are.
// Between the two are the threads' stacks and the libraries' own memory.
RunTable::RunTable(const BenchOptions& options, const std::string& model) : options_(options) {
  reset_peak_resident();
  resident_before_ = resident_bytes();
  row_ = {{"model", model},
          {"batch_size", options.batch_size},
          {"precision", options.precision},
          {"kernels", options.kernels},
          {"checkpoint_activations", options.checkpoint_activations},
          {"isa", isa_name()},
          {"threads", thread_count()}};
}

void RunTable::line(const std::string& what, const std::string& key, const Spread& s,
                    const char* unit) {
  fmt::print("  {:<16}{:>10.2f} {:<9} ({:.2f} to {:.2f})\n", what, s.median, unit, s.low, s.high);
  row_[key] = to_json(s);
}

void RunTable::milliseconds(const std::string& what, const std::vector<double>& seconds) {
  line(what, key_of(what, "ms"), spread_of(seconds, [](double s) { return 1e3 * s; }), "ms");
}

void RunTable::ratio(const std::string& what, const std::vector<double>& ratios) {
  std::string key = what;
  std::replace(key.begin(), key.end(), ' ', '_');
  line(what, key, spread_of(ratios), "");
}

void RunTable::speed(const std::vector<double>& seconds, const std::vector<double>& gflops,
                     const std::vector<double>& peaks, const std::vector<double>& shares) {
  const double samples = static_cast<double>(options_.batch_size);
  line("samples/s", "samples_per_s", spread_of(seconds, [&](double s) { return samples / s; }), "");
  line("speed", "gflops", spread_of(gflops), "GFLOP/s");
  const Spread peak = spread_of(peaks);
  line("machine peak", "peak_gflops", peak, "GFLOP/s");
  line("share of peak", "share_of_peak_percent", spread_of(shares), "%");
  if (peak_moved(peak.low, peak.high)) {
    fmt::print("  the machine's peak moved while this ran: others use it; run it again\n");
  }
}

void RunTable::memory(const Arena& arena) {
  const int64_t peak = peak_resident_bytes();
  fmt::print("  {:<16}{:>10.1f} MB        of activations and workspace\n", "peak, arena",
             megabytes(arena.peak_bytes()));
  fmt::print("  {:<16}{:>10.1f} MB        {:.1f} MB above weights and optimizer state\n",
             "peak, process", megabytes(peak), megabytes(peak - resident_before_));
  row_["arena_peak_bytes"] = arena.peak_bytes();
  row_["process_peak_bytes"] = peak;
  row_["process_before_bytes"] = resident_before_;
}

void RunTable::finish() {
  Report report;
  report.add(row_);
  report.write(options_.json);
}

}  // namespace gmlp
