#pragma once
// The machine that a command runs on, recorded beside its numbers, and this process's memory.

#include <cstdint>
#include <string>

namespace gmlp {

/// environment.json: version, compiler, instruction set, threads, CPU, system.
std::string environment_json();

/// The processor's name from /proc/cpuinfo, or "unknown".
std::string cpu_name();

/// The number of bytes that /proc/self/status lists under `name`, such as "VmRSS"; 0 without /proc.
int64_t status_bytes(const std::string& name);
/// The largest resident set of this process so far (VmHWM), in bytes.
int64_t peak_resident_bytes();

}  // namespace gmlp
