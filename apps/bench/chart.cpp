// gmlp-bench chart: draws bars from a CSV file, so that measured numbers can be kept, edited and
// drawn again.
//
//   # the title                      the first line
//   # the subtitle                   machine, command and date
//   model,precision,program,ms       a bar's group, its series (one column or more), its value
//   S/16 step,f32,PyTorch,1999

#include <cmath>
#include <sstream>

#include <fmt/ranges.h>

#include "apps/bench/measure.h"
#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

BarChart read_chart(const std::string& path) {
  BarChart chart;
  std::istringstream lines(read_text(path));
  std::string line;
  size_t columns = 0;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.starts_with("# ")) {
      (number == 1 ? chart.title : chart.subtitle) = line.substr(2);
      continue;
    }
    std::vector<std::string> fields;
    std::istringstream rest(line);
    for (std::string field; std::getline(rest, field, ',');) fields.push_back(field);
    if (columns == 0) columns = fields.size();
    if (fields.size() != columns || columns < 3) {
      fail_input("{}: line {} has {} fields, the header {}; all lines need the same, at least 3",
                 path, number, fields.size(), columns);
    }
    if (chart.axis.empty()) {
      chart.axis = fields.back();
      continue;
    }
    char* end = nullptr;
    const double value = std::strtod(fields.back().c_str(), &end);
    if (*end != '\0' || end == fields.back().c_str() || !std::isfinite(value) || value < 0) {
      fail_input("{}: line {}: \"{}\" is not a number from 0 up; correct it", path, number,
                 fields.back());
    }
    const std::string series =
        fmt::format("{}", fmt::join(fields.begin() + 1, fields.end() - 1, " "));
    chart.bars.push_back({fields[0], series, value});
  }
  if (chart.bars.empty()) fail_input("{}: holds no numbers; add a line per bar", path);
  return chart;
}

}  // namespace

void run_chart(const BenchOptions& options) {
  write_file_atomic(options.svg, draw_bars(read_chart(options.csv)));
  fmt::print("written: {}\n", options.svg);
}

}  // namespace gmlp
