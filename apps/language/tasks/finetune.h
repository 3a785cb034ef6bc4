#pragma once
// gmlp-language finetune.

#include "apps/language/tasks/task_options.h"

namespace gmlp {

/// Finetunes a pretrained model with a new head on a task, and returns the exit status.
int finetune(const FinetuneCommand& command);

}  // namespace gmlp
