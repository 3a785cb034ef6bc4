// A run's beginning: from options to a model with a new head, and examples.

#include <algorithm>
#include <filesystem>

#include "apps/cli/signals.h"
#include "apps/language/model_choice.h"
#include "apps/language/tasks/finetune_run.h"
#include "core/error.h"
#include "models/checkpoint/weight_files.h"

namespace gmlp {

FinetuneRun::FinetuneRun(const FinetuneCommand& command)
    : options(command.options), task(task_from_name(options.task)) {
  prepare(command.config);
  build_model();
  open_files();
  identify();
}

void FinetuneRun::build_model() {
  // A resumed run has all in its checkpoint, and the pretrained model may be gone.
  const bool saved = resumed() && std::filesystem::is_directory(resume_from());
  LanguageModelOptions choice = options.model;
  if (saved) choice.model = resume_from();
  const bool stored = std::filesystem::is_directory(choice.model);
  config = choose_language_model(choice);
  if (stored) {
    tokenizer = open_stored_tokenizer(choice.model);
  } else {
    tokenizer = open_tokenizer(options.tokenizer);
    config.vocab = std::max(options.model.vocab_size, tokenizer->vocab());
  }
  check_task_tokens(*tokenizer);
  fit_to_task(config, task);
  if (execution.precision == fused::Precision::kBf16) require_bf16_fits(config);
  model = std::make_unique<LanguageModel>(config, dtype, options.seed);
  if (saved) return;
  if (stored && !options.from_scratch) {
    load_weights_from(choice.model);
  } else {
    note("the model starts from nothing; a pretrained one would know words already");
  }
}

/// All but the head, which is this task's and new, also where the folder has one.
void FinetuneRun::load_weights_from(const std::string& source) {
  const Checkpoint checkpoint = open_checkpoint(source);
  std::vector<Parameter*> body;
  for (Parameter* parameter : parameters()) {
    if (!parameter->name.starts_with("head.")) body.push_back(parameter);
  }
  WeightRules rules;
  rules.model = config.name;
  rules.tokens_remedy =
      "(length of a window); leave out --seq-len, only Toeplitz gates can be cut, to a shorter one";
  rules.longer_window = true;
  rules.new_head = true;
  for (const std::string& line : load_weights(body, checkpoint.model, rules)) note(line);
  note(fmt::format("weights taken from {}; the head is new", source));
  identity.weights = source;
}

void FinetuneRun::open_files() {
  const TaskEncoding encoding = {*tokenizer, config.block.tokens, options.text, throw_if_stopped};
  files = open_task_files(task, options.data, encoding, options.max_train_samples);
  for (const std::string& line : files.notes) note(line);
  TaskLoaderOptions loading;
  loading.batch_size = options.batch_size;
  loading.seed = options.seed;
  loading.shuffle = !options.no_shuffle;
  loader = std::make_unique<TaskLoader>(files.train->rows(), loading);
  build_schedule(loader->batches_per_epoch());  // what is wrong shows before --overwrite empties
}

void FinetuneRun::identify() {
  identity.command = "gmlp-language finetune";
  identity.kind = "language";
  identity.model = config.name;
  identity.data = task_name(task);
  identity.samples = is_span_task(task) ? "windows" : "examples";
  identity.metric = metric_column(task);
  identity.unit = "tokens";
  identity.units = config.block.tokens;
  identity.parameters = config.parameter_count();
  identity.forward_flops = config.forward_flops();
  identity.figures = "results.svg";
}

void FinetuneRun::describe_model(CheckpointContent& content) const {
  content.config = language_config_to_json(config, task_json(task, *tokenizer));
  content.others.push_back({tokenizer->file_name(), tokenizer->file_bytes()});
}

}  // namespace gmlp
