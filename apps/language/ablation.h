#pragma once
// The models that `gmlp-language ablate` trains, and its report: two tables, the comparison with
// the paper's order, and JSON.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/train/ablation.h"
#include "core/io/json.h"

namespace gmlp {

/// One model of a series.
struct AblationRow {
  std::string series = "table3";   // or "depth": Table 4 and Figure 5
  const char* name = "";           // in --only and in the path of its runs
  const char* title = "";          // in the table
  std::vector<std::string> model;  // a name, and the options of `pretrain` that change it
  double lr = 3e-3;                // without --lr; docs/log/2026-11.md has the runs behind it
  double perplexity = 0;           // in the paper, after 125,000 steps on C4; 0: not reported
  bool ordered = false;            // compared with the next row, which the paper reports as better
};

/// All rows; a series keeps the paper's order.
extern const std::vector<AblationRow> kAblationRows;

/// A row and its runs, one per seed.
struct AblationResult {
  const AblationRow* row = nullptr;
  int64_t blocks = 0;
  int64_t tokens = 0;  // per window
  std::vector<AblationRun> runs = {};
};

struct AblationReport {  // NOLINT(bugprone-exception-escape): the JSON library's destructor
  std::string markdown;  // both tables, and the order of neighbors between them
  Json json;             // the same numbers, and every run
};

/// `results` has at most one result per row, in the order of the rows. Two neighbors in the paper's
/// order are compared if both were trained: the difference of their mean perplexities is positive
/// if the paper's order is confirmed, and their spread is sqrt(s² + t²) for deviations s and t.
AblationReport report_ablation(const std::vector<AblationResult>& results);

}  // namespace gmlp
