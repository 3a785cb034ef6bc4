#include "apps/language/ablation/ablation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/train/metrics.h"
#include "apps/train/svg.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;
using enum AblationSeries;

// Without a split the gate is as wide as F, so F = 512 keeps the parameter counts comparable, as in
// the paper. All gates are Toeplitz, as the paper's are from Table 4 on: a full W has one weight
// per pair of tokens and needs several times as many steps to leave its initial plateau. A
// Transformer block has 1.2 times the parameters of a gMLP block, hence depth 10 beside 12.
// clang-format off
const std::vector<AblationRow> kRows = {
    {.name = "transformer", .title = "Transformer (BERT)", .model = "transformer_lm_tiny",
     .perplexity = 4.37},
    {.name = "transformer-relpos", .title = "Transformer, relative position bias",
     .model = "transformer_relpos_lm_tiny", .perplexity = 4.26},
    {.name = "relpos-only", .title = "relative position bias only", .model = "relpos_only_lm_tiny",
     .perplexity = 5.64},
    {.name = "mixer", .title = "MLP-Mixer", .model = "mixer_lm_tiny", .perplexity = 5.34},
    {.name = "linear", .title = "gMLP, linear gate",
     .model = "gmlp_lm_tiny --gate linear --d-ffn 512", .perplexity = 5.14, .ordered = true},
    {.name = "additive", .title = "gMLP, additive gate",
     .model = "gmlp_lm_tiny --gate additive --d-ffn 512", .perplexity = 4.97, .ordered = true},
    {.name = "multiplicative", .title = "gMLP, multiplicative gate",
     .model = "gmlp_lm_tiny --gate multiplicative --d-ffn 512", .perplexity = 4.53, .ordered = true},
    {.name = "split", .title = "gMLP, split gate", .model = "gmlp_lm_tiny", .perplexity = 4.35,
     .ordered = true},
    {.name = "amlp", .title = "aMLP (tiny attention)", .model = "amlp_lm_tiny"},
    {.series = kDepth, .name = "gmlp-shallow", .title = "gMLP", .model = "gmlp_lm_tiny --depth 3",
     .perplexity = 5.25},
    {.series = kDepth, .name = "gmlp-middle", .title = "gMLP", .model = "gmlp_lm_tiny",
     .perplexity = 4.35},
    {.series = kDepth, .name = "gmlp-deep", .title = "gMLP", .model = "gmlp_lm_tiny --depth 12",
     .perplexity = 3.79},
    {.series = kDepth, .name = "transformer-shallow", .title = "Transformer",
     .model = "transformer_relpos_lm_tiny --depth 3", .perplexity = 4.91},
    // Reads the run of Table 3.
    {.series = kDepth, .name = "transformer-relpos", .title = "Transformer",
     .model = "transformer_relpos_lm_tiny", .perplexity = 4.26},
    {.series = kDepth, .name = "transformer-deep", .title = "Transformer",
     .model = "transformer_relpos_lm_tiny --depth 10", .perplexity = 3.83},
};
// clang-format on

constexpr const char* kColors[] = {"#d62728", "#e377c2", "#7f7f7f", "#8c564b", "#ff7f0e",
                                   "#2ca02c", "#1f77b4", "#9467bd", "#17becf", "#bcbd22"};

std::string with_spread(const MeanDeviation& value, int digits) {
  const std::string mean = fmt::format("{:.{}f}", value.mean, digits);
  if (!std::isfinite(value.deviation)) return mean;
  return fmt::format("{} ± {:.{}f}", mean, value.deviation, digits);
}

double millions(const AblationResult& result) {
  return static_cast<double>(result.runs.front().parameters) / 1e6;
}

std::string table_text(const std::vector<AblationResult>& results, const char* note) {
  std::string text =
      "| model | blocks | parameters | perplexity | loss | tokens/s | perplexity in the paper |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const AblationResult& result : results) {
    const AblationRow& row = *result.row;
    text += fmt::format("| {} | {} | {:.3g} M | {} | {} | {} | {} |\n", row.title, result.blocks,
                        millions(result), with_spread(result.perplexity(), 3),
                        with_spread(mean_deviation(result.values(&AblationRun::loss)), 4),
                        grouped(std::llround(median(result.values(&AblationRun::tokens_per_s)))),
                        row.perplexity > 0 ? fmt::format("{:.2f}", row.perplexity) : "");
  }
  std::vector<uint64_t> seeds;
  for (const AblationRun& run : results.front().runs) seeds.push_back(run.seed);
  return text + fmt::format("\n{} {}{}; tokens/s is the median of the logged steps{}.\n",
                            seeds.size() == 1 ? "Seed" : "Seeds", fmt::join(seeds, ", "),
                            seeds.size() == 1 ? "" : ", mean ± sample standard deviation", note);
}

std::string comparison_text(const Comparison& pair) {
  std::string text =
      fmt::format("- {} above {}: {:+.3f}, {}", pair.higher->name, pair.lower->name,
                  pair.difference, pair.as_paper() ? "as in the paper" : "in reverse order");
  if (std::isnan(pair.spread)) return text + ", with one seed and no spread\n";
  return text + fmt::format(", {} the spread of {:.3f}\n",
                            pair.outside_spread() ? "outside" : "within", pair.spread);
}

// nlohmann writes NaN, such as the deviation of one seed, as null.
Json spread_json(const MeanDeviation& value) {
  return {{"mean", value.mean}, {"deviation", value.deviation}};
}

Json series_json(const std::vector<AblationResult>& results) {
  Json rows = Json::array();
  for (const AblationResult& result : results) {
    Json runs = Json::array();
    for (const AblationRun& run : result.runs) {
      runs.push_back({{"seed", run.seed},
                      {"folder", run.folder},
                      {"val_loss", run.loss},
                      {"val_perplexity", run.perplexity},
                      {"tokens_per_s", run.tokens_per_s}});
    }
    const double paper = result.row->perplexity;
    rows.push_back({{"row", result.row->name},
                    {"title", result.row->title},
                    {"blocks", result.blocks},
                    {"parameters", result.runs.front().parameters},
                    {"perplexity", spread_json(result.perplexity())},
                    {"loss", spread_json(mean_deviation(result.values(&AblationRun::loss)))},
                    {"tokens_per_s", median(result.values(&AblationRun::tokens_per_s))},
                    {"paper_perplexity", paper > 0 ? Json(paper) : Json(nullptr)},
                    {"runs", runs}});
  }
  return rows;
}

/// The median of the logged steps, in windows per second.
double median_speed(const std::string& steps_path) {
  std::vector<double> speeds;
  std::istringstream lines(read_text(steps_path));
  for (std::string line; std::getline(lines, line);) {
    const Json step = parse_json(line, steps_path);
    if (!step.contains("samples_per_s")) {
      fail_input("{}: a line is not a step of a run; restore the file", steps_path);
    }
    if (step["samples_per_s"].is_number()) speeds.push_back(step["samples_per_s"]);
  }
  return speeds.empty() ? 0 : median(speeds);
}

}  // namespace

const std::vector<AblationRow>& ablation_rows() {
  return kRows;
}

std::vector<std::string> model_arguments(const AblationRow& row) {
  std::vector<std::string> arguments = {"--model"};
  std::istringstream words(row.model);
  for (std::string word; words >> word;) arguments.push_back(word);
  return arguments;
}

AblationRun read_ablation_run(const std::string& folder, uint64_t seed, int64_t tokens) {
  const std::string path = folder + "/summary.json";
  const Json summary = parse_json(read_text(path), path);
  if (summary.value("steps", 0) < summary.value("total_steps", 1)) {
    fail_input("{}: the run is not finished; repeat the command to continue it", folder);
  }
  const std::vector<EpochRecord> epochs = read_metrics(folder + "/metrics.csv");
  if (epochs.empty() || !epochs.back().validated) {
    fail_input("{}/metrics.csv: has no final validation; remove the run folder", folder);
  }
  const double loss = epochs.back().val_loss;
  const double speed = median_speed(folder + "/steps.jsonl") * static_cast<double>(tokens);
  return {.seed = seed,
          .folder = folder,
          .parameters = summary.at("parameters").get<int64_t>(),
          .loss = loss,
          .perplexity = std::exp(loss),
          .tokens_per_s = speed};
}

MeanDeviation mean_deviation(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double none = std::numeric_limits<double>::quiet_NaN();
  return {mean, values.size() > 1 ? std::sqrt(squares / (count - 1)) : none};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

std::vector<double> AblationResult::values(double AblationRun::*member) const {
  std::vector<double> all;
  for (const AblationRun& run : runs) all.push_back(run.*member);
  return all;
}

std::vector<Comparison> compare_to_paper(const std::vector<AblationResult>& results) {
  std::vector<Comparison> pairs;
  for (const AblationResult& a : results) {
    for (const AblationResult& b : results) {
      if (!a.row->ordered || b.row != a.row + 1) continue;
      pairs.push_back({a.row, b.row, a.perplexity().mean - b.perplexity().mean,
                       std::hypot(a.perplexity().deviation, b.perplexity().deviation)});
    }
  }
  return pairs;
}

std::vector<AblationResult> AblationReport::series(AblationSeries wanted) const {
  std::vector<AblationResult> part;
  for (const AblationResult& result : results) {
    if (result.row->series == wanted) part.push_back(result);
  }
  return part;
}

std::string AblationReport::text() const {
  std::string text;
  if (!series(kTable3).empty()) text += table_text(series(kTable3), "");
  const std::vector<Comparison> pairs = compare_to_paper(results);
  if (!pairs.empty()) {
    text +=
        "\nNeighbors in the paper's order. The spread of two rows with deviations s and t is "
        "sqrt(s² + t²).\n\n";
  }
  for (const Comparison& pair : pairs) text += comparison_text(pair);
  if (!series(kDepth).empty()) {
    text += text.empty() ? "" : "\n";
    text += table_text(series(kDepth),
                       ". gMLP has the split gate and a Toeplitz W, the Transformer has relative "
                       "position biases. The paper's models have 18, 36 and 72 blocks of gMLP, and "
                       "6, 12 and 24 layers of attention");
  }
  return text;
}

std::string AblationReport::json() const {
  Json order = Json::array();
  for (const Comparison& pair : compare_to_paper(results)) {
    order.push_back({{"higher", pair.higher->name},
                     {"lower", pair.lower->name},
                     {"difference", pair.difference},
                     {"spread", pair.spread},
                     {"as_paper", pair.as_paper()},
                     {"outside_spread", pair.outside_spread()}});
  }
  return json_text({{"table3", series_json(series(kTable3))},
                    {"paper_order", order},
                    {"depths", series_json(series(kDepth))}});
}

std::string AblationReport::chart() const {
  Panel panel{"points: mean ± deviation over the seeds; lines: one seed, by depth",
              "parameters (millions)",
              "validation perplexity",
              {}};
  panel.log_x = true;
  panel.legend_beside = true;
  std::vector<Curve>& curves = panel.curves;
  for (const AblationResult& result : results) {
    const MeanDeviation perplexity = result.perplexity();
    if (!std::isfinite(perplexity.mean)) continue;
    const bool line = result.row->series == kDepth;
    const std::string name = result.row->title + std::string(line ? ", by depth" : "");
    if (curves.empty() || curves.back().name != name) {
      const Mark mark = static_cast<Mark>(curves.size() % 4);
      curves.push_back({name, kColors[curves.size() % std::size(kColors)], {}, line, mark});
    }
    curves.back().points.emplace_back(millions(result), perplexity.mean);
    if (!line && std::isfinite(perplexity.deviation)) curves.back().errors = {perplexity.deviation};
  }
  for (Curve& curve : curves) std::sort(curve.points.begin(), curve.points.end());
  return curves.empty() ? "" : draw_svg("Perplexity by parameters", {panel});
}

}  // namespace gmlp
