// gmlp-language finetune; eval and predict with --task.

#include "apps/language/tasks/task_commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/language/commands.h"
#include "apps/language/tasks/finetune_run.h"
#include "apps/language/tasks/task_model.h"
#include "apps/language/tasks/task_score.h"
#include "apps/train/options.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

struct TaskOptions : StoredModelOptions {
  std::string task;
  TaskTextOptions text;
  AnswerOptions answers;
  int64_t batch_size = 32;
};

void add_task_options(CLI::App& app, TaskOptions& options) {
  const CLI::Validator length = integer_in(1, int64_t{1} << 24);
  add_stored_model_options(app, options);
  app.add_option("--task", options.task, "sst2, mnli, squad1 or squad2: the finetuned one")
      ->required();
  app.add_option("--batch-size", options.batch_size,
                 "Rows at a time; changes no digit on fused kernels")
      ->check(integer_in(1, kLargestBatch));
  app.add_option("--doc-stride", options.text.stride, "SQuAD: as finetune's")->check(length);
  app.add_option("--max-question-tokens", options.text.max_question, "SQuAD: as finetune's")
      ->check(length);
  app.add_option("--n-best", options.answers.n_best, "SQuAD: candidates for first and last token")
      ->check(length);
  app.add_option("--max-answer-tokens", options.answers.max_tokens, "SQuAD: the longest answer")
      ->check(length);
  app.add_option("--null-threshold", options.answers.null_threshold,
                 "squad2: no answer where its score exceeds the best answer's by more");
}

/// What both verbs need: the model, and how its input is encoded.
struct OpenedTask {
  explicit OpenedTask(const TaskOptions& options)
      : task(task_from_name(options.task)), loaded(load_task_language(options.model, task)) {
    execution = stored_language_execution(*loaded.model, options.precision, options.kernels);
  }
  TaskEncoding encoding(const TaskOptions& options) const {
    return {*loaded.tokenizer, loaded.model->config().block.tokens, options.text, throw_if_stopped};
  }
  TaskModel model(const TaskOptions& options) {
    AnswerOptions answers = options.answers;
    answers.unanswerable = task == Task::kSquad2;
    return {*loaded.model, task, execution, arena, options.batch_size, answers};
  }

  Task task;
  LoadedLanguage loaded;
  ExecutionOptions execution;
  Arena arena;
};

/// A line an example: its number, the likeliest label and every label's probability.
std::string sentence_table(const TaskModel& model, const SentenceRows& rows, bool& complete) {
  const std::vector<std::string>& labels = task_labels(model.task);
  std::string table = "index\tlabel";
  for (const std::string& label : labels) table += "\tprobability_" + label;
  table += '\n';
  complete = for_each_row(model, rows, [&](int64_t row, const std::vector<double>& logits) {
    const auto best = std::max_element(logits.begin(), logits.end());
    table += fmt::format("{}\t{}", row, labels[static_cast<size_t>(best - logits.begin())]);
    for (const double p : probabilities(logits)) table += fmt::format("\t{:.6f}", p);
    table += '\n';
  });
  return table;
}

/// The official format, {"id": "answer", ...}; and of squad2 the scores of no answer.
struct SquadFiles {
  std::string predictions;
  std::string null_scores;
};

std::optional<SquadFiles> squad_files(const TaskModel& model, const SquadWindows& windows) {
  const std::optional<std::vector<QuestionAnswer>> answers =
      answer_questions(model, windows, nullptr);
  if (!answers) return std::nullopt;
  Json texts = Json::object();
  Json scores = Json::object();
  for (size_t i = 0; i < answers->size(); ++i) {
    const std::string& id = windows.set().questions[i].id;
    texts[id] = (*answers)[i].text;
    scores[id] = (*answers)[i].null_score;
  }
  return SquadFiles{json_text(texts), json_text(scores)};
}

void print_score(Task task, const TaskSetScore& score) {
  fmt::print("{}: {} {}, loss {:.6f}\n", score.name, grouped(score.size),
             is_span_task(task) ? "questions" : "examples", score.loss);
  fmt::print("{}\n", task_score_text(task, score));
  if (task != Task::kSquad2) return;
  const SquadScores& squad = score.squad;
  fmt::print("answerable ({}): exact match {:.2f}, F1 {:.2f} %; unanswerable ({}): {:.2f} %\n",
             squad.answerable.count, squad.answerable.exact, squad.answerable.f1,
             squad.unanswerable.count, squad.unanswerable.f1);
  fmt::print("best F1 {:.2f} %, with --null-threshold {:.4f}\n", score.best_threshold.f1,
             score.best_threshold.threshold);
}

}  // namespace

bool names_task(const std::vector<std::string>& arguments) {
  for (auto it = arguments.begin(); it != arguments.end(); ++it) {
    if (*it == "--task" || it->starts_with("--task=")) return true;
    const bool apart = *it == "--config" && it + 1 != arguments.end();
    if (!apart && !it->starts_with("--config=")) continue;
    // What is wrong with the file, the verb's own parser says.
    std::ifstream lines(apart ? *(it + 1) : it->substr(9));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("task=") || line.starts_with("task =")) return true;
    }
  }
  return false;
}

int language_finetune(const std::vector<std::string>& arguments) {
  const std::optional<FinetuneCommand> command = parse_finetune(arguments);
  if (!command) return kExitSuccess;
  return command->options.runs > 1 ? finetune_runs(*command) : finetune(*command);
}

int task_eval(const std::vector<std::string>& arguments) {
  TaskOptions options;
  std::string data;
  std::string json_path;
  CLI::App app("EvalResult a finetuned model on its task", "gmlp-language eval --task");
  add_task_options(app, options);
  app.add_option("--data", data, "The folder with the task's official files")
      ->required()
      ->type_name("DIR");
  app.add_option("--json", json_path, "Write the result to FILE, too")->type_name("FILE");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  set_thread_count(resolve_threads(options.threads));

  OpenedTask opened(options);
  const TaskFiles files = open_task_files(opened.task, data, opened.encoding(options), -1);
  for (const std::string& line : files.notes) fmt::print("{}\n", line);
  const TaskScore score = score_task(opened.model(options), files.dev);
  if (!score.complete) return 128 + stop_signal();
  Json sets = Json::array();
  for (const TaskSetScore& set : score.sets) {
    print_score(opened.task, set);
    sets.push_back(task_score_json(opened.task, set));
  }
  if (!json_path.empty()) {
    const Json json = {
        {"model", options.model}, {"task", options.task}, {"data", data}, {"sets", sets}};
    write_file_atomic(json_path, json_text(json));
  }
  return kExitSuccess;
}

int task_predict(const std::vector<std::string>& arguments) {
  TaskOptions options;
  std::string input;
  std::string output;
  std::string null_path;
  CLI::App app("What a finetuned model says of new examples", "gmlp-language predict --task");
  add_task_options(app, options);
  app.add_option("--input", input, "A tsv or SQuAD JSON file; labels and answers are not looked at")
      ->required()
      ->type_name("FILE");
  app.add_option("--out", output, "A tsv file, or SQuAD's predictions JSON")
      ->required()
      ->type_name("FILE");
  app.add_option("--null-scores", null_path, "SQuAD: write the scores of no answer to FILE")
      ->type_name("FILE");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  if (!null_path.empty() && !is_span_task(task_from_name(options.task))) {
    fail_input("--null-scores {}: {} has no questions without an answer; leave it out", null_path,
               options.task);
  }
  set_thread_count(resolve_threads(options.threads));

  OpenedTask opened(options);
  const std::unique_ptr<TaskSet> set =
      open_task_input(opened.task, input, opened.encoding(options));
  const TaskModel model = opened.model(options);
  if (!set->windows) {
    bool complete = false;
    const std::string table = sentence_table(model, *set->sentence_rows, complete);
    if (!complete) return 128 + stop_signal();
    write_file_atomic(output, table);
    return kExitSuccess;
  }
  const std::optional<SquadFiles> files = squad_files(model, *set->windows);
  if (!files) return 128 + stop_signal();
  write_file_atomic(output, files->predictions);
  if (!null_path.empty()) write_file_atomic(null_path, files->null_scores);
  return kExitSuccess;
}

}  // namespace gmlp
