#pragma once
// The update of the weights after a backward: the gradients' norm, the learning rate of the step,
// AdamW (Loshchilov and Hutter 2019), and an average of the weights. kernels/reference/adamw.h has
// AdamW's formulas.

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/tape.h"

namespace gmlp {

/// The Euclidean norm over all gradients, in double, summed in a fixed order; inf or NaN if any is.
double global_gradient_norm(const std::vector<Parameter*>& parameters);

void zero_gradients(const std::vector<Parameter*>& parameters);

enum class Decay : uint8_t { kCosine, kLinear, kConstant };
inline const Choices<Decay> kDecays{"--sched", "schedule", {"cosine", "linear", "constant"}};

/// A learning rate: linear warm-up to `lr` over `warmup_steps`, then a decay from `lr` to
/// `min_lr` at `total_steps`. With t = (step - warmup) / (total - warmup):
///
///   step < warmup   lr (step + 1) / warmup
///   cosine          min_lr + (lr - min_lr) (1 + cos(π t)) / 2
///   linear          lr + (min_lr - lr) t
///   constant        lr
struct Schedule {
  Decay decay = Decay::kCosine;
  double lr = 1e-3;
  double min_lr = 0;
  int64_t warmup_steps = 0;
  int64_t total_steps = 1;
  /// The learning rate of step `step`, which counts from 0.
  double at(int64_t step) const;
};

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-6;  // the paper's; added after the square root of the bias-corrected v
  double weight_decay = 0.05;
};

class AdamW {
 public:
  AdamW(std::vector<Parameter*> parameters, const AdamWOptions& options);

  /// Updates every parameter with its gradient times `grad_scale` (of clipping), then zeroes the
  /// gradient. `lr` is the learning rate of this step.
  void step(double lr, double grad_scale);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  /// The moments, in the parameters' order, to be saved and restored.
  const std::vector<Tensor>& first_moments() const { return m_; }
  const std::vector<Tensor>& second_moments() const { return v_; }

 private:
  std::vector<Parameter*> parameters_;
  AdamWOptions options_;
  std::vector<Tensor> m_;
  std::vector<Tensor> v_;
  int64_t steps_ = 0;
};

/// An exponential moving average of the weights, which often evaluates better than the weights
/// themselves (Polyak and Juditsky 1992; timm's ModelEma).
class Ema {
 public:
  /// Starts as a copy of the parameters' values. `decay` in [0, 1).
  Ema(const std::vector<Parameter*>& parameters, double decay);

  /// average += (1 - d) (value - average), element by element, after update `steps` of the run. The
  /// warm-up d = min(decay, (1 + steps) / (10 + steps)) forgets the initial weights in short runs.
  void update(int64_t steps);
  /// Exchanges averages and values; twice is no change. See EmaScope.
  void swap();
  /// In the parameters' order, to be saved and restored.
  const std::vector<Tensor>& averages() const { return averages_; }

 private:
  std::vector<Parameter*> parameters_;
  std::vector<Tensor> averages_;
  double decay_;
};

/// During its lifetime the model computes with the averages. A null `ema` does nothing.
class EmaScope {
 public:
  explicit EmaScope(Ema* ema) : ema_(ema) { swap(); }
  ~EmaScope() { swap(); }
  EmaScope(const EmaScope&) = delete;
  EmaScope& operator=(const EmaScope&) = delete;

 private:
  void swap() {
    if (ema_ != nullptr) ema_->swap();
  }
  Ema* ema_;
};

}  // namespace gmlp
