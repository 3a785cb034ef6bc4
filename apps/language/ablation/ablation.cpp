#include "apps/language/ablation/ablation.h"

#include <cmath>

#include <fmt/ranges.h>

namespace gmlp {

// Without a split the gate is as wide as F, so F = 512 keeps the parameter counts comparable, as in
// the paper. All gates are Toeplitz, as the paper's are from Table 4 on: a full W has one weight
// per pair of tokens and needs several times as many steps to leave its initial plateau. A
// Transformer block has 1.2 times the parameters of a gMLP block, hence depth 10 beside 12.
constexpr double kAttentionLr = 1e-3;
// clang-format off
const std::vector<AblationRow> kAblationRows = {
    {.name = "transformer", .title = "Transformer (BERT)", .model = {"transformer_lm_tiny"},
     .lr = kAttentionLr, .perplexity = 4.37},
    {.name = "transformer-relpos", .title = "Transformer, relative position bias",
     .model = {"transformer_relpos_lm_tiny"}, .lr = kAttentionLr, .perplexity = 4.26},
    {.name = "relpos-only", .title = "relative position bias only",
     .model = {"relpos_only_lm_tiny"}, .lr = kAttentionLr, .perplexity = 5.64},
    {.name = "mixer", .title = "MLP-Mixer", .model = {"mixer_lm_tiny"}, .perplexity = 5.34},
    {.name = "linear", .title = "gMLP, linear gate",
     .model = {"gmlp_lm_tiny", "--gate", "linear", "--d-ffn", "512"}, .perplexity = 5.14,
     .ordered = true},
    {.name = "additive", .title = "gMLP, additive gate",
     .model = {"gmlp_lm_tiny", "--gate", "additive", "--d-ffn", "512"}, .perplexity = 4.97,
     .ordered = true},
    {.name = "multiplicative", .title = "gMLP, multiplicative gate",
     .model = {"gmlp_lm_tiny", "--gate", "multiplicative", "--d-ffn", "512"}, .perplexity = 4.53,
     .ordered = true},
    {.name = "split", .title = "gMLP, split gate", .model = {"gmlp_lm_tiny"}, .perplexity = 4.35,
     .ordered = true},
    {.name = "amlp", .title = "aMLP (tiny attention)", .model = {"amlp_lm_tiny"}},
    {.series = "depth", .name = "gmlp-shallow", .title = "gMLP",
     .model = {"gmlp_lm_tiny", "--depth", "3"}, .perplexity = 5.25},
    // Reads the run of Table 3, as transformer-relpos does.
    {.series = "depth", .name = "split", .title = "gMLP", .model = {"gmlp_lm_tiny"},
     .perplexity = 4.35},
    {.series = "depth", .name = "gmlp-deep", .title = "gMLP",
     .model = {"gmlp_lm_tiny", "--depth", "12"}, .perplexity = 3.79},
    {.series = "depth", .name = "transformer-shallow", .title = "Transformer",
     .model = {"transformer_relpos_lm_tiny", "--depth", "3"}, .lr = kAttentionLr,
     .perplexity = 4.91},
    {.series = "depth", .name = "transformer-relpos", .title = "Transformer",
     .model = {"transformer_relpos_lm_tiny"}, .lr = kAttentionLr, .perplexity = 4.26},
    {.series = "depth", .name = "transformer-deep", .title = "Transformer",
     .model = {"transformer_relpos_lm_tiny", "--depth", "10"}, .lr = kAttentionLr,
     .perplexity = 3.83},
};
// clang-format on

namespace {

MeanDeviation perplexity_of(const AblationResult& result) {
  std::vector<double> perplexities = values_of(result.runs, &AblationRun::loss);
  for (double& value : perplexities) value = std::exp(value);
  return mean_deviation(perplexities);
}

/// Adds one series to the report: a table, and the array `key` in JSON.
void add_series(const std::vector<AblationResult>& results, bool by_depth, const char* key,
                const char* note, AblationReport& report) {
  Json& rows = report.json[key] = Json::array();
  std::string table;
  std::vector<uint64_t> seeds;  // of the first row
  for (const AblationResult& result : results) {
    const AblationRow& row = *result.row;
    if (row.is_by_depth() != by_depth) continue;
    const double tokens = static_cast<double>(result.tokens);
    const MeanDeviation perplexity = perplexity_of(result);
    const MeanDeviation loss = mean_deviation(values_of(result.runs, &AblationRun::loss));
    const int64_t parameters = result.runs.front().parameters;
    const double speed = median(values_of(result.runs, &AblationRun::samples_per_s)) * tokens;
    table += fmt::format("| {} | {} | {:.3g} M | {} | {} | {} | {} |\n", row.title, result.blocks,
                         static_cast<double>(parameters) / 1e6, perplexity.text(3), loss.text(4),
                         grouped(std::llround(speed)),
                         row.perplexity > 0 ? fmt::format("{:.2f}", row.perplexity) : "");
    Json runs = Json::array();
    for (const AblationRun& run : result.runs) {
      if (rows.empty()) seeds.push_back(run.seed);
      runs.push_back({{"seed", run.seed},
                      {"folder", run.folder},
                      {"val_loss", run.loss},
                      {"val_perplexity", std::exp(run.loss)},
                      {"tokens_per_s", run.samples_per_s * tokens}});
    }
    rows.push_back({{"row", row.name},
                    {"title", row.title},
                    {"blocks", result.blocks},
                    {"parameters", parameters},
                    {"perplexity", to_json(perplexity)},
                    {"loss", to_json(loss)},
                    {"tokens_per_s", speed},
                    {"paper_perplexity", row.perplexity > 0 ? Json(row.perplexity) : Json()},
                    {"runs", runs}});
  }
  if (rows.empty()) return;
  const bool one = seeds.size() == 1;
  report.markdown += fmt::format(
      "{}| model | blocks | parameters | perplexity | loss | tokens/s | perplexity in the paper |\n"
      "|---|---|---|---|---|---|---|\n{}\n"
      "{} {}{}; tokens/s is the median of the logged steps{}.\n",
      report.markdown.empty() ? "" : "\n", table, one ? "Seed" : "Seeds", fmt::join(seeds, ", "),
      one ? "" : ", mean ± sample standard deviation", note);
}

/// Adds a comparison per pair of neighbors in the paper's order.
void add_order(const std::vector<AblationResult>& results, AblationReport& report) {
  Json& order = report.json["paper_order"] = Json::array();
  std::string text;
  for (size_t i = 0; i + 1 < results.size(); ++i) {
    const AblationRow& higher = *results[i].row;
    const AblationRow& lower = *results[i + 1].row;
    if (!higher.ordered || &lower != &higher + 1) continue;
    const MeanDeviation a = perplexity_of(results[i]);
    const MeanDeviation b = perplexity_of(results[i + 1]);
    const double difference = a.mean - b.mean;
    if (std::isnan(difference)) continue;  // a run diverged
    const double spread = std::hypot(a.deviation, b.deviation);
    const bool outside = std::abs(difference) > spread;
    order.push_back({{"higher", higher.name},
                     {"lower", lower.name},
                     {"difference", difference},
                     {"spread", spread},
                     {"as_paper", difference > 0},
                     {"outside_spread", outside}});
    const std::string among =
        std::isnan(spread)
            ? "with one seed and no spread"
            : fmt::format("{} the spread of {:.3f}", outside ? "outside" : "within", spread);
    text += fmt::format("- {} above {}: {:+.3f}, {}, {}\n", higher.name, lower.name, difference,
                        difference > 0 ? "as in the paper" : "in reverse order", among);
  }
  if (text.empty()) return;
  report.markdown +=
      "\nNeighbors in the paper's order. The spread of two rows with deviations s and t is "
      "sqrt(s² + t²).\n\n" +
      text;
}

}  // namespace

AblationReport report_ablation(const std::vector<AblationResult>& results) {
  AblationReport report;
  add_series(results, false, "table3", "", report);
  add_order(results, report);
  add_series(results, true, "depths",
             ". gMLP has the split gate and a Toeplitz W, the Transformer has relative position "
             "biases. The paper's models have 18, 36 and 72 blocks of gMLP, and 6, 12 and 24 "
             "layers of attention",
             report);
  return report;
}

}  // namespace gmlp
