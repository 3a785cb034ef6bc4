#include "apps/cli/format.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <regex>
#include <thread>

#include <fmt/args.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include "core/io/json.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

/// What follows "NAME" and a colon in a file of such lines; empty when no line has the name.
std::string field_of(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t value = line.find_first_not_of(" \t", line.find(':') + 1);
    if (line.starts_with(name) && value != line.npos) return line.substr(value);
  }
  return "";
}

}  // namespace

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t i = std::ssize(digits) - 3; i > (value < 0 ? 1 : 0); i -= 3) {
    digits.insert(static_cast<size_t>(i), 1, ',');
  }
  return digits;
}

double standard_error(double p, int64_t n) {
  return n > 0 ? std::sqrt(p * (1 - p) / static_cast<double>(n)) : 0;
}

std::string with_error(double value, double error, int digits) {
  const std::string text = fmt::format("{:.{}f}", value, digits);
  return std::isfinite(error) ? fmt::format("{} ± {:.{}f}", text, error, digits) : text;
}

std::string shell_quoted(const std::string& path) {
  static const std::regex special(R"([^\w./:=@%+,-])"), quote("'");
  if (!std::regex_search(path, special)) return path;
  return "'" + std::regex_replace(path, quote, R"('\'')") + "'";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
  }
  return lines;
}

std::string fill_in_template(const std::string& text, const TemplateValues& values) {
  fmt::dynamic_format_arg_store<fmt::format_context> arguments;
  for (const auto& [name, value] : values) arguments.push_back(fmt::arg(name.c_str(), value));
  std::string kept;
  for (std::string line : lines_of(text)) {
    bool keep = true;
    for (size_t mark = line.find("? "); mark < line.find(' '); mark = line.find("? ")) {
      const size_t begin = line[0] == '!' ? 1 : 0;
      keep = keep && values.at(line.substr(begin, mark - begin)).empty() == (begin == 1);
      line.erase(0, mark + 2);
    }
    if (keep) kept += line + "\n";
  }
  return fmt::vformat(kept, arguments);
}

std::string cpu_name() {
  const std::string name = field_of("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown" : name;
}

std::string environment_json() {
  utsname system = {};
  uname(&system);
  return json_text({{"version", GMLP_VERSION},
                    {"compiler", __VERSION__},
                    {"isa", isa_name()},
                    {"threads", thread_count()},
                    {"hardware_threads", std::thread::hardware_concurrency()},
                    {"cpu", cpu_name()},
                    {"system", fmt::format("{} {} {}", &system.sysname[0], &system.release[0],
                                           &system.machine[0])}});
}

double peak_gflops(const std::string& precision, double seconds, const fused::Kernels& kernels) {
  double (*burst)(int64_t) = precision == "bf16" ? kernels.bf16_burst : kernels.fma_burst;
  constexpr int64_t kIterations = 1 << 20;  // some milliseconds
  const Stopwatch whole;
  double best = 0;
  do {
    // Twice as many bursts as threads, so that they overlap however they are scheduled.
    const Stopwatch watch;
    const int64_t bursts = 2 * thread_count();
    std::vector<double> flops(static_cast<size_t>(bursts));
    parallel_for(bursts, [&](int64_t i) { flops[static_cast<size_t>(i)] = burst(kIterations); });
    const double total = std::accumulate(flops.begin(), flops.end(), 0.0);
    best = std::max(best, total / watch.seconds() * 1e-9);
  } while (whole.seconds() < seconds);
  return best;
}

int64_t status_bytes(const std::string& name) {
  const std::string kilobytes = field_of("/proc/self/status", name + ":");
  return kilobytes.empty() ? 0 : std::stoll(kilobytes) * 1024;
}

}  // namespace gmlp
