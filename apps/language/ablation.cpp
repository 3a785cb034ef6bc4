#include "apps/language/ablation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/train/metrics.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;
using enum AblationSeries;

// Without a split the gate is as wide as F, so F = 512 keeps the parameter counts comparable, as in
// the paper. The tiny gates are Toeplitz, as the paper's are from Table 4 on: a full W has one
// weight per pair of tokens and needs several times as many steps to leave its initial plateau.
// A Transformer block has 1.2 times the parameters of a gMLP block, hence depth 10 beside 12.
// clang-format off
const std::vector<AblationRow> kRows = {
    {.name = "transformer", .title = "Transformer (BERT)", .tiny = "transformer_lm_tiny",
     .paper = "bert_base_128", .perplexity = 4.37, .colour = "#d62728", .mark = Mark::kSquare},
    {.name = "transformer-relpos", .title = "Transformer, relative position bias",
     .tiny = "transformer_relpos_lm_tiny",
     .paper = "bert_relpos_128", .perplexity = 4.26, .colour = "#d62728", .mark = Mark::kDiamond},
    {.name = "relpos-only", .title = "relative position bias only", .tiny = "relpos_only_lm_tiny",
     .paper = "bert_relpos_only_128", .perplexity = 5.64, .colour = "#e377c2",
     .mark = Mark::kTriangle},
    {.name = "mixer", .title = "MLP-Mixer", .tiny = "mixer_lm_tiny",
     .paper = "mixer_base_128", .perplexity = 5.34, .colour = "#7f7f7f", .mark = Mark::kSquare},
    {.name = "linear", .title = "gMLP, linear gate",
     .tiny = "gmlp_lm_tiny --gate linear --d-ffn 512", .paper = "gmlp_linear_128",
     .perplexity = 5.14, .ordered = true, .colour = "#8c564b", .mark = Mark::kTriangle},
    {.name = "additive", .title = "gMLP, additive gate",
     .tiny = "gmlp_lm_tiny --gate additive --d-ffn 512", .paper = "gmlp_additive_128",
     .perplexity = 4.97, .ordered = true, .colour = "#ff7f0e", .mark = Mark::kDiamond},
    {.name = "multiplicative", .title = "gMLP, multiplicative gate",
     .tiny = "gmlp_lm_tiny --gate multiplicative --d-ffn 512", .paper = "gmlp_multiplicative_128",
     .perplexity = 4.53, .ordered = true, .colour = "#2ca02c", .mark = Mark::kSquare},
    {.name = "split", .title = "gMLP, split gate", .tiny = "gmlp_lm_tiny",
     .paper = "gmlp_split_128", .perplexity = 4.35, .ordered = true, .colour = "#1f77b4",
     .mark = Mark::kDiamond},
    {.name = "amlp", .title = "aMLP (tiny attention)", .tiny = "amlp_lm_tiny",
     .paper = "amlp_l36_128", .colour = "#9467bd", .mark = Mark::kTriangle},
    {.series = kDepth, .name = "gmlp-shallow", .title = "gMLP", .tiny = "gmlp_lm_tiny --depth 3",
     .paper = "gmlp_l18_128", .perplexity = 5.25, .paper_depth = "18 blocks", .colour = "#1f77b4"},
    {.series = kDepth, .name = "gmlp-middle", .title = "gMLP", .tiny = "gmlp_lm_tiny",
     .paper = "gmlp_l36_128", .perplexity = 4.35, .paper_depth = "36 blocks", .colour = "#1f77b4"},
    {.series = kDepth, .name = "gmlp-deep", .title = "gMLP", .tiny = "gmlp_lm_tiny --depth 12",
     .paper = "gmlp_l72_128", .perplexity = 3.79, .paper_depth = "72 blocks", .colour = "#1f77b4"},
    {.series = kDepth, .name = "transformer-shallow", .title = "Transformer",
     .tiny = "transformer_relpos_lm_tiny --depth 3", .paper = "bert_relpos_128 --depth 6",
     .perplexity = 4.91, .paper_depth = "6 + 6 layers", .colour = "#d62728"},
    // Shares its runs with Table 3.
    {.series = kDepth, .name = "transformer-relpos", .title = "Transformer",
     .tiny = "transformer_relpos_lm_tiny", .paper = "bert_relpos_128", .perplexity = 4.26,
     .paper_depth = "12 + 12 layers", .colour = "#d62728"},
    {.series = kDepth, .name = "transformer-deep", .title = "Transformer",
     .tiny = "transformer_relpos_lm_tiny --depth 10", .paper = "bert_relpos_128 --depth 24",
     .perplexity = 3.83, .paper_depth = "24 + 24 layers", .colour = "#d62728"},
};
// clang-format on

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
    std::string paper = row.perplexity > 0 ? fmt::format("{:.2f}", row.perplexity) : "";
    if (row.series == kDepth) paper += fmt::format(" ({})", row.paper_depth);
    text += fmt::format("| {} | {} | {:.3g} M | {} | {} | {} | {} |\n", row.title, result.blocks,
                        millions(result), with_spread(result.perplexity(), 3),
                        with_spread(mean_deviation(result.values(&AblationRun::loss)), 4),
                        grouped(std::llround(median(result.values(&AblationRun::tokens_per_s)))),
                        paper);
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

std::vector<std::string> model_arguments(const AblationRow& row, const std::string& scale) {
  std::vector<std::string> arguments = {"--model"};
  std::istringstream words(scale == "tiny" ? row.tiny : row.paper);
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
                       "position biases");
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
  return json_text({{"scale", scale},
                    {"table3", series_json(series(kTable3))},
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
  for (const AblationResult& result : results) {
    const AblationRow& row = *result.row;
    const MeanDeviation perplexity = result.perplexity();
    if (!std::isfinite(perplexity.mean)) continue;
    const bool line = row.series == kDepth;
    const std::string name = line ? fmt::format("{}, by depth", row.title) : row.title;
    if (!line || panel.curves.empty() || panel.curves.back().name != name) {
      panel.curves.push_back({name, row.colour, {}, line, row.mark});
    }
    Curve& curve = panel.curves.back();
    curve.points.emplace_back(millions(result), perplexity.mean);
    if (!line && std::isfinite(perplexity.deviation)) curve.errors = {perplexity.deviation};
  }
  // Depths in ascending order of parameters; a point of Table 3 is alone.
  for (Curve& curve : panel.curves) std::sort(curve.points.begin(), curve.points.end());
  return panel.curves.empty() ? "" : draw_svg("Perplexity by parameters", {panel});
}

}  // namespace gmlp
