#pragma once
// The models that `gmlp-language ablate` trains, and its report: two tables, the comparison with
// the paper's order, JSON and a chart.

#include <cstdint>
#include <string>
#include <vector>

namespace gmlp {

enum class AblationSeries : uint8_t { kTable3, kDepth };  // kDepth: Table 4 and Figure 5

/// One model of a series.
struct AblationRow {
  AblationSeries series = AblationSeries::kTable3;
  const char* name = "";   // in --only and in the path of its runs
  const char* title = "";  // in the table; in the series by depth also the chart's line
  const char* model = "";  // a named model and the options that change it
  double perplexity = 0;   // in the paper, after 125,000 steps on C4; 0: not reported
  bool ordered = false;    // compared with the next row, which the paper reports as better
};

/// All rows; a series keeps the paper's order.
const std::vector<AblationRow>& ablation_rows();

/// The arguments of `pretrain` that select the row's model.
std::vector<std::string> model_arguments(const AblationRow& row);

/// A finished run, as read from its folder.
struct AblationRun {
  uint64_t seed = 0;
  std::string folder;
  int64_t parameters = 0;
  double loss = 0;          // validation loss in nats per token
  double perplexity = 0;    // exp(loss)
  double tokens_per_s = 0;  // of training, the median of the logged steps
};

/// Reads a finished run with `tokens` tokens per window. Throws InputError if it is unfinished.
AblationRun read_ablation_run(const std::string& folder, uint64_t seed, int64_t tokens);

/// Mean and sample standard deviation, sqrt(sum (x - mean)² / (n - 1)), which is NaN for n = 1.
struct MeanDeviation {
  double mean = 0;
  double deviation = 0;
};
MeanDeviation mean_deviation(const std::vector<double>& values);
/// The middle value, or the mean of the two middle values. `values` is not empty.
double median(std::vector<double> values);

/// A row and its runs, one per seed.
struct AblationResult {
  const AblationRow* row = nullptr;
  int64_t blocks = 0;
  std::vector<AblationRun> runs;

  std::vector<double> values(double AblationRun::*member) const;
  MeanDeviation perplexity() const { return mean_deviation(values(&AblationRun::perplexity)); }
};

struct AblationReport {
  std::vector<AblationResult> results;

  std::vector<AblationResult> series(AblationSeries wanted) const;
  /// Both tables and the comparison, in Markdown.
  std::string text() const;
  std::string json() const;
  /// Perplexity over parameters (the paper's Figure 5) as SVG; empty if there is nothing to draw.
  std::string chart() const;
};

/// Two neighbors in the paper's order; `higher` has the higher perplexity there.
struct Comparison {
  const AblationRow* higher = nullptr;
  const AblationRow* lower = nullptr;
  double difference = 0;  // of the mean perplexities; positive if the paper's order is confirmed
  double spread = 0;      // sqrt(s1² + s2²) of the two deviations; NaN with one seed

  bool as_paper() const { return difference > 0; }
  bool outside_spread() const { return difference > spread || -difference > spread; }
};
/// One comparison per pair of neighbors that were both trained.
std::vector<Comparison> compare_to_paper(const std::vector<AblationResult>& results);

}  // namespace gmlp
