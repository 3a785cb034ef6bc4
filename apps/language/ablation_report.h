#pragma once
// What `gmlp-language ablate` says of its runs: tables, the paper's order, JSON and a picture.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/language/ablation_rows.h"

namespace gmlp {

/// One finished run, as its folder holds it.
struct AblationRun {
  uint64_t seed = 0;
  std::string folder;
  int64_t parameters = 0;
  double loss = 0;          // on the validation text, nats
  double perplexity = 0;    // exp(loss)
  double tokens_per_s = 0;  // of training: the median of the logged steps
};

/// A row of a table: its runs, a seed each.
struct AblationResult {
  const AblationRow* row = nullptr;
  int64_t blocks = 0;
  std::vector<AblationRun> runs;
};

struct AblationResults {
  std::string scale;
  std::vector<AblationResult> table3;
  std::vector<AblationResult> depths;  // of one seed
};

/// Mean and sample standard deviation, sqrt(sum (x - mean)^2 / (n - 1)); NaN for a single value.
struct MeanDeviation {
  double mean = 0;
  double deviation = 0;
};
MeanDeviation mean_deviation_of(const std::vector<double>& values);
/// Of a non-empty list; between two middle values their mean.
double median_of(std::vector<double> values);
MeanDeviation perplexity_of(const AblationResult& result);

/// Two neighbours of the paper's order, and whether they came out like that.
struct Comparison {
  const AblationResult* higher = nullptr;  // of the higher perplexity in the paper
  const AblationResult* lower = nullptr;
  double difference = 0;  // of the means; > 0: as in the paper
  double spread = 0;      // sqrt(s1^2 + s2^2) of the two deviations; NaN with a single seed
  bool as_paper() const { return difference > 0; }
  bool outside_spread() const;
};
/// Of those neighbours in paper_order() that were both trained.
std::vector<Comparison> compare_to_paper(const std::vector<AblationResult>& table3);

/// Reads a finished run of `tokens` tokens a window. Throws InputError when it is not finished.
AblationRun read_ablation_run(const std::string& folder, uint64_t seed, int64_t tokens);

/// Both tables and the comparison, in Markdown.
std::string ablation_text(const AblationResults& results);
std::string ablation_json(const AblationResults& results);
/// Perplexity over parameters (the paper's Figure 5), an SVG; empty when there is nothing to draw.
std::string ablation_svg(const AblationResults& results);

}  // namespace gmlp
