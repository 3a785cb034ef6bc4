#include "apps/bench/profile.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/profile.h"

namespace gmlp {

namespace {

struct Line {
  std::string name;
  double seconds;
  double marks;
};

void print_line(const Line& line, double total, int repeat) {
  const std::string marks = line.marks > 0 ? fmt::format("{:.0f}", line.marks / repeat) : "";
  fmt::print("  {:<28}{:>10.3f}{:>9.2f} %{:>8}\n", line.name, 1e3 * line.seconds / repeat,
             100 * line.seconds / total, marks);
}

}  // namespace

Json profile_steps(const std::function<void()>& step, int repeat) {
  const double start = now_seconds();
  profile_start();
  for (int i = 0; i < repeat; ++i) step();
  profile_stop();
  const double total = now_seconds() - start;

  std::vector<Line> lines;
  double named = 0;
  for (size_t i = 0; i < profile_count(); ++i) {
    const ProfileEntry entry = profile_entry(i);
    const std::string phase = *entry.phase == '\0' ? "" : std::string(entry.phase) + " ";
    lines.push_back({phase + entry.name, entry.seconds, static_cast<double>(entry.marks)});
    named += entry.seconds;
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.seconds > b.seconds; });

  // What is not named is the time after the last mark of a step, until the next one starts.
  fmt::print("\nprofile, mean of {} steps\n  {:<28}{:>10}{:>11}{:>8}\n", repeat, "", "ms", "share",
             "times");
  Json rows = Json::array();
  for (const Line& line : lines) {
    print_line(line, total, repeat);
    rows.push_back({{"name", line.name},
                    {"ms", 1e3 * line.seconds / repeat},
                    {"percent", 100 * line.seconds / total},
                    {"marks", line.marks / repeat}});
  }
  print_line({"named in all", named, 0}, total, repeat);
  print_line({"not named", total - named, 0}, total, repeat);
  return rows;
}

}  // namespace gmlp
