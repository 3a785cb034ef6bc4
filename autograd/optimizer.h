#pragma once
// AdamW (Loshchilov and Hutter 2019) and the global gradient norm. kernels/reference/adamw.cpp has
// the formulas.

#include <cstdint>
#include <vector>

#include "autograd/tape.h"

namespace gmlp {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-6;  // the paper's; added after the square root of the bias-corrected v
  double weight_decay = 0.05;
};

class AdamW {
 public:
  AdamW(std::vector<Parameter*> parameters, const AdamWOptions& options);

  /// Updates every parameter with its gradient times `grad_scale` (of clipping and accumulation),
  /// then zeroes the gradient. `lr` is the learning rate of this step.
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

/// The Euclidean norm over all gradients, in double, summed in a fixed order; inf or NaN if any is.
double global_gradient_norm(const std::vector<Parameter*>& parameters);

void zero_gradients(const std::vector<Parameter*>& parameters);

}  // namespace gmlp
