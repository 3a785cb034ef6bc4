#pragma once
// Finetuned models as checkpoint folders hold them: config.json's "gmlp" object says the task.

#include <string>

#include "apps/language/model_choice.h"
#include "data/tasks/task.h"

namespace gmlp {

/// Gives `config` the task's head: classes from <cls>, or two logits a token. Throws InputError for
/// a causal model, whose <cls>, in front, sees nothing.
void fit_to_task(LanguageConfig& config, Task task);

/// What config.json's "gmlp" object says beside the architecture.
std::string task_json(Task task, const Tokenizer& tokenizer);

/// load_language, for a folder that was finetuned on `task`; else InputError.
LoadedLanguage load_task_language(const std::string& folder, Task task);

}  // namespace gmlp
