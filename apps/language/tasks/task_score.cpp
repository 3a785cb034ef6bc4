#include "apps/language/tasks/task_score.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/cli/terminal.h"
#include "apps/ranks/ranks.h"
#include "core/softmax.h"

namespace gmlp {

namespace {

void set_head(LanguageConfig& config, const TaskFacts& facts) {
  config.head = facts.is_span() ? LanguageHead::kSpan : LanguageHead::kClassify;
  config.classes = std::ssize(facts.labels);
}

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

void score_sentences(const TaskModel& model, const TaskRows& rows, TaskSetScore& score) {
  double sum = 0;
  int64_t right = 0;
  for_each_row(model, rows, [&](int64_t row, const std::vector<double>& logits) {
    const int64_t label = rows.row(row).target[0];
    sum += cross_entropy_of(logits, 0, 1, label);
    right += is_right(logits, label) ? 1 : 0;
  });
  const double n = static_cast<double>(std::max<int64_t>(rows.size(), 1));
  const double accuracy = static_cast<double>(right) / n;
  score.loss = sum / n;
  score.metrics = {{"accuracy", model.facts.task == Task::kMnli ? score.name : "accuracy",
                    100 * accuracy, 100 * standard_error(accuracy, rows.size())}};
}

void score_questions(const TaskModel& model, const SquadWindows& windows, TaskSetScore& score) {
  const std::vector<QuestionAnswer> answers = answer_questions(model, windows, &score.loss);
  score.squad = score_squad(windows.set(), answers);
  const SquadScore& all = score.squad.all;
  score.metrics = {{"exact", "exact match", all.exact, all.exact_error},
                   {"f1", "F1", all.f1, all.f1_error}};
  if (!windows.set().unanswerable) return;
  score.best_threshold = best_null_threshold(windows.set(), answers);
}

}  // namespace

void fit_to_task(LanguageConfig& config, const TaskFacts& facts) {
  refuse_if(
      config.block.causal,
      "--model {} is causal, so <cls> at the front sees no other token; use a model pretrained "
      "with --objective mlm",
      config.name);
  set_head(config, facts);
  config.validate();
}

std::string task_json(const TaskFacts& facts, const TaskEncoding& encoding) {
  Json extra = {{"objective", kObjectives.name(Objective::kMasked)},
                {"tokenizer", encoding.tokenizer.kind()},
                {"task", facts.name}};
  if (facts.is_span()) {
    extra["doc_stride"] = encoding.reading.stride;
    extra["max_question_tokens"] = encoding.reading.max_question;
  } else {
    extra["labels"] = facts.labels;
  }
  if (facts.task == Task::kClassify) extra["columns"] = facts.columns;
  return json_line(extra);
}

OpenedTask::OpenedTask(const TaskOptions& options)
    : OpenedModel(options),
      facts(task_facts(options.task)),
      model{*loaded.model, facts, execution, arena, options.batch_size, options.answers},
      encoding{*loaded.tokenizer, loaded.model->config().block.tokens, options.reading} {
  read_config(options.model);
}

void OpenedTask::read_config(const std::string& folder) {
  const std::string path = config_path(folder);
  const Json stored = parse_json(loaded.config, path).at("gmlp");
  const Json task = stored.value("task", Json());
  refuse_if(!task.is_string(),
            "--model {}: was not finetuned; run gmlp-language finetune --task {} first", folder,
            facts.name);
  refuse_if(task != facts.name,
            "--model {0}: was finetuned on {1}; use --task {1}, or finetune it on {2}", folder,
            printable(task.get<std::string>()), facts.name);
  TaskReading& reading = encoding.reading;
  const bool classify = facts.task == Task::kClassify;
  check_columns(facts, reading);
  try {
    // Only SQuAD's models have the two numbers.
    if (reading.stride == 0) reading.stride = stored.value("doc_stride", int64_t{0});
    if (reading.max_question == 0) {
      reading.max_question = stored.value("max_question_tokens", int64_t{0});
    }
    if (classify) stored.at("labels").get_to(facts.labels);
    if (classify) stored.at("columns").get_to(facts.columns);
  } catch (const Json::exception& error) {
    fail_input("{}: {}; restore the file", path, json_reason(error));
  }
  refuse_if(classify && (facts.columns.size() < 2 || facts.columns.size() > 3),
            "{}: \"columns\" are not one or two texts and a label; restore the file", path);
  if (const size_t given = reading.text_columns.size(); given > 0) {
    refuse_if(given + 1 != facts.columns.size(),
              "--text-columns: names {}, and the model reads {} texts; name as many", given,
              facts.columns.size() - 1);
    std::copy_n(reading.text_columns.begin(), given, facts.columns.begin());
  }
  if (!reading.label_column.empty()) facts.columns.back() = reading.label_column;
  LanguageConfig expected = loaded.model->config();
  set_head(expected, facts);
  const LanguageConfig& config = loaded.model->config();
  refuse_if(config.head != expected.head || config.classes != expected.classes,
            "{}: its head is not that of {}; restore the file", path, facts.name);
}

void for_each_row(const TaskModel& model, const TaskRows& rows,
                  const std::function<void(int64_t row, const std::vector<double>& logits)>& use) {
  TaskLoader loader(rows, {.batch_size = model.batch_size, .train = false});
  const bool is_span = model.facts.is_span();
  const LanguageConfig& config = model.model.config();
  const int64_t width = is_span ? 2 * config.block.tokens : config.classes;
  constexpr int64_t kShare = 16;  // batches of a rank, after which all see their logits
  const int64_t batches = loader.batches_per_epoch();
  int64_t row = 0;
  ProgressBar bar(model.show_progress);
  for (int64_t first = 0; first < batches; first += kShare * rank_count()) {
    const int64_t own = first + kShare * rank();
    std::vector<double> logits;
    for (int64_t i = own; i < std::min(own + kShare, batches) && own_stop_signal() == 0; ++i) {
      bar.draw_pass(i, batches);
      const TaskBatch batch = loader.batch(0, i);
      const int64_t count = std::ssize(batch.rows);
      model.arena.reset();
      Tape tape(model.arena, model.execution, false);
      const Tensor& out = tape.value(is_span ? model.model.spans(tape, batch.ids, count)
                                             : model.model.classify(tape, batch.ids, count));
      for (int64_t j = 0; j < count * width; ++j) logits.push_back(out.at(j));
    }
    share_stop_signal();
    throw_if_stopped();
    logits.resize(static_cast<size_t>(kShare * model.batch_size * width));
    logits = gather_ranks(logits);
    for (auto z = logits.begin(); z != logits.end() && row < rows.size(); z += width) {
      use(row++, std::vector<double>(z, z + width));
    }
  }
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

TaskScore score_task(const TaskModel& model, const std::vector<std::unique_ptr<TaskSet>>& sets) {
  TaskScore result;
  for (const std::unique_ptr<TaskSet>& set : sets) {
    TaskSetScore score = {.name = set->name, .size = set->size()};
    try {
      if (model.facts.is_span()) score_questions(model, set->windows(), score);
      if (!model.facts.is_span()) score_sentences(model, *set->rows, score);
    } catch (const Stopped&) {
      return result;
    }
    result.sets.push_back(score);
  }
  const TaskSetScore& first = result.sets.front();
  result.samples = first.size;
  result.loss = first.loss;
  result.metric = first.metrics.back().percent;
  result.complete = true;
  return result;
}

std::string task_score_text(const TaskSetScore& score) {
  std::string text;
  for (const auto& [key, name, percent, error] : score.metrics) {
    text += fmt::format("{}{} {:.2f} ± {:.2f} %", text.empty() ? "" : ", ", name, percent, error);
  }
  return text;
}

Json task_score_json(const TaskFacts& facts, const TaskSetScore& score) {
  Json json = {{"set", score.name}, {"samples", score.size}, {"loss", score.loss}};
  for (const auto& [key, name, percent, error] : score.metrics) {
    json[key] = percent;
    json[key + std::string("_standard_error")] = error;
  }
  if (facts.task == Task::kSquad2) {
    // The names of the official evaluation script.
    json.update({{"HasAns_exact", score.squad.answerable.exact},
                 {"HasAns_f1", score.squad.answerable.f1},
                 {"NoAns_exact", score.squad.unanswerable.exact},
                 {"NoAns_f1", score.squad.unanswerable.f1},
                 {"best_f1", score.best_threshold.f1},
                 {"best_f1_thresh", score.best_threshold.threshold}});
  }
  return json;
}

}  // namespace gmlp
