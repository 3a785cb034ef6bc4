// Finetuned models: their logits on the rows of a task, and the scores.

#include <algorithm>
#include <cmath>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/cli/terminal.h"
#include "apps/language/evaluate.h"
#include "core/softmax.h"
#include "models/config_fields.h"

namespace gmlp {

namespace {

/// -log softmax(z)[target] for z = logits[first], logits[first + step], ...
double cross_entropy_of(const std::vector<double>& logits, size_t first, size_t step,
                        int64_t target) {
  std::vector<double> z;
  for (size_t i = first; i < logits.size(); i += step) z.push_back(logits[i]);
  return log_sum_exp(z.data(), std::ssize(z)) - z[static_cast<size_t>(target)];
}

/// True if `label` is the argmax. Ties go to the lower class, and NaN or infinity is never right.
bool is_right(const std::vector<double>& logits, int64_t label) {
  const bool finite = std::ranges::all_of(logits, [](double z) { return std::isfinite(z); });
  return finite && std::ranges::max_element(logits) - logits.begin() == label;
}

/// Adds a metric and its standard error, in percent; the last one selects the best epoch.
void add_metric(TaskSetScore& score, const std::string& key, const std::string& name,
                double percent, double error) {
  score.metric = percent;
  score.text +=
      fmt::format("{}{} {:.2f} ± {:.2f} %", score.text.empty() ? "" : ", ", name, percent, error);
  score.json[key] = percent;
  score.json[key + "_standard_error"] = error;
}

void score_sentences(const TaskModel& model, const TaskSet& set, TaskSetScore& score) {
  double sum = 0;
  int64_t right = 0;
  for_each_row(model, *set.rows, [&](int64_t row, const std::vector<double>& logits) {
    const int64_t label = set.rows->row(row).target[0];
    sum += cross_entropy_of(logits, 0, 1, label);
    right += is_right(logits, label) ? 1 : 0;
  });
  const double n = static_cast<double>(std::max<int64_t>(set.size(), 1));
  const double accuracy = static_cast<double>(right) / n;
  score.loss = sum / n;
  add_metric(score, "accuracy", model.facts.task == Task::kMnli ? set.name : "accuracy",
             100 * accuracy, 100 * standard_error(accuracy, set.size()));
}

void score_questions(const TaskModel& model, const TaskSet& set, TaskSetScore& score) {
  const std::vector<QuestionAnswer> answers = answer_questions(model, set.windows(), &score.loss);
  const auto& [all, answerable, unanswerable] = score_squad(set.squad, answers);
  add_metric(score, "exact", "exact match", all.exact, all.exact_error);
  add_metric(score, "f1", "F1", all.f1, all.f1_error);
  if (!set.squad.unanswerable) return;
  score.details = fmt::format(
      "answerable ({}): exact match {:.2f}, F1 {:.2f} %; unanswerable ({}): {:.2f} %\n",
      answerable.count, answerable.exact, answerable.f1, unanswerable.count, unanswerable.f1);
  // The names of the official evaluation script.
  score.json.update({{"HasAns_exact", answerable.exact},
                     {"HasAns_f1", answerable.f1},
                     {"NoAns_exact", unanswerable.exact},
                     {"NoAns_f1", unanswerable.f1}});
}

/// Completes the facts and the reading by what the checkpoint in `folder` stores of its finetuning.
void read_config(OpenedTask& task, const std::string& folder) {
  auto& [loaded, facts, reading, arena, model] = task;
  const std::string path = config_path(folder);
  const Json stored = parse_json(loaded.config, path);
  const Json name = stored.at("gmlp").value("task", Json());
  refuse_if(!name.is_string(),
            "--model {}: was not finetuned; run gmlp-language finetune --task {} first", folder,
            facts.name);
  refuse_if(name != facts.name,
            "--model {0}: was finetuned on {1}; use --task {1}, or finetune it on {2}", folder,
            printable(name.get<std::string>()), facts.name);
  const bool classify = facts.task == Task::kClassify;
  check_columns(facts, reading);
  WindowOptions windows;  // only SQuAD's models have other ones than the default
  const std::vector<ConfigField> fields = {
      {"gmlp", "doc_stride", &windows.stride, "doc_stride"},
      {"gmlp", "max_question_tokens", &windows.max_question, "max_question_tokens"}};
  read_fields(stored, fields, path);
  in_file(path, [&] { check_fields(fields); });
  if (reading.windows.stride == 0) reading.windows.stride = windows.stride;
  if (reading.windows.max_question == 0) reading.windows.max_question = windows.max_question;
  if (classify) {
    read_fields(stored, {{"gmlp", "labels", &facts.labels}, {"gmlp", "columns", &facts.columns}},
                path);
  }
  refuse_if(classify && (facts.columns.size() < 2 || facts.columns.size() > 3),
            "{}: \"columns\" are not one or two texts and a label; restore the file", path);
  if (const size_t given = reading.text_columns.size(); given > 0) {
    refuse_if(given + 1 != facts.columns.size(),
              "--text-columns: names {}, and the model reads {} texts; name as many", given,
              facts.columns.size() - 1);
    std::ranges::copy(reading.text_columns, facts.columns.begin());
  }
  if (!reading.label_column.empty()) facts.columns.back() = reading.label_column;
  const LanguageConfig& config = loaded.model->config();
  reading.windows.tokens = config.block.tokens;
  const LanguageHead head = facts.is_span() ? LanguageHead::kSpan : LanguageHead::kClassify;
  refuse_if(config.head != head || config.classes != std::ssize(facts.labels),
            "{}: its head is not that of {}; restore the file", path, facts.name);
}

}  // namespace

OpenedTask::OpenedTask(const TaskOptions& options)
    : loaded(load_language(options)),
      facts(task_facts(options.task)),
      reading(options.reading),
      model{*loaded.model, facts, loaded.execution, arena, options.batch_size, options.answers} {
  read_config(*this, options.model);
}

void for_each_row(const TaskModel& model, const TaskRows& rows,
                  const std::function<void(int64_t row, const std::vector<double>& logits)>& use) {
  TaskLoader loader(rows, {.batch_size = model.batch_size, .train = false});
  const bool is_span = model.facts.is_span();
  const LanguageConfig& config = model.model.config();
  const int64_t width = is_span ? 2 * config.block.tokens : config.classes;
  const auto score = [&](int64_t begin, int64_t end, std::vector<double>& scores) {
    const TaskBatch batch = loader.batch(0, begin / model.batch_size);
    model.arena.reset();
    Tape tape(model.arena, model.execution, false);
    const Tensor& logits = tape.value(is_span ? model.model.spans(tape, batch.ids, end - begin)
                                              : model.model.classify(tape, batch.ids, end - begin));
    for (int64_t i = 0; i < logits.elements(); ++i) scores.push_back(logits.at(i));
  };
  int64_t row = 0;
  score_samples({rows.size(), model.batch_size, width, model.show_progress}, score,
                [&](const double* logits) {
                  use(row++, {logits, logits + width});
                });
}

std::vector<QuestionAnswer> answer_questions(const TaskModel& model, const SquadWindows& windows,
                                             double* loss) {
  std::vector<QuestionAnswer> answers(windows.set().questions.size());
  double sum = 0;
  for_each_row(model, windows, [&](int64_t row, const std::vector<double>& logits) {
    const size_t question = static_cast<size_t>(windows.window(row).question);
    update_answer(windows, row, logits, model.answers, answers[question]);
    const std::vector<int64_t> target = windows.row(row).target;
    sum += 0.5 *
           (cross_entropy_of(logits, 0, 2, target[0]) + cross_entropy_of(logits, 1, 2, target[1]));
  });
  if (loss != nullptr) *loss = sum / static_cast<double>(windows.size());
  return answers;
}

std::vector<TaskSetScore> score_task(const TaskModel& model,
                                     const std::vector<std::unique_ptr<TaskSet>>& sets) {
  std::vector<TaskSetScore> scores;
  for (const std::unique_ptr<TaskSet>& set : sets) {
    TaskSetScore& score = scores.emplace_back();
    score.complete = true;
    score.samples = set->size();
    score.json = {{"set", set->name}, {"samples", score.samples}, {"loss", 0}};
    (model.facts.is_span() ? score_questions : score_sentences)(model, *set, score);
    score.json["loss"] = score.loss;
  }
  return scores;
}

}  // namespace gmlp
