#include "apps/cli/terminal.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apps/cli/run_main.h"
#include "apps/ranks/ranks.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

/// The bytes of UTF-8 but for those that continue a character.
int64_t columns_of(const std::string& text) {
  return std::ranges::count_if(text, [](char byte) { return (byte & 0xC0) != 0x80; });
}

}  // namespace

std::string progress_line(int64_t done, int64_t total, const std::vector<std::string>& fields,
                          int64_t columns) {
  constexpr int64_t kCells = 12;
  constexpr int64_t kNarrow = 74;
  std::string line;
  for (int64_t i = 0; columns >= kNarrow && i < kCells; ++i) {
    line += i < kCells * done / total ? "█" : "░";
  }
  for (const std::string& field : fields) {
    std::string longer = line;
    longer += (line.empty() ? "" : "  ") + field;
    if (columns_of(longer) >= columns) break;
    line = longer;
  }
  return line;
}

ProgressBar::ProgressBar(bool shown) {
  const char* type = std::getenv("TERM");
  const bool plain = type != nullptr && std::string_view(type) == "dumb";
  // mpirun gives its processes a terminal even when its own output is a file.
  shown_ = shown && isatty(STDOUT_FILENO) == 1 && !plain && std::getenv("NO_COLOR") == nullptr &&
           rank_count() == 1;
}

std::string ProgressBar::time_left(int64_t done, int64_t total) {
  if (first_ < 0) {
    first_ = done;
    since_first_ = Stopwatch();
  }
  const double seconds = since_first_.seconds() / static_cast<double>(done - first_);
  return "left " + duration_text(seconds * static_cast<double>(total - done));  // "?" for x / 0
}

void ProgressBar::draw(int64_t done, int64_t total, const std::vector<std::string>& fields) {
  constexpr double kSecondsBetweenDraws = 0.2;
  if (!shown_ || since_draw_.seconds() < kSecondsBetweenDraws) return;
  since_draw_ = Stopwatch();
  winsize size = {};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::string line = progress_line(done, total, fields, known ? size.ws_col : 80);
  print_or_stop("\r" + line + "\033[K");
  drawn_ = true;
}

void ProgressBar::erase() {
  if (drawn_) print_or_stop("\r\033[K");  // to the first column, erase the line
  drawn_ = false;
}

void score_samples(
    const ScoringPass& pass,
    const std::function<void(int64_t begin, int64_t end, std::vector<double>& scores)>& score,
    const std::function<void(const double* scores)>& use) {
  constexpr int64_t kMostBatches = 16;  // of a rank, after which all see their scores
  const auto& [n, size, width, show_progress] = pass;
  ProgressBar bar(show_progress);
  for (int64_t done = 0; done < n;) {
    const int64_t batches = chunk_count(chunk_count(n - done, size), rank_count());
    const int64_t share = size * std::min(kMostBatches, batches);
    const int64_t first = done + share * rank(), last = std::min(n, first + share);
    std::vector<double> scores;
    for (int64_t begin = first; begin < last && own_stop_signal() == 0; begin += size) {
      bar.draw(begin, n, {fmt::format("evaluating {}/{}", begin, n), bar.time_left(begin, n)});
      score(begin, std::min(last, begin + size), scores);
    }
    share_stop_signal();
    throw_if_stopped();
    scores.resize(static_cast<size_t>(share * width));
    scores = gather_ranks(scores);
    for (auto z = scores.begin(); z != scores.end() && done < n; z += width, ++done) use(&*z);
  }
}

}  // namespace gmlp
