#pragma once
// An exponential moving average of the weights, which often evaluates better than the weights
// themselves (Polyak and Juditsky 1992; timm's ModelEma).

#include <vector>

#include "autograd/tape.h"

namespace gmlp {

class Ema {
 public:
  /// Starts as a copy of the parameters' values. `decay` in [0, 1).
  Ema(const std::vector<Parameter*>& parameters, double decay);

  /// average = decay * average + (1 - decay) * value, element by element.
  void update();
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
  explicit EmaScope(Ema* ema) : ema_(ema) {
    if (ema_ != nullptr) ema_->swap();
  }
  ~EmaScope() {
    if (ema_ != nullptr) ema_->swap();
  }
  EmaScope(const EmaScope&) = delete;
  EmaScope& operator=(const EmaScope&) = delete;

 private:
  Ema* ema_;
};

}  // namespace gmlp
