// What a finetuning run says of itself: the banner, samples, scores, and at the end the figures.

#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "apps/language/tasks/finetune_run.h"
#include "apps/language/text_format.h"
#include "apps/train/curves.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

constexpr int64_t kSamplesShown = 3;

}  // namespace

std::vector<std::string> FinetuneRun::banner() const {
  const BlockConfig& block = config.block;
  std::vector<std::string> dev;
  for (const std::unique_ptr<TaskSet>& set : files.dev) {
    dev.push_back(fmt::format("{} {}", grouped(set->size()), set->name));
  }
  const bool span = is_span_task(task);
  const int64_t rows = files.train->rows().size();
  return {fmt::format("model    {} parameters, {} blocks of {}, {} tokens, d_model {}, d_ffn {}, "
                      "{:.3g} GFLOPs a sequence",
                      grouped(config.parameter_count()), config.depth, arch_name(config.arch),
                      block.tokens, block.d_model, block.d_ffn, config.forward_flops() / 1e9),
          fmt::format("data     {} training {}{}, {} to validate on; {} ids of {}",
                      grouped(files.train->size()), span ? "questions" : "examples",
                      span ? fmt::format(" in {} windows", grouped(rows)) : "",
                      fmt::join(dev, " and "), grouped(config.vocab), tokenizer->kind()),
          fmt::format("recipe   {} epochs, batch size {}, learning rate {:g}, dropout {:g}",
                      options.epochs, options.batch_size * options.grad_accum_steps, options.lr,
                      options.dropout)};
}

/// What the model will see of a row, and what it should say.
std::string FinetuneRun::sample_text(int64_t row) const {
  const TaskRows& rows = files.train->rows();
  std::vector<int64_t> ids(static_cast<size_t>(rows.tokens()));
  std::vector<int64_t> target(static_cast<size_t>(rows.target_size()));
  rows.write_ids(row, ids.data());
  rows.write_target(row, target.data());
  std::string text;
  for (const int64_t id : ids) {
    if (id == tokenizer->special().pad) break;
    if (text.size() >= kLineBytes) {
      text += "…";
      break;
    }
    text += piece_text(*tokenizer, id);
  }
  std::string wanted = "no answer";
  if (!is_span_task(task)) {
    wanted = task_labels(task)[static_cast<size_t>(target[0])];
  } else if (target[0] > 0) {
    wanted = files.train->windows->text(row, target[0], target[1]);
  }
  return one_line(fmt::format("{} → {}", text, wanted));
}

void FinetuneRun::show_samples() {
  // Of the very first batch that will be trained on.
  const int64_t index = batch_of_epoch(0);
  const TaskBatch batch = loader->batch(epoch(), index);
  const int64_t shown = std::min(kSamplesShown, static_cast<int64_t>(batch.rows.size()));
  for (int64_t i = 0; i < shown; ++i) {
    console->screen_only(
        fmt::format("sample   {}\n", sample_text(batch.rows[static_cast<size_t>(i)])));
  }
}

std::string FinetuneRun::score_text(const EvalResult& score) const {
  std::vector<std::string> texts;
  for (const TaskSetScore& set : last_score_.sets) texts.push_back(task_score_text(task, set));
  return fmt::format("val loss {:.4f}, {}", score.loss, fmt::join(texts, ", "));
}

std::string FinetuneRun::best_text() const {
  const std::string name = metric_name(task);
  if (is_span_task(task)) return fmt::format("{} {:.2f} %", name, progress.best_metric);
  const double error = 100 * standard_error(progress.best_metric / 100, files.dev.front()->size());
  return fmt::format("{} {:.2f} ± {:.2f} %", name, progress.best_metric, error);
}

nlohmann::ordered_json FinetuneRun::best_summary() const {
  return {{metric_column(task), progress.best_metric}, {"val_loss", progress.best_loss}};
}

nlohmann::ordered_json FinetuneRun::final_summary() const {
  nlohmann::ordered_json sets = nlohmann::ordered_json::array();
  for (const TaskSetScore& set : last_score_.sets) sets.push_back(task_score_json(task, set));
  return {{"task", task_name(task)}, {"sets", sets}};
}

void FinetuneRun::draw_figures() {
  const std::string title = fmt::format("{} on {}", config.name, task_name(task));
  write_file_atomic(folder->file("results.svg"),
                    draw_epoch_curves(title, folder->file("metrics.csv"),
                                      is_span_task(task) ? "F1" : "Accuracy"));
}

std::string FinetuneRun::next_command(const std::string& checkpoint) const {
  return eval_command(task, options.data, checkpoint);
}

}  // namespace gmlp
