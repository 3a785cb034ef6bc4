#include "apps/language/tasks/task_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "apps/language/model_choice.h"
#include "core/error.h"

namespace gmlp {

namespace {

constexpr const char* kTaskNames = "sst2, mnli, squad1, squad2 or classify";

void add_reading_options(CLI::App& app, TaskReading& reading, const std::string& more = "") {
  const CLI::Validator length = integer_in(more.empty() ? 1 : 0, 1 << 24);
  app.add_option("--doc-stride", reading.stride,
                 "SQuAD: tokens between the starts of two windows of a long context" + more)
      ->check(length);
  app.add_option("--max-question-tokens", reading.max_question,
                 "SQuAD: length to which questions are cut" + more)
      ->check(length);
  app.add_option("--text-columns", reading.text_columns,
                 "classify: one or two columns of text; by default guessed from their names")
      ->type_name("NAME...");
  app.add_option("--label-column", reading.label_column, "classify: the label's column")
      ->type_name("NAME");
}

void add_finetune_options(CLI::App& app, FinetuneOptions& options) {
  OptionGroup data(app, "Data");
  app.add_option("--task", options.task, fmt::format("Task: {}", kTaskNames))->type_name("NAME");
  app.add_option("--data", options.data,
                 "Folder with the official files of the task; of classify with train and val in "
                 "tsv, csv or jsonl, or one such file")
      ->type_name("DIR|FILE");
  data.integer("--max-train-samples", options.max_train_samples,
               "Number of training examples to use; 0 = all");
  add_reading_options(app, options.reading);
  add_skip_bad(app, options.reading.skip_bad);
  add_language_options(app, options, "Tokenizer for a --model without weights: bytes, or its file");
  app.add_flag("--from-scratch", options.from_scratch,
               "Use only the architecture and the tokenizer of --model, with random weights")
      ->group("Model");
  // Configurations of earlier versions have runs=1.
  app.add_option("--runs", "")->check(CLI::IsMember({"1"}))->group("");
}

void check_complete(const FinetuneOptions& options) {
  const std::string& model = options.model.model;
  if (options.task.empty()) fail_input("finetune needs --task; choose {}", kTaskNames);
  task_facts(options.task);
  if (options.data.empty()) {
    fail_input("finetune needs --data, the folder with the files of {}", options.task);
  }
  if (model.empty()) {
    fail_input("finetune needs --model DIR, a checkpoint folder of gmlp-language pretrain");
  }
  const bool stored = std::filesystem::is_directory(model);
  if (stored && !options.tokenizer.empty()) {
    fail_input("--tokenizer: {} has its own, to which the weights belong; leave it out", model);
  }
  if (!stored && options.tokenizer.empty()) {
    fail_input(
        "--model {} has no weights: use a checkpoint folder, or add --tokenizer FILE to start from "
        "random weights",
        model);
  }
  arithmetic_from(options.precision, options.kernels);
}

/// Fills in the options that the user did not set. The paper finetunes models of width 512 for 5
/// epochs with a rate of 1e-5 to 3e-5. On SQuAD it uses 5e-5 for 8000 steps, which are 3 epochs.
/// The first tenth is warm-up. Narrower models need larger steps, by the squared ratio of widths:
/// 4.8e-4 for 128. Random weights are trained as in pretraining.
void fill_in_recipe(CLI::App& app, FinetuneOptions& options) {
  const bool span = task_facts(options.task).is_span();
  const double epochs = fill_in(app, "--epochs", static_cast<double>(options.epochs), span ? 3 : 5);
  options.epochs = static_cast<int64_t>(epochs);
  options.warmup_epochs = fill_in(app, "--warmup-epochs", options.warmup_epochs, 0.1 * epochs);
  const double ratio =
      512.0 / static_cast<double>(choose_language_model(options.model).block.d_model);
  const bool pretrained =
      std::filesystem::is_directory(options.model.model) && !options.from_scratch;
  const double scaled = std::min(1e-3, (span ? 5e-5 : 3e-5) * ratio * ratio);
  options.lr = fill_in(app, "--lr", options.lr, pretrained ? scaled : 1e-3);
}

}  // namespace

std::optional<FinetuneCommand> parse_finetune(const std::vector<std::string>& arguments) {
  FinetuneCommand command;
  FinetuneOptions& options = command.options;
  const TrainingSubcommand subcommand = {"gmlp-language finetune",
                                         "Finetune a language model on a task",
                                         [&](CLI::App& app) { add_finetune_options(app, options); },
                                         [&](CLI::App& app) {
                                           check_complete(options);
                                           fill_in_recipe(app, options);
                                         },
                                         {{"--epochs", "5, or 3 for SQuAD"},
                                          {"--warmup-epochs", "a tenth of --epochs"},
                                          {"--lr", "the paper's, scaled to the model's width"}}};
  if (!parse_training(subcommand, arguments, options, command.config)) return std::nullopt;
  return command;
}

void add_task_options(CLI::App& app, TaskOptions& options) {
  add_skip_bad(app, options.reading.skip_bad);
  OptionGroup(app, "Options")
      .integer("--batch-size", options.batch_size, "Rows per forward pass", 1, kLargestBatch);
  app.option_defaults()->group(kTaskGroup)->always_capture_default();
  app.add_option("--task", options.task, fmt::format("Task of the finetuned model: {}", kTaskNames))
      ->type_name("NAME");
  add_reading_options(app, options.reading, "; 0 = as in finetuning");
  app.add_option("--null-threshold", options.answers.null_threshold,
                 "SQuAD 2.0: predict no answer if its score exceeds the best answer's by more");
}

void separate_groups(CLI::App& app, const std::string& group) {
  CLI::Option* task = app.get_option("--task");
  for (CLI::Option* option : app.get_options()) {
    if (option->get_group() == kTaskGroup && option != task) option->needs(task);
    if (option->get_group() == group) option->excludes(task);
  }
}

}  // namespace gmlp
