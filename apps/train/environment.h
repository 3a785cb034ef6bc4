#pragma once
// What a run was made with, kept beside its numbers.

#include <string>

namespace gmlp {

/// environment.json: version, compiler, instruction set, threads, CPU.
std::string environment_json();

/// The processor's name from /proc/cpuinfo, or "unknown".
std::string cpu_name();

}  // namespace gmlp
