#include "apps/train/ablation.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/train/ablations.h"
#include "apps/train/run_folder.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

/// A program's part of ablations.json.
Json settings_of(const std::string& program) {
  return parse_json(kAblationsText, "ablations.json").at(program);
}

/// Whether there is a run in `options.out` to continue.
bool is_begun(const TrainOptions& options) {
  const std::string path = options.out + "/config.toml";
  if (!std::filesystem::exists(path)) return false;
  if (binding_options(read_text(path)) == binding_options(options.config)) return true;
  fail_input("{}: is a run with other options; choose another --out, or remove it", options.out);
}

/// Refuses shared options that the row or the run folders determine, from the arguments or a
/// --config among them. A file that repeats a default, as a config.toml does, is accepted.
void check_shared(const TrainOptions& shared, const TrainOptions& defaults, const AblationRow& row,
                  const Json& refused) {
  const std::map<std::string, std::string> given = options_of(shared.config);
  const std::map<std::string, std::string> before = options_of(defaults.config);
  const auto refuse = [&](const std::string& name, const std::string& reason) {
    refuse_if(given.at(name) != before.at(name),
              "--{}: {}; remove it from the arguments or the --config file", name, reason);
  };
  for (const auto& [reason, names] : refused.items()) {
    for (const std::string name : names) refuse(name, reason);
  }
  for (const std::string argument : row.facts.at("arguments")) {
    if (!argument.starts_with("--")) continue;
    refuse(argument.substr(2), fmt::format("row {} sets it", row.fact("row")));
  }
  refuse_if(!shared.resume.empty(), "--resume: repeat the command without it to continue");
  refuse_if(shared.overwrite, "--overwrite: finished runs are kept; use another --out");
}

/// The runs of a row, not necessarily begun.
std::vector<PlannedRun> plan_runs(const AblationProgram& program, const AblationOptions& options,
                                  AblationRow& row) {
  const Json settings = settings_of(program.name);
  const TrainOptions shared = program.plan(options.shared, row.facts, false).options;
  const TrainOptions defaults = program.plan({}, row.facts, false).options;
  check_shared(shared, defaults, row, settings.at("refused"));
  row.facts["lr"] = shared.lr;
  const int64_t most = settings.at("tables").at(row.table).value("seeds", options.seeds);
  std::vector<PlannedRun> runs;
  for (int64_t i = 0; i < std::min(options.seeds, most); ++i) {
    const std::string seed = std::to_string(shared.seed + static_cast<uint64_t>(i));
    const std::string folder = fmt::format("{}/{}/seed-{}", options.out, row.fact("row"), seed);
    std::vector<std::string> arguments = options.shared;
    arguments.insert(arguments.end(), {"--overwrite", "--seed", seed, "--out", folder});
    for (const Json& own : row.facts.at("arguments")) arguments.push_back(own);
    runs.push_back(program.plan(arguments, row.facts, true));
  }
  return runs;
}

/// A number of each run.
std::vector<double> values_of(const AblationRow& row, double AblationRun::*member) {
  std::vector<double> values;
  values.reserve(row.runs.size());
  for (const AblationRun& run : row.runs) values.push_back(run.*member);
  return values;
}

/// Lines without the last one's newline.
std::string without_end(const std::string& lines) {
  return lines.substr(0, lines.find_last_not_of('\n') + 1);
}

/// Appends a row to its table in JSON, and returns it as a line of the table in Markdown.
std::string add_row(const Json& settings, const AblationRow& row, Json& table) {
  const std::string metric = settings.at("metric"), speed = settings.at("speed");
  const double units = row.facts.value("tokens", 1.0);  // per sample
  const double units_per_s = units * median(values_of(row, &AblationRun::samples_per_s));
  const int64_t parameters = row.runs.front().parameters;
  Json json = row.facts;
  TemplateValues cells = {
      {"parameters", grouped(parameters)},
      {"millions", fmt::format("{:.3g}", static_cast<double>(parameters) / 1e6)},
      {speed, grouped(std::llround(units_per_s))}};
  for (const auto& [name, value] : json.items()) {
    cells[name] = value.is_string() ? value.get<std::string>()
                  : value.is_null() ? ""
                                    : value.dump();
  }
  const auto add_mean = [&](const std::string& name, double AblationRun::*member, int digits) {
    const auto& [mean, deviation] = mean_deviation(values_of(row, member));
    json[name] = {{"mean", mean}, {"deviation", deviation}};  // a NaN becomes null
    cells[name] = with_error(mean, deviation, digits);
  };
  json["parameters"] = parameters;
  add_mean(metric, &AblationRun::metric, settings.at("digits"));
  add_mean("loss", &AblationRun::loss, 4);
  json[speed] = units_per_s;
  for (const AblationRun& run : row.runs) {
    json["runs"].push_back({{"seed", run.seed},
                            {"folder", run.folder},
                            {"val_loss", run.loss},
                            {"val_" + metric, run.metric},
                            {speed, run.samples_per_s * units}});
  }
  table.push_back(json);
  return fill_in_template(settings.at("line"), cells);
}

/// Appends the comparisons of a table's rows that the paper reports above another one to `json`,
/// and returns them as lines of text.
std::string add_order(const std::vector<AblationRow>& rows, const std::string& table, Json& json) {
  std::string text;
  for (const AblationRow& higher : rows) {
    const auto lower = std::ranges::find_if(rows, [&](const AblationRow& row) {
      return row.table == table && row.fact("row") == higher.facts.value("above", "");
    });
    if (higher.table != table || lower == rows.end()) continue;
    const MeanDeviation a = mean_deviation(values_of(higher, &AblationRun::metric));
    const MeanDeviation b = mean_deviation(values_of(*lower, &AblationRun::metric));
    const double difference = a.mean - b.mean;
    if (std::isnan(difference)) continue;  // a run diverged
    const double spread = std::hypot(a.deviation, b.deviation);
    const bool outside = std::abs(difference) > spread;
    json["paper_order"].push_back({{"higher", higher.fact("row")},
                                   {"lower", lower->fact("row")},
                                   {"difference", difference},
                                   {"spread", spread},
                                   {"as_paper", difference > 0},
                                   {"outside_spread", outside}});
    const std::string among =
        std::isnan(spread)
            ? "with one seed and no spread"
            : fmt::format("{} the spread of {:.3f}", outside ? "outside" : "within", spread);
    text += fmt::format("- {} above {}: {:+.3f}, {}, {}\n", higher.fact("row"), lower->fact("row"),
                        difference, difference > 0 ? "as in the paper" : "in reverse order", among);
  }
  return text;
}

}  // namespace

std::vector<AblationRow> ablation_rows(const std::string& program) {
  std::vector<AblationRow> rows;
  const Json settings = settings_of(program);
  for (const auto& [name, table] : settings.at("tables").items()) {
    for (const Json& row : table.at("rows")) rows.push_back({name, row});
  }
  return rows;
}

void add_ablation_options(CLI::App& app, AblationOptions& options, const char* seeds) {
  OptionGroup group(app, "Options");
  app.option_defaults()->always_capture_default();
  group.text("--out", options.out, "DIR", "Folder of the runs and the tables");
  group.integer("--seeds", options.seeds, seeds, options.seeds == 0 ? 0 : 1, 1000);
  app.allow_extras();
}

int ablate(const AblationProgram& program, std::vector<AblationRow> rows,
           const AblationOptions& options) {
  std::vector<std::pair<AblationRow*, PlannedRun>> runs;
  for (AblationRow& row : rows) {
    for (const PlannedRun& run : plan_runs(program, options, row)) runs.emplace_back(&row, run);
  }
  program.prepare();
  for (const auto& [row, run] : runs) is_begun(run.options);  // throws before the first run
  const std::string metric = settings_of(program.name).at("metric");
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& [row, run] = runs[i];
    const std::string& folder = run.options.out;
    const std::string title = fmt::format("run {} of {}: {}, {}, seed {}", i + 1, runs.size(),
                                          row->fact("title"), row->fact("size"), run.options.seed);
    if (is_finished(folder)) {
      fmt::print("{}: already finished in {}\n", title, folder);
    } else {
      fmt::print("\n{}\n", title);
      const int status = run.train(is_begun(run.options));
      if (status != kExitSuccess) return status;
    }
    row->runs.push_back(read_ablation_run(folder, run.options.seed, "val_" + metric));
  }
  const AblationReport report = report_ablation(program.name, rows);
  write_file_atomic(options.out + "/ablation.md", report.markdown);
  write_file_atomic(options.out + "/ablation.json", json_text(report.json));
  fmt::print(
      "\n{1}\ntables   {0}/ablation.md, {0}/ablation.json\nchart    tools/plot.py ablation {0}\n",
      options.out, report.markdown);
  return kExitSuccess;
}

AblationReport report_ablation(const std::string& program, const std::vector<AblationRow>& rows) {
  const Json settings = settings_of(program);
  AblationReport report;
  const std::vector<std::string> text = settings.at("table");
  for (const auto& [name, table] : settings.at("tables").items()) {
    const auto first = std::ranges::find(rows, name, &AblationRow::table);
    if (first == rows.end()) continue;
    std::vector<uint64_t> seeds;
    for (const AblationRun& run : first->runs) seeds.push_back(run.seed);
    std::string lines;
    for (const AblationRow& row : rows) {
      if (row.table == name) lines += add_row(settings, row, report.json[name]);
    }
    const std::string order = add_order(rows, name, report.json);
    report.markdown += report.markdown.empty() ? "" : "\n";
    report.markdown += fill_in_template(fmt::format("{}", fmt::join(text, "\n")),
                                        {{"lines", without_end(lines)},
                                         {"several", seeds.size() > 1 ? "yes" : ""},
                                         {"seeds", fmt::format("{}", fmt::join(seeds, ", "))},
                                         {"count", std::to_string(seeds.size())},
                                         {"more", table.value("more", "")},
                                         {"order", without_end(order)}});
  }
  return report;
}

AblationRun read_ablation_run(const std::string& folder, uint64_t seed, const std::string& metric) {
  const std::string path = folder + "/summary.json", steps = folder + "/steps.jsonl";
  refuse_if(!is_finished(folder), "{}: the run is not finished; repeat the command to continue it",
            folder);
  const Json summary = read_json(path);
  const Json::json_pointer key("/final/val_loss");
  refuse_if(!summary.contains(key), "{}: has no final validation; remove the run folder", path);
  // The NaN of a run that diverged is null in JSON.
  const auto number = [&](const std::string& name) {
    const Json value = summary.at("final").value(name, Json());
    return value.is_number() ? value.get<double>() : NAN;
  };
  std::vector<double> speeds;
  for (const std::string& line : lines_of(read_text(steps))) {
    const Json step = parse_json(line, steps);
    refuse_if(!step.contains("samples_per_s"),
              "{}: a line is not a step of a run; restore the file", steps);
    if (step["samples_per_s"].is_number()) speeds.push_back(step["samples_per_s"]);
  }
  return {.seed = seed,
          .folder = folder,
          .parameters = summary.at("parameters"),
          .loss = number("val_loss"),
          .metric = number(metric),
          .samples_per_s = speeds.empty() ? 0 : median(speeds)};
}

MeanDeviation mean_deviation(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1))};  // 0 / 0 = NaN for one value
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace gmlp
