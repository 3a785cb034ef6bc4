#pragma once
// Numbers as people read them, a stopwatch, and what a command's numbers depend on: the machine,
// its peak, and memory.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace gmlp {

/// Seconds of a monotonic clock.
double now_seconds();
struct Stopwatch {
  double began = now_seconds();
  double seconds() const { return now_seconds() - began; }
};

/// "3m20s", "45s", "2h05m"; "?" when unknown.
std::string duration_text(double seconds);
/// 12345678 as "12,345,678".
std::string grouped(int64_t value);
/// The standard error of a proportion p over n samples: sqrt(p (1 - p) / n).
double standard_error(double p, int64_t n);
/// "1.234 ± 0.012"; without the error if that is not finite.
std::string with_error(double value, double error, int digits);

/// A path as one word of a shell's command.
std::string shell_quoted(const std::string& path);
/// The lines of a text, without their ends.
std::vector<std::string> lines_of(const std::string& text);

using TemplateValues = std::map<std::string, std::string>;
/// The text with each {name} replaced by its value. A line that begins with "name? " is kept,
/// without that, if the value is not empty; one with "!name? " if it is.
std::string fill_in_template(const std::string& text, const TemplateValues& values);

/// environment.json: version, compiler, instruction set, threads, CPU, system.
std::string environment_json();
/// The processor's name from /proc/cpuinfo, or "unknown".
std::string cpu_name();
/// GFLOP/s of all threads doing nothing but multiply-adds on registers, of f32 or, in precision
/// "bf16", of what products take then. The best of a few bursts in `seconds`.
double peak_gflops(const std::string& precision, double seconds,
                   const fused::Kernels& kernels = fused::kernels());
/// The bytes that /proc/self/status lists under `name`: "VmRSS" is the resident set, "VmHWM" its
/// largest size so far. 0 without /proc.
int64_t status_bytes(const std::string& name);

}  // namespace gmlp
