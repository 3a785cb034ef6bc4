#include "apps/language/ablation_report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include <fmt/format.h>

#include "apps/train/metrics.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

std::vector<double> values_of(const AblationResult& result, double AblationRun::*member) {
  std::vector<double> values;
  for (const AblationRun& run : result.runs) values.push_back(run.*member);
  return values;
}

std::string with_spread(const MeanDeviation& spread, int digits) {
  std::string text = fmt::format("{:.{}f}", spread.mean, digits);
  if (std::isfinite(spread.deviation)) text += fmt::format(" ± {:.{}f}", spread.deviation, digits);
  return text;
}

/// The columns that both tables have: parameters to tokens/s.
std::string measured_cells(const AblationResult& result) {
  return fmt::format(
      "{:.3g} M | {} | {} | {}", static_cast<double>(result.runs.front().parameters) / 1e6,
      with_spread(perplexity_of(result), 3),
      with_spread(mean_deviation_of(values_of(result, &AblationRun::loss)), 4),
      grouped(std::llround(median_of(values_of(result, &AblationRun::tokens_per_s)))));
}

std::string seeds_text(const std::vector<AblationRun>& runs) {
  std::string text = runs.size() == 1 ? "Seed " : "Seeds ";
  for (size_t i = 0; i < runs.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(runs[i].seed);
  }
  return text;
}

std::string table3_text(const std::vector<AblationResult>& rows) {
  std::string text =
      "| model | parameters | perplexity | loss | tokens/s | perplexity in the paper |\n"
      "|---|---|---|---|---|---|\n";
  for (const AblationResult& result : rows) {
    const double paper = result.row->perplexity;
    text += fmt::format("| {} | {} | {} |\n", result.row->title, measured_cells(result),
                        paper > 0 ? fmt::format("{:.2f}", paper) : "");
  }
  return text +
         fmt::format("\n{}{}; tokens/s of training, the median.\n", seeds_text(rows.front().runs),
                     rows.front().runs.size() > 1 ? ", mean ± sample standard deviation" : "");
}

std::string verdict(const Comparison& pair) {
  const char* order = pair.as_paper() ? "as in the paper" : "the other way round";
  if (std::isnan(pair.spread)) return fmt::format("{}; one seed, no spread", order);
  return fmt::format("{}, {} the spread of {:.3f}", order,
                     pair.outside_spread() ? "outside" : "within", pair.spread);
}

std::string comparison_text(const std::vector<Comparison>& pairs) {
  if (pairs.empty()) return "";
  std::string text =
      "\nThe paper's order, pair by pair; the spread of two rows with deviations s and t is "
      "sqrt(s² + t²):\n\n";
  for (const Comparison& pair : pairs) {
    text += fmt::format("- {} above {}: {:+.3f}, {}\n", pair.higher->row->name,
                        pair.lower->row->name, pair.difference, verdict(pair));
  }
  return text;
}

std::string depths_text(const std::vector<AblationResult>& rows) {
  std::string text =
      "| by depth | blocks | parameters | perplexity | loss | tokens/s | in the paper |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const AblationResult& result : rows) {
    text += fmt::format("| {} | {} | {} | {:.2f} ({}) |\n", result.row->title, result.blocks,
                        measured_cells(result), result.row->perplexity, result.row->paper_size);
  }
  return text + fmt::format(
                    "\n{}, one for each depth; gMLP has the split gate and a Toeplitz W, "
                    "the Transformer a relative position bias.\n",
                    seeds_text(rows.front().runs));
}

// nlohmann writes NaN (a single seed's deviation, a lost run) as null.
Json mean_deviation_json(const MeanDeviation& spread) {
  return {{"mean", spread.mean}, {"deviation", spread.deviation}};
}

Json result_json(const AblationResult& result) {
  Json runs = Json::array();
  for (const AblationRun& run : result.runs) {
    runs.push_back({{"seed", run.seed},
                    {"folder", run.folder},
                    {"val_loss", run.loss},
                    {"val_perplexity", run.perplexity},
                    {"tokens_per_s", run.tokens_per_s}});
  }
  return {{"row", result.row->name},
          {"title", result.row->title},
          {"blocks", result.blocks},
          {"parameters", result.runs.front().parameters},
          {"perplexity", mean_deviation_json(perplexity_of(result))},
          {"loss", mean_deviation_json(mean_deviation_of(values_of(result, &AblationRun::loss)))},
          {"tokens_per_s", median_of(values_of(result, &AblationRun::tokens_per_s))},
          {"paper_perplexity",
           result.row->perplexity > 0 ? Json(result.row->perplexity) : Json(nullptr)},
          {"runs", runs}};
}

/// The median speed of the logged steps, in windows a second.
double median_speed(const std::string& steps_path) {
  std::vector<double> speeds;
  std::istringstream lines(read_text(steps_path));
  for (std::string line; std::getline(lines, line);) {
    const Json step = parse_json(line, steps_path);
    if (!step.contains("samples_per_s")) {
      fail_input("{}: a line is no step of a run; restore the file", steps_path);
    }
    if (step["samples_per_s"].is_number()) speeds.push_back(step["samples_per_s"]);
  }
  return speeds.empty() ? 0 : median_of(speeds);
}

}  // namespace

MeanDeviation mean_deviation_of(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double none = std::numeric_limits<double>::quiet_NaN();
  return {mean, values.size() > 1 ? std::sqrt(squares / (count - 1)) : none};
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

MeanDeviation perplexity_of(const AblationResult& result) {
  return mean_deviation_of(values_of(result, &AblationRun::perplexity));
}

bool Comparison::outside_spread() const {
  return std::abs(difference) > spread;
}

std::vector<Comparison> compare_to_paper(const std::vector<AblationResult>& table3) {
  const auto find = [&](const std::string& name) -> const AblationResult* {
    for (const AblationResult& result : table3) {
      if (name == result.row->name) return &result;
    }
    return nullptr;
  };
  std::vector<Comparison> pairs;
  const std::vector<std::string>& order = paper_order();
  for (size_t i = 0; i + 1 < order.size(); ++i) {
    const AblationResult* higher = find(order[i]);
    const AblationResult* lower = find(order[i + 1]);
    if (higher == nullptr || lower == nullptr) continue;
    const MeanDeviation a = perplexity_of(*higher);
    const MeanDeviation b = perplexity_of(*lower);
    pairs.push_back({higher, lower, a.mean - b.mean, std::hypot(a.deviation, b.deviation)});
  }
  return pairs;
}

AblationRun read_ablation_run(const std::string& folder, uint64_t seed, int64_t tokens) {
  const std::string path = folder + "/summary.json";
  const Json summary = parse_json(read_text(path), path);
  if (summary.value("steps", 0) < summary.value("total_steps", 1)) {
    fail_input("{}: the run is not finished; give the same command again to continue it", folder);
  }
  const std::vector<EpochRecord> epochs = read_metrics(folder + "/metrics.csv");
  if (epochs.empty() || !epochs.back().validated) {
    fail_input("{}/metrics.csv: no validation at the end; remove the run's folder", folder);
  }
  const double loss = epochs.back().val_loss;
  return {
      seed, folder,         summary.at("parameters").get<int64_t>(),
      loss, std::exp(loss), median_speed(folder + "/steps.jsonl") * static_cast<double>(tokens)};
}

std::string ablation_text(const AblationResults& results) {
  std::string text;
  if (!results.table3.empty()) {
    text += table3_text(results.table3) + comparison_text(compare_to_paper(results.table3));
  }
  if (!results.depths.empty()) {
    text += (text.empty() ? "" : "\n") + depths_text(results.depths);
  }
  return text;
}

std::string ablation_json(const AblationResults& results) {
  Json table3 = Json::array();
  for (const AblationResult& result : results.table3) table3.push_back(result_json(result));
  Json depths = Json::array();
  for (const AblationResult& result : results.depths) depths.push_back(result_json(result));
  Json order = Json::array();
  for (const Comparison& pair : compare_to_paper(results.table3)) {
    order.push_back({{"higher", pair.higher->row->name},
                     {"lower", pair.lower->row->name},
                     {"difference", pair.difference},
                     {"spread", pair.spread},
                     {"as_paper", pair.as_paper()},
                     {"outside_spread", pair.outside_spread()}});
  }
  const Json json = {
      {"scale", results.scale}, {"table3", table3}, {"paper_order", order}, {"depths", depths}};
  return json_text(json);
}

}  // namespace gmlp
