#pragma once
// Learning-rate schedules: a linear warm-up, then a decay.
//
//   step < warmup   lr (step + 1) / warmup
//   cosine          min_lr + (lr - min_lr) (1 + cos(π t)) / 2,  t = (step - warmup) / (total -
//   warmup) linear          lr + (min_lr - lr) t constant        lr

#include <cstdint>
#include <string>

namespace gmlp {

enum class Decay : uint8_t { kCosine, kLinear, kConstant };
Decay decay_from_name(const std::string& name);  ///< cosine, linear, constant; else InputError

/// Linear warm-up from 0 to `lr` over `warmup_steps`, then from `lr` to `min_lr` at `total_steps`.
struct Schedule {
  Decay decay = Decay::kCosine;
  double lr = 1e-3;
  double min_lr = 0;
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;
  /// The learning rate of step `step`, which counts from 0.
  double at(int64_t step) const;
};

}  // namespace gmlp
