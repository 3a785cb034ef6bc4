#include "apps/language/tasks/task_model.h"

#include <nlohmann/json.hpp>

#include "apps/cli/signals.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
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

}  // namespace gmlp
