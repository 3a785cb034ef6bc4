#include "autograd/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace gmlp {

Decay decay_from_name(const std::string& name) {
  if (name == "cosine") return Decay::kCosine;
  if (name == "linear") return Decay::kLinear;
  if (name == "constant") return Decay::kConstant;
  fail_input("--sched {}: no such schedule; use cosine, linear or constant", name);
}

double Schedule::at(int64_t step) const {
  if (step < warmup_steps) {
    return lr * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  const double span = static_cast<double>(std::max<int64_t>(total_steps - warmup_steps, 1));
  const double done = std::min(static_cast<double>(step - warmup_steps) / span, 1.0);
  switch (decay) {
    case Decay::kCosine:
      return min_lr + (lr - min_lr) * 0.5 * (1 + std::cos(std::numbers::pi * done));
    case Decay::kLinear:
      return lr + (min_lr - lr) * done;
    case Decay::kConstant:
      break;
  }
  return lr;
}

}  // namespace gmlp
