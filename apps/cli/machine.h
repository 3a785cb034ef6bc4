#pragma once
// The machine that a command runs on, recorded beside its numbers, and this process's memory.

#include <cstdint>
#include <string>

namespace gmlp {

/// environment.json: version, compiler, instruction set, threads, CPU, system.
std::string environment_json();

/// The processor's name from /proc/cpuinfo, or "unknown".
std::string cpu_name();

/// The bytes that /proc/self/status lists under `name`: "VmRSS" is the resident set, "VmHWM" its
/// largest size so far. 0 without /proc.
int64_t status_bytes(const std::string& name);

}  // namespace gmlp
