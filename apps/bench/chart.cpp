#include "apps/bench/chart.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

/// The fields of a line, separated by commas, which no field contains.
std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',') fields.emplace_back();
    if (c != ',' && c != '\r') fields.back() += c;
  }
  return fields;
}

std::string joined(std::vector<std::string> fields) {
  for (std::string& field : fields) std::replace(field.begin(), field.end(), ',', ';');
  return fmt::format("{}\n", fmt::join(fields, ","));
}

std::string to_csv(const BarChart& chart) {
  std::vector<std::string> header = chart.series;
  header.insert(header.begin(), chart.axis);
  std::string out = fmt::format("# {}\n# {}\n{}", chart.title, chart.subtitle, joined(header));
  for (const BarChart::Group& group : chart.groups) {
    std::vector<std::string> fields = {group.name};
    for (const double value : group.values) {
      fields.push_back(std::isnan(value) ? "" : fmt::format("{:.4g}", value));
    }
    out += joined(fields);
  }
  return out;
}

/// The number in `field`, NaN if it is empty, and -1 if it is no number.
double number_in_field(const std::string& field) {
  if (field.empty()) return NAN;
  char* end = nullptr;
  const double value = std::strtod(field.c_str(), &end);
  return *end == '\0' && std::isfinite(value) ? value : -1;
}

BarChart read_chart(const std::string& path) {
  BarChart chart;
  std::istringstream lines(read_text(path));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::vector<std::string> fields = split(line);
    if (line.starts_with("# ")) {
      (number == 1 ? chart.title : chart.subtitle) = line.substr(2);
    } else if (chart.axis.empty()) {
      chart.axis = fields[0];
      chart.series.assign(fields.begin() + 1, fields.end());
    } else {
      if (fields.size() != chart.series.size() + 1) {
        fail_input("{}: line {} has {} fields, the header {}; add or remove commas", path, number,
                   fields.size(), chart.series.size() + 1);
      }
      chart.groups.push_back({fields[0], {}});
      for (size_t i = 1; i < fields.size(); ++i) {
        chart.groups.back().values.push_back(number_in_field(fields[i]));
        if (!(chart.groups.back().values.back() < 0)) continue;
        fail_input("{}: line {}: \"{}\" is not a number from 0 up; correct it, or leave it empty",
                   path, number, fields[i]);
      }
    }
  }
  if (chart.groups.empty()) fail_input("{}: holds no numbers; add a line per group of bars", path);
  return chart;
}

void write(const std::string& path, const std::string& text) {
  if (path.empty()) return;
  write_file_atomic(path, text);
  fmt::print("written: {}\n", path);
}

}  // namespace

void write_chart(const BarChart& chart, const BenchOptions& options) {
  write(options.csv, to_csv(chart));
  write(options.svg, draw_bars(chart));
}

void run_chart(const BenchOptions& options) {
  write_chart(read_chart(options.chart), options);
}

}  // namespace gmlp
