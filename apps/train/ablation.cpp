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

std::string text_of(const Json& row, const char* name) {
  return row.at(name);
}

/// Mean and sample standard deviation, sqrt(sum (x - mean)² / (n - 1)), which is NaN for n = 1.
struct MeanDeviation {
  double mean = 0, deviation = 0;
};
MeanDeviation mean_deviation(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1))};  // 0 / 0 = NaN for one value
}

/// The middle value, or the mean of the two middle values. `values` is not empty.
double median(std::vector<double> values) {
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

/// Whether there is a run in `options.out` to continue.
bool is_begun(const TrainOptions& options) {
  const std::string path = options.out + "/config.toml";
  if (!std::filesystem::exists(path)) return false;
  const std::map<std::string, std::string> before = binding_options(read_text(path));
  const std::map<std::string, std::string> now = binding_options(options.config);
  const auto other = std::ranges::find_if(now, [&](const auto& option) {
    const auto& [name, value] = option;
    return before.count(name) == 0 || !is_same_value(before.at(name), value);
  });
  if (other == now.end() && before.size() == now.size()) return true;
  fail_input("{}: is a run with other options ({}); choose another --out, or remove it",
             options.out, other == now.end() ? "of another version" : "--" + other->first);
}

/// Refuses shared options that the row or the run folders determine, from the arguments or a
/// --config among them. A file that repeats a default, as a config.toml does, is accepted.
void check_shared(const TrainOptions& shared, const TrainOptions& defaults, const Json& row,
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
  for (const std::string argument : row.at("arguments")) {
    if (!argument.starts_with("--")) continue;
    refuse(argument.substr(2), fmt::format("row {} sets it", text_of(row, "row")));
  }
  refuse_if(!shared.resume.empty(), "--resume: repeat the command without it to continue");
  refuse_if(shared.overwrite, "--overwrite: finished runs are kept; use another --out");
}

/// The runs of a row, not necessarily begun.
std::vector<PlannedRun> plan_runs(const AblationProgram& program, const AblationOptions& options,
                                  const Json& settings, Json& row) {
  std::vector<std::string> recipe = options.recipe;
  recipe.insert(recipe.end(), {"--model", text_of(row, "model"), "--lr", row.at("lr").dump()});
  const TrainOptions shared = program.plan(recipe, options.shared, row, false).options;
  const TrainOptions defaults = program.plan(recipe, {}, row, false).options;
  check_shared(shared, defaults, row, settings.at("refused"));
  row["lr"] = shared.lr;
  const Json& table = settings.at("tables").at(text_of(row, "table"));
  const int64_t seeds = std::min(options.seeds, table.value("seeds", options.seeds));
  std::vector<PlannedRun> runs;
  for (int64_t i = 0; i < seeds; ++i) {
    const std::string seed = std::to_string(shared.seed + static_cast<uint64_t>(i));
    const std::string folder = fmt::format("{}/{}/seed-{}", options.out, text_of(row, "row"), seed);
    std::vector<std::string> arguments = options.shared;
    arguments.insert(arguments.end(), {"--overwrite", "--seed", seed, "--out", folder});
    for (const Json& own : row.at("arguments")) arguments.push_back(own);
    runs.push_back(program.plan(recipe, arguments, row, true));
  }
  return runs;
}

/// The numbers `name` of a row's runs; NaN for null.
std::vector<double> values_of(const Json& row, const std::string& name) {
  std::vector<double> values;
  for (const Json& run : row.at("runs")) {
    values.push_back(run.at(name).is_number() ? run.at(name).get<double>() : NAN);
  }
  return values;
}

/// Lines without the last one's newline.
std::string without_end(const std::string& lines) {
  return lines.substr(0, lines.find_last_not_of('\n') + 1);
}

/// Adds the means of a row's runs to it, and returns it as a line of its table.
std::string summarize_row(const Json& settings, Json& row) {
  TemplateValues cells;
  for (const auto& [name, value] : row.items()) {
    cells[name] = value.is_string() ? value.get<std::string>()
                  : value.is_null() ? ""
                                    : json_line(value);
  }
  const auto add_mean = [&](const std::string& name, const std::string& of_run, int digits) {
    const auto& [mean, deviation] = mean_deviation(values_of(row, of_run));
    row[name] = {{"mean", mean}, {"deviation", deviation}};  // a NaN becomes null
    cells[name] = with_error(mean, deviation, digits);
  };
  const std::string metric = settings.at("metric"), speed = settings.at("speed");
  add_mean(metric, "val_" + metric, settings.at("digits"));
  add_mean("loss", "val_loss", 4);
  const double units_per_s = median(values_of(row, speed));
  row[speed] = units_per_s;
  cells[speed] = grouped(std::llround(units_per_s));
  const int64_t parameters = row.at("runs").front().at("parameters");
  row["parameters"] = parameters;
  cells["parameters"] = grouped(parameters);
  cells["millions"] = fmt::format("{:.3g}", static_cast<double>(parameters) / 1e6);
  return fill_in_template(settings.at("line"), cells);
}

/// Adds the comparisons of the rows of a table that the paper reports above another one to `json`,
/// and returns them as lines of text.
std::string compare_rows(const std::vector<Json>& rows, const std::string& metric, Json& json) {
  std::string text;
  for (const Json& higher : rows) {
    const auto lower = std::ranges::find(rows, higher.value("above", ""),
                                         [](const Json& row) { return text_of(row, "row"); });
    if (lower == rows.end()) continue;
    const MeanDeviation a = mean_deviation(values_of(higher, metric));
    const MeanDeviation b = mean_deviation(values_of(*lower, metric));
    const double difference = a.mean - b.mean;
    if (std::isnan(difference)) continue;  // a run diverged
    const double spread = std::hypot(a.deviation, b.deviation);
    const bool outside = std::abs(difference) > spread;
    json["paper_order"].push_back({{"higher", higher.at("row")},
                                   {"lower", lower->at("row")},
                                   {"difference", difference},
                                   {"spread", spread},
                                   {"as_paper", difference > 0},
                                   {"outside_spread", outside}});
    const std::string among =
        std::isnan(spread)
            ? "with one seed and no spread"
            : fmt::format("{} the spread of {:.3f}", outside ? "outside" : "within", spread);
    text += fmt::format("- {} above {}: {:+.3f}, {}, {}\n", text_of(higher, "row"),
                        text_of(*lower, "row"), difference,
                        difference > 0 ? "as in the paper" : "in reverse order", among);
  }
  return text;
}

}  // namespace

std::vector<Json> ablation_rows(const std::string& program) {
  std::vector<Json> rows;
  const Json settings = settings_of(program);
  for (const auto& [name, table] : settings.at("tables").items()) {
    for (Json row : table.at("rows")) {
      row["table"] = name;
      rows.push_back(row);
    }
  }
  return rows;
}

void add_ablation_options(CLI::App& app, const std::string& program, AblationOptions& options) {
  const Json settings = settings_of(program);
  app.description(settings.at("description"));
  app.footer(text_of(settings, "footer"));
  app.option_defaults()->always_capture_default();
  app.allow_extras();
  options.out = settings.at("out");
  options.seeds = settings.at("seeds");
  options.recipe = settings.at("recipe");
  OptionGroup group(app, "Options");
  group.text("--out", options.out, "DIR", "Folder of the runs and the tables");
  group.integer("--seeds", options.seeds, text_of(settings, "seeds_help").c_str(),
                options.seeds == 0 ? 0 : 1, 1000);
}

int ablate(const AblationProgram& program, std::vector<Json> rows, const AblationOptions& options) {
  const Json settings = settings_of(program.name);
  refuse_if(options.out.empty(), "--out: is empty; name a folder");
  std::vector<std::pair<Json*, PlannedRun>> runs;
  std::map<uint64_t, Json> data;  // by seed, which may decide what is held out
  for (Json& row : rows) {
    for (const PlannedRun& run : plan_runs(program, options, settings, row)) {
      runs.emplace_back(&row, run);
    }
  }
  program.prepare();
  for (const auto& [row, run] : runs) is_begun(run.options);  // throws before the first run
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& [row, run] = runs[i];
    const std::string& folder = run.options.out;
    const std::string title =
        fmt::format("run {} of {}: {}, {}, seed {}", i + 1, runs.size(), text_of(*row, "title"),
                    text_of(*row, "size"), run.options.seed);
    if (is_finished(folder)) {
      fmt::print("{}: already finished in {}\n", title, folder);
    } else {
      fmt::print("\n{}\n", title);
      const int status = run.train(is_begun(run.options));
      if (stop_signal() != 0) fmt::print("to continue all runs, repeat the ablate command\n");
      if (status != kExitSuccess) return status;
    }
    const std::string state = folder + "/checkpoints/last/" + kStateFile;
    Json own;  // unknown if the user removed the checkpoint
    if (std::filesystem::exists(state)) own = read_json(state).value("data", Json());
    refuse_if(!own.is_null() && data.emplace(run.options.seed, own).first->second != own,
              "{}: was trained on other data than the runs before; remove it, or choose another "
              "--out",
              folder);
    Json result = {{"seed", run.options.seed}};
    result.update(read_ablation_run(folder, settings.at("metric"), settings.at("speed"),
                                    row->value("tokens", 1.0)));
    (*row)["runs"].push_back(result);
  }
  const AblationReport report = report_ablation(program.name, rows);
  write_file_atomic(options.out + "/ablation.md", report.markdown);
  write_file_atomic(options.out + "/ablation.json", json_text(report.json));
  fmt::print(
      "\n{1}\ntables   {0}/ablation.md, {0}/ablation.json\nchart    tools/plot.py ablation {0}\n",
      options.out, report.markdown);
  return kExitSuccess;
}

AblationReport report_ablation(const std::string& program, const std::vector<Json>& rows) {
  const Json settings = settings_of(program);
  const std::vector<std::string> text = settings.at("table");
  AblationReport report;
  for (const auto& [name, table] : settings.at("tables").items()) {
    std::vector<Json> own;
    std::string lines;
    for (Json row : rows) {
      if (row.at("table") != name) continue;
      lines += summarize_row(settings, row);
      own.push_back(row);
    }
    if (own.empty()) continue;
    report.json[name] = own;
    const std::string metric = settings.at("metric");
    const std::string order = compare_rows(own, "val_" + metric, report.json);
    std::vector<uint64_t> seeds;
    for (const Json& run : own.front().at("runs")) seeds.push_back(run.at("seed"));
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

Json read_ablation_run(const std::string& folder, const std::string& metric,
                       const std::string& speed, double units) {
  const std::string path = folder + "/summary.json", steps = folder + "/steps.jsonl";
  refuse_if(!is_finished(folder), "{}: the run is not finished; repeat the command to continue it",
            folder);
  const Json summary = read_json(path);
  const Json::json_pointer key("/final/val_loss");
  refuse_if(!summary.contains(key), "{}: has no final validation; remove the run folder", path);
  std::vector<double> speeds;
  for (const std::string& line : lines_of(read_text(steps))) {
    const Json step = parse_json(line, steps);
    refuse_if(!step.contains("samples_per_s"),
              "{}: a line is not a step of a run; restore the file", steps);
    if (step["samples_per_s"].is_number()) speeds.push_back(step["samples_per_s"]);
  }
  return {{"folder", folder},
          {"parameters", summary.at("parameters")},
          {"val_loss", summary.at(key)},
          {"val_" + metric, summary.at("final").value("val_" + metric, Json())},
          {speed, speeds.empty() ? 0 : units * median(speeds)}};
}

}  // namespace gmlp
