#pragma once
// gmlp-vision train.

#include "apps/train/trainer.h"
#include "apps/vision/options.h"

namespace gmlp {

/// Trains and returns the exit status. `hooks` are for tests.
int train(const TrainCommand& command, const Trainer::Hooks& hooks = {});

}  // namespace gmlp
