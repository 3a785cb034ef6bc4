#include "apps/language/tasks/task_model.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "models/checkpoint/checkpoint.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

/// "" where the folder's model was never finetuned.
std::string stored_task(const std::string& folder) {
  const Json json = parse_json(read_text(config_path(folder)), config_path(folder));
  const Json::json_pointer place("/gmlp/task");
  if (!json.contains(place) || !json.at(place).is_string()) return "";
  return json.at(place).get<std::string>();
}

/// The weights may be another head's, where config.json was edited.
void check_head(const LanguageConfig& config, Task task, const std::string& folder) {
  const LanguageHead head = is_span_task(task) ? LanguageHead::kSpan : LanguageHead::kClassify;
  const bool fits =
      config.head == head &&
      (is_span_task(task) || config.classes == static_cast<int64_t>(task_labels(task).size()));
  if (!fits) {
    fail_input("{}/config.json: its head is not that of {}; restore the file", folder,
               task_name(task));
  }
}

}  // namespace

void fit_to_task(LanguageConfig& config, Task task) {
  if (config.block.causal) {
    fail_input(
        "--model {} is causal: its <cls>, in front, sees no other token; use a model pretrained "
        "with --objective mlm",
        config.name);
  }
  config.head = is_span_task(task) ? LanguageHead::kSpan : LanguageHead::kClassify;
  config.classes = static_cast<int64_t>(task_labels(task).size());
  config.validate();
}

std::string task_json(Task task, const Tokenizer& tokenizer) {
  Json extra = {{"objective", objective_name(Objective::kMasked)},
                {"tokenizer", tokenizer.kind()},
                {"task", task_name(task)}};
  if (!is_span_task(task)) extra["labels"] = task_labels(task);
  return json_line(extra);
}

LoadedLanguage load_task_language(const std::string& folder, Task task) {
  LoadedLanguage loaded = load_language(folder);  // has checked config.json
  const std::string stored = stored_task(folder);
  if (stored.empty()) {
    fail_input(
        "--model {}: was not finetuned on a task; run gmlp-language finetune --task {} first",
        folder, task_name(task));
  }
  if (stored != task_name(task)) {
    fail_input("--model {}: was finetuned on {}; use --task {}, or finetune it on {}", folder,
               stored, stored, task_name(task));
  }
  check_head(loaded.model->config(), task, folder);
  return loaded;
}

}  // namespace gmlp
