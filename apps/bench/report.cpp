#include "apps/bench/report.h"

#include <fmt/format.h>

#include "apps/cli/machine.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

namespace gmlp {

Json to_json(const Spread& spread) {
  return {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
}

void Report::write(const std::string& path) const {
  if (path.empty()) return;
  const Json json = {{"rows", rows_}, {"machine", parse_json(environment_json(), "machine")}};
  write_file_atomic(path, json_text(json));
  fmt::print("written: {}\n", path);
}

std::string machine_line() {
  return fmt::format("{}, {} kernels, {} thread{}", cpu_name(), isa_name(), thread_count(),
                     thread_count() == 1 ? "" : "s");
}

}  // namespace gmlp
