#pragma once
// gmlp-language pretrain.

#include "apps/language/options.h"
#include "apps/train/trainer.h"
#include "models/language.h"

namespace gmlp {

/// Pretrains and returns the exit status. `hooks` are for tests.
int pretrain(const PretrainCommand& command, const Trainer::Hooks& hooks = {});

/// Describes the model, of which `scored_share` of the positions are scored.
void describe_language_model(const LanguageConfig& config, double scored_share, TaskInfo& info);

}  // namespace gmlp
