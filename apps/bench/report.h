#pragma once
// What a command found, for machines: {"rows": [...], "machine": {...}}. People get the tables that
// the commands print.

#include <nlohmann/json.hpp>
#include <string>

#include "apps/bench/measure.h"

namespace gmlp {

using Json = nlohmann::ordered_json;

/// {"median": ..., "low": ..., "high": ...}
Json to_json(const Spread& spread);

class Report {
 public:
  void add(Json row) { rows_.push_back(std::move(row)); }
  /// Writes the file, unless `path` is empty. Throws RunError when it cannot be written.
  void write(const std::string& path) const;

 private:
  Json rows_ = Json::array();
};

/// One line on the machine: processor, instruction set, threads.
std::string machine_line();

}  // namespace gmlp
