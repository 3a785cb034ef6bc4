#pragma once
// gmlp-language finetune.

#include <memory>

#include "apps/language/tasks/task_options.h"
#include "apps/train/trainer.h"

namespace gmlp {

/// A task's examples and a pretrained model with a new head. Checks its input and writes nothing.
std::unique_ptr<TrainingTask> make_finetune_task(const FinetuneOptions& options);

/// Finetunes once, or --runs times in one folder, and returns the exit status.
int finetune(const FinetuneCommand& command);

}  // namespace gmlp
