// A run's beginning: from options to text, model and loaders.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/cli/signals.h"
#include "apps/language/model_choice.h"
#include "apps/language/run.h"
#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

LanguageRun::LanguageRun(const PretrainCommand& command) : options(command.options) {
  prepare(command.config);
  objective = objective_from_name(options.objective);
  open_text();
  build_model();
  build_loaders();
  identify();
  open(loader->batches_per_epoch());
}

void LanguageRun::open_text() {
  tokenizer = open_tokenizer(options.tokenizer);
  // Absent after a run that was stopped before its first save: open() says so.
  if (resumed() && std::filesystem::is_directory(resume_from())) {
    require_same_tokenizer(resume_from(), *tokenizer, "--tokenizer " + options.tokenizer);
  }
  CorpusOptions corpus;
  corpus.val_fraction = options.val_fraction;
  corpus.check_stop = throw_if_stopped;
  data = open_corpus(options.text, options.val_text, *tokenizer, corpus);
}

void LanguageRun::build_model() {
  config = choose_language_model(options.model);
  fit_to_tokenizer(config, *tokenizer, objective, options.model.vocab_size);
  if (execution.precision == fused::Precision::kBf16) require_bf16_fits(config);
  model = std::make_unique<LanguageModel>(config, dtype, options.seed);
  // A resumed run's weights come from its checkpoint.
  if (!options.init.empty() && !resumed()) {
    for (const std::string& line : initialise_language(*model, *tokenizer, options.init)) {
      note(line);
    }
    note(fmt::format("weights taken from {}", options.init));
    identity.weights = options.init;
  }
}

void LanguageRun::build_loaders() {
  TextBatchOptions batches;
  batches.objective = objective;
  batches.tokens = config.block.tokens;
  batches.batch_size = options.batch_size;
  batches.seed = options.seed;
  batches.shuffle = !options.no_shuffle;
  batches.special = tokenizer->special();
  batches.vocab = tokenizer->vocab();
  loader = std::make_unique<TextLoader>(data.train, batches);
  const int64_t windows = loader->batch(0, 0).batch;
  if (windows < options.batch_size) {
    fail_input(
        "--batch-size {}: the {} training tokens are only {} windows of {}; use a smaller one, "
        "more text or a shorter --seq-len",
        options.batch_size, data.train.size(), windows, config.block.tokens);
  }
  val_loader =
      std::make_unique<TextLoader>(validation_loader(data.val, *tokenizer, config, objective));
}

void LanguageRun::identify() {
  identity.command = "gmlp-language pretrain";
  identity.kind = "language";
  identity.model = config.name;
  identity.data = data.name;
  identity.samples = "windows";
  identity.metric = "val_perplexity";
  identity.unit = "tokens";
  identity.units = config.block.tokens;
  identity.parameters = config.parameter_count();
  const double scored = objective == Objective::kMasked ? TextBatchOptions{}.mask_share : 1;
  identity.forward_flops = config.forward_flops(scored);
  identity.figures =
      config.arch == Arch::kGmlp ? "results.svg, filters.png, filters.svg" : "results.svg";
}

void LanguageRun::describe_model(CheckpointContent& content) const {
  const nlohmann::ordered_json extra = {{"objective", objective_name(objective)},
                                        {"tokenizer", tokenizer->kind()}};
  content.config = language_config_to_json(config, json_line(extra));
  content.others.push_back({tokenizer->file_name(), tokenizer->file_bytes()});
}

}  // namespace gmlp
