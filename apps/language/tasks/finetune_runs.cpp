// gmlp-language finetune --runs N: N runs that differ in their seeds alone, and the median of what
// they reach, as the paper reports it. RUN/run-1 to run-N are ordinary run folders; RUN/config.toml
// holds the options they share. Stopped, --resume RUN goes on with the run that was interrupted and
// then the missing ones; each ends with the bytes it would have had alone.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include <fmt/format.h>

#include "apps/cli/run_main.h"
#include "apps/language/tasks/finetune_run.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

/// `config` with `value` for the option `name`.
std::string with_value(std::string config, const std::string& name, const std::string& value) {
  const size_t line = ("\n" + config).find("\n" + name + "=");
  if (line == std::string::npos) return config + name + "=" + value + "\n";
  const size_t begin = line + name.size() + 1;
  return config.replace(begin, config.find('\n', begin) - begin, value);
}

/// Run `number` of 1 to N as a command of its own; where it lies, the caller says.
FinetuneCommand command_of(const FinetuneCommand& all, int64_t number) {
  FinetuneCommand one = all;
  one.options.runs = 1;
  one.options.seed = all.options.seed + static_cast<uint64_t>(number - 1);
  one.options.out.clear();
  one.options.resume.clear();
  one.config = with_value(all.config, "runs", "1");
  one.config = with_value(one.config, "seed", std::to_string(one.options.seed));
  one.config = with_value(one.config, "out", "\"\"");  // used with --config, it makes a new run
  return one;
}

void print_title(const FinetuneCommand& one, int64_t number, int64_t runs) {
  if (one.options.quiet) return;
  fmt::print("\nrun {} of {}, seed {}\n", number, runs, one.options.seed);
}

int train(FinetuneRun& run, const std::string& folder) {
  run.identity.resume_as = folder;
  run.begin();
  return train_to_end(run);
}

/// The first of new runs, in a new `folder` with the options they share. Wrong input is found
/// before the folder is made, and before --overwrite empties it.
int start_runs(const FinetuneCommand& all, std::string& folder) {
  const FinetuneCommand one = command_of(all, 1);
  print_title(one, 1, all.options.runs);
  FinetuneRun run(one);
  const RunIdentity& identity = run.identity;
  folder = RunFolder::create({all.options.out, identity.kind, identity.model, identity.data,
                              all.options.overwrite, identity.weights});
  write_file_atomic(folder + "/config.toml", all.config);
  run.options.out = numbered_run(folder, 1);
  return train(run, folder);
}

/// Run `number` of 1 to N, to its end, from where it was stopped; a finished one is left as it is.
int run_one(const FinetuneCommand& all, const std::string& folder, int64_t number) {
  FinetuneCommand one = command_of(all, number);
  one.options.out = numbered_run(folder, number);
  const RunState state = run_state(one.options.out, one.config);
  if (state == RunState::kDone) return kExitSuccess;
  if (state == RunState::kSaved) one.options.resume = one.options.out;
  one.options.overwrite = state == RunState::kUnsaved;  // what it may hold is not a step
  print_title(one, number, all.options.runs);
  FinetuneRun run(one);
  return train(run, folder);
}

/// Makes the runs that are not finished. The exit status.
int make_runs(const FinetuneCommand& all, std::string& folder) {
  int64_t number = 1;
  if (all.options.resume.empty()) {
    const int status = start_runs(all, folder);
    if (status != kExitSuccess) return status;
    ++number;
  } else {
    folder = find_resume_point(all.options.resume).run;
    remove_stale_temporaries(folder);
  }
  for (; number <= all.options.runs; ++number) {
    const int status = run_one(all, folder, number);
    if (status != kExitSuccess) return status;
  }
  return kExitSuccess;
}

/// What a run reached: the score of its best epoch.
struct Reached {
  int64_t number = 0;
  uint64_t seed = 0;
  std::string folder;
  std::string model;
  std::string best;  // of summary.json
  double value = 0;
  int64_t steps = 0;
  int64_t total_steps = 0;
  bool unfinished() const { return steps < total_steps; }  // its --time-limit came first
};

Reached read_reached(const FinetuneCommand& command, const std::string& folder, int64_t number) {
  Reached run;
  run.number = number;
  run.seed = command.options.seed + static_cast<uint64_t>(number - 1);
  run.folder = numbered_run(folder, number);
  const std::string path = run.folder + "/summary.json";
  const Json summary = parse_json(read_text(path), path);
  const char* column = metric_column(task_from_name(command.options.task));
  const Json::json_pointer place(std::string("/best/") + column);
  run.steps = summary_count(run.folder, "steps");
  run.total_steps = summary_count(run.folder, "total_steps");
  if (!summary.contains(place) || !summary.at(place).is_number()) {
    if (run.unfinished()) {
      fail_run("{}: --time-limit stopped it before it had a score; go on with --resume {}",
               run.folder, folder);
    }
    fail_run(
        "{}: has no score, as no validation of the run was finite; start again with a smaller --lr",
        path);
  }
  run.model = summary.value("model", "");
  run.best = json_line(summary.at("best"));
  run.value = summary.at(place);
  return run;
}

/// The middle one of the runs by score; of an even number the lower of the two in the middle, for
/// the median is to be a run whose weights can be used. Of equal ones the first seed's.
const Reached& median_of(const std::vector<Reached>& runs) {
  std::vector<size_t> order(runs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return runs[a].value < runs[b].value; });
  return runs[order[(runs.size() - 1) / 2]];
}

/// Nothing that a clock says, and no path but relative ones: the same bytes for the same runs.
void write_runs_summary(const FinetuneCommand& command, const std::string& folder,
                        const std::vector<Reached>& runs) {
  const Reached& median = median_of(runs);
  Json values = Json::array();
  Json list = Json::array();
  for (const Reached& run : runs) {
    values.push_back(run.value);
    Json row = {{"folder", fmt::format("run-{}", run.number)}, {"seed", run.seed}};
    row.update(parse_json(run.best, "summary.json"));
    list.push_back(row);
  }
  const char* column = metric_column(task_from_name(command.options.task));
  Json json = {{"model", median.model},
               {"task", command.options.task},
               {"from_scratch", command.options.from_scratch},
               {"metric", column},
               {"median", median.value},
               {"values", values},
               {"median_run", fmt::format("run-{}", median.number)},
               {"checkpoint", fmt::format("run-{}/checkpoints/best", median.number)},
               {"runs", list}};
  for (const Reached& run : runs) {
    if (run.unfinished()) json["unfinished"].push_back(fmt::format("run-{}", run.number));
  }
  write_file_atomic(folder + "/summary.json", json_text(json));
}

/// A median of runs that a --time-limit stopped is not the one that was asked for.
void print_unfinished(const std::string& folder, const std::vector<Reached>& runs) {
  std::string names;
  for (const Reached& run : runs) {
    if (!run.unfinished()) continue;
    names += fmt::format("{}run-{} at step {} of {}", names.empty() ? "" : ", ", run.number,
                         run.steps, run.total_steps);
  }
  if (names.empty()) return;
  fmt::print("note     unfinished: {}; so the median is not final. Continue with\n", names);
  fmt::print("  gmlp-language finetune --resume {}\n", folder);
}

void print_runs(const FinetuneCommand& command, const std::string& folder,
                const std::vector<Reached>& runs) {
  const Task task = task_from_name(command.options.task);
  const Reached& median = median_of(runs);
  std::string values;
  for (const Reached& run : runs) {
    values += fmt::format("{}{:.2f}", values.empty() ? "" : ", ", run.value);
  }
  const std::string checkpoint = median.folder + "/checkpoints/best";
  fmt::print("\nmedian   {}{} {:.2f} % of {} runs: {}\n", task == Task::kMnli ? "matched " : "",
             metric_name(task), median.value, runs.size(), values);
  print_unfinished(folder, runs);
  fmt::print("runs     {}/summary.json\n", folder);
  fmt::print("weights  {} (seed {})\n", checkpoint, median.seed);
  fmt::print("next     {}\n", eval_command(task, command.options.data, checkpoint));
}

}  // namespace

int finetune_runs(const FinetuneCommand& command) {
  std::string folder;
  const int status = make_runs(command, folder);
  if (status != kExitSuccess) return status;
  std::vector<Reached> runs;
  for (int64_t number = 1; number <= command.options.runs; ++number) {
    runs.push_back(read_reached(command, folder, number));
  }
  write_runs_summary(command, folder, runs);
  if (!command.options.quiet) print_runs(command, folder, runs);
  return kExitSuccess;
}

}  // namespace gmlp
