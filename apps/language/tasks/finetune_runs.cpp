// gmlp-language finetune --runs N: N runs that differ in their seeds only, and their median, as the
// paper reports it. RUN/run-1 to run-N are ordinary run folders. RUN/config.toml holds the options
// that they share. --resume RUN continues the interrupted run, then makes the missing ones.

#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/run_main.h"
#include "apps/language/tasks/finetune.h"
#include "apps/language/tasks/task_score.h"
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

/// The command of run `number`, 1 to N. The caller sets its folder.
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

/// Trains or resumes every unfinished run. Sets `folder` and returns the exit status.
int make_runs(const FinetuneCommand& all, std::string& folder) {
  if (!all.options.resume.empty()) {
    folder = find_resume_point(all.options.resume).run;
    remove_stale_temporaries(folder);
  }
  for (int64_t number = 1; number <= all.options.runs; ++number) {
    FinetuneCommand one = command_of(all, number);
    if (!folder.empty()) {
      one.options.out = numbered_run(folder, number);
      const RunState state = run_state(one.options.out, one.config);
      if (state == RunState::kDone) continue;
      if (state == RunState::kSaved) one.options.resume = one.options.out;
      one.options.overwrite = state == RunState::kUnsaved;
    }
    if (!one.options.quiet) {
      fmt::print("\nrun {} of {}, seed {}\n", number, all.options.runs, one.options.seed);
    }
    const std::unique_ptr<TrainingTask> task = make_finetune_task(one.options);
    Trainer trainer(one.options, one.config, *task);
    if (folder.empty()) {
      // Only now: wrong input is refused before --overwrite empties the folder.
      folder = RunFolder::create(all.options.out, all.options.overwrite, task->info);
      write_file_atomic(folder + "/config.toml", all.config);
      trainer.options.out = numbered_run(folder, number);
    }
    const int status = trainer.run(folder);
    if (status != kExitSuccess) return status;
  }
  return kExitSuccess;
}

/// The best epoch of a run.
struct RunResult {   // NOLINT(bugprone-exception-escape): the JSON library's destructor
  std::string name;  // "run-1"
  uint64_t seed = 0;
  std::string model;
  Json best;  // of summary.json
  double value = 0;
  int64_t steps = 0;
  int64_t total_steps = 0;
  bool unfinished() const { return steps < total_steps; }  // after --time-limit
};

RunResult read_result(const FinetuneCommand& command, const std::string& folder, int64_t number) {
  RunResult run;
  run.name = fmt::format("run-{}", number);
  run.seed = command.options.seed + static_cast<uint64_t>(number - 1);
  const std::string path = numbered_run(folder, number) + "/summary.json";
  const Json summary = read_json(path);
  run.steps = summary_count(numbered_run(folder, number), "steps");
  run.total_steps = summary_count(numbered_run(folder, number), "total_steps");
  run.model = summary.value("model", "");
  run.best = summary.value("best", Json::object());
  const char* column = task_facts(task_from_name(command.options.task)).metric_column;
  if (run.best.contains(column) && run.best.at(column).is_number()) {
    run.value = run.best.at(column);
    return run;
  }
  if (run.unfinished()) {
    fail_run("{}: --time-limit stopped it before its first validation; continue with --resume {}",
             numbered_run(folder, number), folder);
  }
  fail_run(
      "{}: has no score, as no validation of the run was finite; start again with a smaller "
      "--lr",
      path);
}

/// The median run by score: of an even number the lower of the two in the middle, because the
/// median should be a run whose weights can be used. Of equal ones the first.
const RunResult& median_of(const std::vector<RunResult>& runs) {
  std::vector<const RunResult*> order;
  order.reserve(runs.size());
  for (const RunResult& run : runs) order.push_back(&run);
  std::stable_sort(order.begin(), order.end(),
                   [](const RunResult* a, const RunResult* b) { return a->value < b->value; });
  return *order[(order.size() - 1) / 2];
}

/// No times and no absolute paths: equal runs give equal bytes.
void write_runs_summary(const FinetuneCommand& command, const std::string& folder,
                        const std::vector<RunResult>& runs) {
  const RunResult& median = median_of(runs);
  Json json = {{"model", median.model},
               {"task", command.options.task},
               {"from_scratch", command.options.from_scratch},
               {"metric", task_facts(task_from_name(command.options.task)).metric_column},
               {"median", median.value},
               {"values", Json::array()},
               {"median_run", median.name},
               {"checkpoint", median.name + "/checkpoints/best"},
               {"runs", Json::array()}};
  for (const RunResult& run : runs) {
    json["values"].push_back(run.value);
    Json row = {{"folder", run.name}, {"seed", run.seed}};
    row.update(run.best);
    json["runs"].push_back(row);
    if (run.unfinished()) json["unfinished"].push_back(run.name);
  }
  write_file_atomic(folder + "/summary.json", json_text(json));
}

void print_runs(const FinetuneCommand& command, const std::string& folder,
                const std::vector<RunResult>& runs) {
  const Task task = task_from_name(command.options.task);
  const RunResult& median = median_of(runs);
  std::vector<std::string> values;
  std::vector<std::string> unfinished;
  for (const RunResult& run : runs) {
    values.push_back(fmt::format("{:.2f}", run.value));
    if (!run.unfinished()) continue;
    unfinished.push_back(fmt::format("{} at step {} of {}", run.name, run.steps, run.total_steps));
  }
  const std::string checkpoint = fmt::format("{}/{}/checkpoints/best", folder, median.name);
  fmt::print("\nmedian   {}{} {:.2f} % of {} runs: {}\n", task == Task::kMnli ? "matched " : "",
             task_facts(task).metric, median.value, runs.size(), fmt::join(values, ", "));
  if (!unfinished.empty()) {
    fmt::print(
        "note     unfinished: {}; so the median is not final. Continue with\n"
        "  gmlp-language finetune --resume {}\n",
        fmt::join(unfinished, ", "), folder);
  }
  fmt::print("runs     {}/summary.json\n", folder);
  fmt::print("weights  {} (seed {})\n", checkpoint, median.seed);
  fmt::print("next     {}\n", eval_command(task, command.options.data, checkpoint));
}

}  // namespace

int finetune(const FinetuneCommand& command) {
  if (command.options.runs == 1) {
    const std::unique_ptr<TrainingTask> task = make_finetune_task(command.options);
    return Trainer(command.options, command.config, *task).run();
  }
  std::string folder;
  const int status = make_runs(command, folder);
  if (status != kExitSuccess) return status;
  std::vector<RunResult> runs;
  for (int64_t number = 1; number <= command.options.runs; ++number) {
    runs.push_back(read_result(command, folder, number));
  }
  write_runs_summary(command, folder, runs);
  if (!command.options.quiet) print_runs(command, folder, runs);
  return kExitSuccess;
}

}  // namespace gmlp
