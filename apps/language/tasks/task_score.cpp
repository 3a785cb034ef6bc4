#include "apps/language/tasks/task_score.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "apps/cli/format.h"
#include "apps/cli/signals.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/softmax.h"
#include "models/checkpoint/checkpoint.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

/// The task that the model in `folder` was finetuned on; "" if none.
std::string stored_task(const std::string& folder) {
  const Json json = parse_json(read_text(config_path(folder)), config_path(folder));
  const Json::json_pointer member("/gmlp/task");
  if (!json.contains(member) || !json.at(member).is_string()) return "";
  return json.at(member).get<std::string>();
}

void set_head(LanguageConfig& config, Task task) {
  config.head = is_span_task(task) ? LanguageHead::kSpan : LanguageHead::kClassify;
  config.classes = static_cast<int64_t>(task_labels(task).size());
}

LoadedLanguage load_task_language(const std::string& folder, Task task) {
  LoadedLanguage loaded = load_language(folder);
  const std::string stored = stored_task(folder);
  if (stored.empty()) {
    fail_input("--model {}: was not finetuned; run gmlp-language finetune --task {} first", folder,
               task_name(task));
  }
  if (stored != task_name(task)) {
    fail_input("--model {}: was finetuned on {}; use --task {}, or finetune it on {}", folder,
               stored, stored, task_name(task));
  }
  const LanguageConfig& config = loaded.model->config();
  LanguageConfig expected = config;
  set_head(expected, task);
  if (config.head != expected.head || config.classes != expected.classes) {
    fail_input("{}/config.json: its head is not that of {}; restore the file", folder, stored);
  }
  return loaded;
}

/// -log softmax(z)[target] for z = logits[first], logits[first + step], ...
double cross_entropy_of(const std::vector<double>& logits, size_t first, size_t step,
                        int64_t target) {
  std::vector<double> z;
  for (size_t i = first; i < logits.size(); i += step) z.push_back(logits[i]);
  return log_sum_exp(z.data(), static_cast<int64_t>(z.size())) - z[static_cast<size_t>(target)];
}

/// True if `label` is the argmax. Ties go to the lower class, and NaN is never right.
bool is_right(const std::vector<double>& logits, int64_t label) {
  const double own = logits[static_cast<size_t>(label)];
  for (size_t c = 0; c < logits.size(); ++c) {
    const int64_t other = static_cast<int64_t>(c);
    if (other != label && !(logits[c] < own || (logits[c] == own && other > label))) return false;
  }
  return std::isfinite(own);
}

void score_sentences(const TaskModel& model, const SentenceRows& rows, TaskSetScore& score) {
  double sum = 0;
  for_each_row(model, rows, [&](int64_t row, const std::vector<double>& logits) {
    int64_t label = 0;
    rows.write_target(row, &label);
    sum += cross_entropy_of(logits, 0, 1, label);
    score.accuracy.right += is_right(logits, label) ? 1 : 0;
    ++score.accuracy.count;
  });
  score.loss = sum / static_cast<double>(std::max<int64_t>(rows.size(), 1));
}

void score_questions(const TaskModel& model, const SquadWindows& windows, TaskSetScore& score) {
  const std::vector<QuestionAnswer> answers = answer_questions(model, windows, &score.loss);
  std::map<std::string, std::string> texts;
  std::map<std::string, std::string> best_texts;
  std::map<std::string, double> null_scores;
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::string& id = windows.set().questions[i].id;
    texts[id] = answers[i].text;
    best_texts[id] = answers[i].best_text;
    null_scores[id] = answers[i].null_score;
  }
  score.squad = score_squad(windows.set(), texts);
  if (!windows.set().unanswerable) return;
  score.best_threshold = best_null_threshold(windows.set(), best_texts, null_scores);
}

}  // namespace

void fit_to_task(LanguageConfig& config, Task task) {
  if (config.block.causal) {
    fail_input(
        "--model {} is causal, so <cls> at the front sees no other token; use a model pretrained "
        "with --objective mlm",
        config.name);
  }
  set_head(config, task);
  config.validate();
}

std::string task_json(Task task, const Tokenizer& tokenizer) {
  Json extra = {{"objective", objective_name(Objective::kMasked)},
                {"tokenizer", tokenizer.kind()},
                {"task", task_name(task)}};
  if (!is_span_task(task)) extra["labels"] = task_labels(task);
  return json_line(extra);
}

OpenedTask::OpenedTask(const TaskOptions& options)
    : task(task_from_name(options.task)),
      loaded(load_task_language(options.model, task)),
      model{*loaded.model,
            task,
            stored_language_execution(*loaded.model, options.precision, options.kernels),
            arena,
            options.batch_size,
            options.answers},
      encoding{*loaded.tokenizer, loaded.model->config().block.tokens, options.text,
               throw_if_stopped} {}

void for_each_row(const TaskModel& model, const TaskRows& rows,
                  const std::function<void(int64_t row, const std::vector<double>& logits)>& use) {
  TaskLoaderOptions options;
  options.batch_size = model.batch_size;
  options.train = false;
  TaskLoader loader(rows, options);
  for (int64_t index = 0; index < loader.batches_per_epoch(); ++index) {
    throw_if_stopped();
    const TaskBatch batch = loader.batch(0, index);
    const int64_t count = static_cast<int64_t>(batch.rows.size());
    model.arena.reset();
    Tape tape(model.arena, model.execution, false);
    const Var out = is_span_task(model.task) ? model.model.spans(tape, batch.ids, count)
                                             : model.model.classify(tape, batch.ids, count);
    const Tensor& values = tape.value(out);
    const int64_t width = values.elements() / count;
    for (int64_t i = 0; i < count; ++i) {
      std::vector<double> logits;
      for (int64_t j = 0; j < width; ++j) logits.push_back(values.at(i * width + j));
      use(batch.rows[static_cast<size_t>(i)], logits);
    }
  }
}

std::vector<QuestionAnswer> answer_questions(const TaskModel& model, const SquadWindows& windows,
                                             double* loss) {
  AnswerOptions options = model.answers;
  options.unanswerable = windows.set().unanswerable;
  AnswerFinder finder(windows, options);
  std::vector<QuestionAnswer> answers;
  double sum = 0;
  for_each_row(model, windows, [&](int64_t row, const std::vector<double>& logits) {
    finder.add(row, logits);
    int64_t target[2];
    windows.write_target(row, target);
    sum += 0.5 *
           (cross_entropy_of(logits, 0, 2, target[0]) + cross_entropy_of(logits, 1, 2, target[1]));
    // The windows of a question are adjacent.
    const bool last =
        row + 1 == windows.size() || windows.question(row + 1) != windows.question(row);
    if (last) answers.push_back(finder.answer());
  });
  if (loss != nullptr) *loss = sum / static_cast<double>(windows.size());
  return answers;
}

TaskScore score_task(const TaskModel& model, const std::vector<std::unique_ptr<TaskSet>>& sets) {
  TaskScore result;
  for (const std::unique_ptr<TaskSet>& set : sets) {
    TaskSetScore score;
    score.name = set->name;
    score.size = set->size();
    try {
      if (set->windows) {
        score_questions(model, *set->windows, score);
      } else {
        score_sentences(model, *set->sentence_rows, score);
      }
    } catch (const Stopped&) {
      return result;
    }
    result.sets.push_back(score);
  }
  const TaskSetScore& first = result.sets.front();
  result.samples = first.size;
  result.loss = first.loss;
  result.metric = is_span_task(model.task) ? first.squad.all.f1 : 100 * first.accuracy.value();
  result.complete = true;
  return result;
}

const char* metric_name(Task task) {
  return is_span_task(task) ? "F1" : "accuracy";
}

const char* metric_column(Task task) {
  return is_span_task(task) ? "val_f1" : "val_accuracy";
}

std::string eval_command(Task task, const std::string& data, const std::string& checkpoint) {
  return fmt::format("gmlp-language eval --task {} --data {} --model {}", task_name(task), data,
                     checkpoint);
}

std::string task_score_text(Task task, const TaskSetScore& score) {
  if (is_span_task(task)) {
    const SquadScore& all = score.squad.all;
    return fmt::format("exact match {:.2f} ± {:.2f} %, F1 {:.2f} ± {:.2f} %", all.exact,
                       all.exact_error, all.f1, all.f1_error);
  }
  return fmt::format("{} {:.2f} ± {:.2f} %", task == Task::kMnli ? score.name : "accuracy",
                     100 * score.accuracy.value(), 100 * score.accuracy.standard_error());
}

Json task_score_json(Task task, const TaskSetScore& score) {
  Json json = {{"set", score.name}, {"samples", score.size}, {"loss", score.loss}};
  if (!is_span_task(task)) {
    json["accuracy"] = 100 * score.accuracy.value();
    json["accuracy_standard_error"] = 100 * score.accuracy.standard_error();
    return json;
  }
  const SquadScores& squad = score.squad;
  json["exact"] = squad.all.exact;
  json["exact_standard_error"] = squad.all.exact_error;
  json["f1"] = squad.all.f1;
  json["f1_standard_error"] = squad.all.f1_error;
  if (task == Task::kSquad1) return json;
  // The names of the official evaluation script.
  json["HasAns_exact"] = squad.answerable.exact;
  json["HasAns_f1"] = squad.answerable.f1;
  json["NoAns_exact"] = squad.unanswerable.exact;
  json["NoAns_f1"] = squad.unanswerable.f1;
  json["best_f1"] = score.best_threshold.f1;
  json["best_f1_thresh"] = score.best_threshold.threshold;
  return json;
}

}  // namespace gmlp
