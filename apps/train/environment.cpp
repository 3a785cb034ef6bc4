#include "apps/train/environment.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include <sys/utsname.h>

#include "core/io/json.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

namespace gmlp {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown";
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

}  // namespace gmlp
