#include "apps/train/console.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apps/train/metrics.h"

namespace gmlp {

namespace {

// The first steps touch every page and every cache for the first time; an estimate made of them is
// wrong.
constexpr int64_t kIgnoredSteps = 5;
constexpr double kAverageDecay = 0.98;  // of the running loss
constexpr double kSecondsBetweenDraws = 0.2;

int64_t terminal_width() {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

double seconds_between(std::chrono::steady_clock::time_point a,
                       std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

}  // namespace

Console::Console(bool quiet, AppendFile* log)
    : quiet_(quiet),
      terminal_(isatty(STDOUT_FILENO) == 1),
      colours_(std::getenv("NO_COLOR") == nullptr),
      log_(log) {}

Console::~Console() {
  clear_bar();
}

void Console::clear_bar() {
  if (!bar_drawn_) return;
  std::fputs("\r\033[K", stdout);  // back to the first column, erase the line; throws nothing
  std::fflush(stdout);
  bar_drawn_ = false;
}

void Console::line(const std::string& text) {
  screen_only(text + "\n");
  if (log_ != nullptr) log_->line(text);
}

void Console::screen_only(const std::string& text) {
  if (quiet_) return;
  clear_bar();
  fmt::print("{}", text);
  std::fflush(stdout);
}

double Console::seconds_left(const StepReport& report) {
  const auto now = std::chrono::steady_clock::now();
  ++seen_;
  if (seen_ <= kIgnoredSteps) {
    first_step_ = report.step;
    first_time_ = now;
    return NAN;
  }
  const double per_step =
      seconds_between(first_time_, now) / static_cast<double>(report.step - first_step_);
  return per_step * static_cast<double>(report.total_steps - report.step);
}

std::string Console::describe(const StepReport& report, double left) const {
  const std::string peak = report.share_of_peak < 0
                               ? std::string()
                               : fmt::format("  {:.0f}% of peak", 100 * report.share_of_peak);
  return fmt::format(
      "step {}/{}  epoch {}/{}  loss {:.4f} (avg {:.4f})  {:.0f} {}/s{}  lr {:.2e}  wait "
      "{:.0f} ms  left {}",
      report.step, report.total_steps, report.epoch, report.epochs, report.loss, average_loss_,
      report.units_per_s, report.unit, peak, report.lr, 1e3 * report.data_wait,
      duration_text(left));
}

void Console::draw_bar(const StepReport& report, const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (seen_ > 1 && seconds_between(last_draw_, now) < kSecondsBetweenDraws) return;
  last_draw_ = now;
  constexpr int64_t kCells = 12;
  const int64_t full = kCells * report.step / std::max<int64_t>(report.total_steps, 1);
  std::string bar;
  for (int64_t i = 0; i < kCells; ++i) bar += i < full ? "█" : "░";
  // A line that wraps could not be wiped, so it is cut at the terminal's width.
  const int64_t room = std::max<int64_t>(0, terminal_width() - kCells - 2);
  fmt::print("\r\033[K{} {}", bar, text.substr(0, static_cast<size_t>(room)));
  std::fflush(stdout);
  bar_drawn_ = true;
}

void Console::step(const StepReport& report) {
  if (std::isfinite(report.loss)) {
    // Bias-corrected, as Adam's moments are: a plain mean at first, exponential later.
    ++averaged_;
    const double keep = std::min(kAverageDecay, 1.0 - 1.0 / static_cast<double>(averaged_));
    average_loss_ = keep * average_loss_ + (1 - keep) * report.loss;
  }
  const std::string text = describe(report, seconds_left(report));
  if (terminal_ && !quiet_) {
    draw_bar(report, text);
    if (report.logged && log_ != nullptr) log_->line(text);
  } else if (report.logged) {
    line(text);
  }
}

}  // namespace gmlp
