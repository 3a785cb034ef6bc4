#include "apps/language/tasks/task_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "apps/language/model_choice.h"
#include "core/error.h"

namespace gmlp {

namespace {

// Not given: what is best depends on task and model.
constexpr int64_t kNoEpochs = 0;
constexpr double kNoNumber = -1;

void add_task_options(CLI::App& app, FinetuneOptions& options) {
  const CLI::Validator length = integer_in(1, int64_t{1} << 24);
  app.add_option("--task", options.task, "sst2, mnli, squad1 or squad2");
  app.add_option("--data", options.data, "The folder with the task's official files")
      ->type_name("DIR");
  app.add_option("--tokenizer", options.tokenizer,
                 "For a --model without weights: bytes, or a tokenizer's file")
      ->type_name("FILE|bytes");
  app.add_flag("--from-scratch", options.from_scratch,
               "Take only the architecture and the tokenizer of --model; the weights are random");
  app.add_option("--runs", options.runs,
                 "Finetune N times, with seeds SEED, SEED + 1, ..., and report the median")
      ->check(integer_in(1, 1000));
  app.add_option("--dropout", options.dropout, "Of the embeddings and of each block's branch")
      ->check(number_in(0.0, 0.99));
  app.add_flag("--no-shuffle", options.no_shuffle, "Keep the order of the training set");
  app.add_option("--max-train-samples", options.max_train_samples,
                 "The first N examples only; 0: all")
      ->check(integer_in());
  app.add_option("--doc-stride", options.text.stride,
                 "SQuAD: tokens from one window of a long context to the next")
      ->check(length);
  app.add_option("--max-question-tokens", options.text.max_question, "SQuAD: the rest is cut")
      ->check(length);
}

void add_options(CLI::App& app, FinetuneOptions& options) {
  add_language_model_options(app, options.model);
  add_task_options(app, options);
}

void check_complete(const FinetuneOptions& options) {
  if (options.task.empty())
    fail_input("finetune needs --task; choose sst2, mnli, squad1 or squad2");
  task_from_name(options.task);
  if (options.data.empty()) {
    fail_input("finetune needs --data DIR, the folder with the files of {}", options.task);
  }
  if (options.model.model.empty()) {
    fail_input("finetune needs --model DIR, a checkpoint folder of gmlp-language pretrain");
  }
  const bool stored = std::filesystem::is_directory(options.model.model);
  if (stored && !options.tokenizer.empty()) {
    fail_input("--tokenizer: {} has its own, and the weights belong to that; leave it out",
               options.model.model);
  }
  if (!stored && options.tokenizer.empty()) {
    fail_input(
        "--model {} has no weights: give a checkpoint folder; or, to start from nothing, "
        "--tokenizer FILE as well",
        options.model.model);
  }
  arithmetic_from(options.precision, options.kernels);
}

/// CLI11 writes every number with few digits: so that the run has the very number that its
/// config.toml says.
double as_written(double value) {
  return std::stod(fmt::format("{:.3g}", value));
}

/// What the user left open. The paper finetunes models of width 512 with 1e-5 to 3e-5, and 5e-5 on
/// SQuAD, for 5 epochs, or 8000 steps, which are 3 epochs of SQuAD; the first tenth is warm-up.
/// Narrower models need larger steps: by the square of the ratio of widths, 4.8e-4 for 128. A model
/// that starts from nothing is trained as in pretraining.
void fill_in(FinetuneOptions& options) {
  const bool span = is_span_task(task_from_name(options.task));
  if (options.epochs == kNoEpochs) options.epochs = span ? 3 : 5;
  if (options.warmup_epochs == kNoNumber) {
    options.warmup_epochs = as_written(0.1 * static_cast<double>(options.epochs));
  }
  if (options.lr != kNoNumber) return;
  const double ratio =
      512.0 / static_cast<double>(choose_language_model(options.model).block.d_model);
  const bool pretrained =
      std::filesystem::is_directory(options.model.model) && !options.from_scratch;
  const double scaled = std::min(1e-3, (span ? 5e-5 : 3e-5) * ratio * ratio);
  options.lr = pretrained ? as_written(scaled) : 1e-3;
}

}  // namespace

FinetuneOptions::FinetuneOptions() {
  epochs = kNoEpochs;
  lr = kNoNumber;
  warmup_epochs = kNoNumber;
  batch_size = 32;
  min_lr = 0;
  sched = "linear";
  weight_decay = 0.01;
}

std::optional<FinetuneCommand> parse_finetune(const std::vector<std::string>& arguments) {
  const TrainingVerb<FinetuneOptions> verb = {
      {"gmlp-language finetune", "Finetune a language model on a task",
       "Without --epochs, --lr or --warmup-epochs the paper's recipe decides, the learning rate "
       "scaled to the model's width."},
      add_options,
      check_complete,
      fill_in};
  return parse_run_command(verb, arguments);
}

}  // namespace gmlp
