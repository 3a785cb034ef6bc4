#pragma once
// A progress bar: the last line of a terminal, drawn again and again and erased at the end. And the
// pass over a data set that draws one.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/cli/format.h"

namespace gmlp {

/// The line that shows `done` of `total` on a terminal of `columns`: a bar, unless the terminal is
/// narrow, and the first of `fields` that fit. None is cut. One column stays free, because a line
/// that wrapped could not be erased.
std::string progress_line(int64_t done, int64_t total, const std::vector<std::string>& fields,
                          int64_t columns);

class ProgressBar {
 public:
  /// Draws nothing unless `shown` and on a terminal.
  explicit ProgressBar(bool shown);
  ~ProgressBar() { erase(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  bool shown() const { return shown_; }
  /// "left 1m20s", by the speed since the first call.
  std::string time_left(int64_t done, int64_t total);
  /// Draws progress_line() at most five times per second.
  void draw(int64_t done, int64_t total, const std::vector<std::string>& fields);
  void erase();

 private:
  bool shown_;
  bool drawn_ = false;
  int64_t first_ = -1;  // `done` when the timing began
  Stopwatch since_first_, since_draw_;
};

struct ScoringPass {
  int64_t samples = 0, batch_size = 1;
  int64_t width = 1;  // numbers that score a sample
  bool show_progress = true;
};
/// Calls `score` for batches of samples [begin, end), which the ranks share; it appends `width`
/// numbers per sample. Then calls `use` with those of each sample in order, on all ranks. Throws
/// Stopped after a signal to one of them. Shows "evaluating 1280/10000  left 3s" on a terminal.
void score_samples(
    const ScoringPass& pass,
    const std::function<void(int64_t begin, int64_t end, std::vector<double>& scores)>& score,
    const std::function<void(const double* scores)>& use);

}  // namespace gmlp
