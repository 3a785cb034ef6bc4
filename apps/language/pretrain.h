#pragma once
// gmlp-language pretrain.

#include "apps/language/options.h"
#include "apps/train/trainer.h"
#include "models/language.h"

namespace gmlp {

/// Pretrains and returns the exit status. `hooks` are for tests.
int pretrain(const PretrainCommand& command, const Trainer::Hooks& hooks = {});

/// The banner's line on the model; `forward_flops` per sequence.
std::string language_model_text(const LanguageConfig& config, double forward_flops);

}  // namespace gmlp
