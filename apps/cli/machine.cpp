#include "apps/cli/machine.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include <sys/utsname.h>

#include "core/io/json.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

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

std::string cpu_name() {
  const std::string name = field_of("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown" : name;
}

std::string environment_json() {
  nlohmann::ordered_json json;
  json["version"] = GMLP_VERSION;
  json["compiler"] = __VERSION__;
  json["isa"] = isa_name();
  json["threads"] = thread_count();
  json["hardware_threads"] = std::thread::hardware_concurrency();
  json["cpu"] = cpu_name();
  utsname system = {};
  if (uname(&system) == 0) {
    json["system"] = std::string(system.sysname) + " " + system.release + " " + system.machine;
  }
  return json_text(json);
}

int64_t status_bytes(const std::string& name) {
  const std::string kilobytes = field_of("/proc/self/status", name + ":");
  return kilobytes.empty() ? 0 : std::stoll(kilobytes) * 1024;
}

}  // namespace gmlp
