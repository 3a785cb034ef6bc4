#pragma once
// What a person sees while a run goes on: lines, and below them a progress bar where there is a
// terminal. Every line also goes to log.txt; --quiet silences the screen only.

#include <chrono>
#include <cstdint>
#include <string>

#include "apps/train/run_folder.h"

namespace gmlp {

/// What the progress line shows of one step.
struct StepReport {
  int64_t step = 0;  // counts from 1
  int64_t total_steps = 0;
  int64_t epoch = 0;  // counts from 1
  int64_t epochs = 0;
  double loss = 0;
  double lr = 0;
  double units_per_s = 0;
  std::string unit = "samples";
  double share_of_peak = 0;  // in [0, 1]; negative: unknown
  double data_wait = 0;      // seconds
  bool logged = false;       // a step of --log-interval: a plain line, too
};

class Console {
 public:
  /// `log` may be null.
  Console(bool quiet, AppendFile* log);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// A line to screen and log.
  void line(const std::string& text);
  /// Lines for the screen only (samples in colour).
  void screen_only(const std::string& text);
  void step(const StepReport& report);
  /// Wipes the bar, before other output.
  void clear_bar();

  /// Screen is a terminal, and colours are wanted (NO_COLOR is not set).
  bool colours() const { return terminal_ && colours_; }
  bool quiet() const { return quiet_; }

 private:
  double seconds_left(const StepReport& report);
  std::string describe(const StepReport& report, double left) const;
  void draw_bar(const StepReport& report, const std::string& text);

  bool quiet_;
  bool terminal_;
  bool colours_;
  bool bar_drawn_ = false;
  AppendFile* log_;
  double average_loss_ = 0;
  int64_t averaged_ = 0;
  int64_t seen_ = 0;        // steps of this process
  int64_t first_step_ = 0;  // the step where timing began
  std::chrono::steady_clock::time_point first_time_;
  std::chrono::steady_clock::time_point last_draw_;
};

}  // namespace gmlp
