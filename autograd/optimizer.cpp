#include "autograd/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "core/profile.h"
#include "kernels/kernels.h"
#include "kernels/reference/adamw.h"

namespace gmlp {

namespace {

/// On the instruction set's kernel in f32, on the reference kernel in f64.
void update(const Parameter& parameter, const Tensor& m, const Tensor& v,
            const reference::AdamWStep& step) {
  const int64_t n = parameter.value.elements();
  if (parameter.value.dtype() == DType::kF64) {
    reference::adamw_update(parameter.value.data<double>(), m.data<double>(), v.data<double>(),
                            parameter.grad.data<double>(), n, step);
    parameter.grad.fill(0);
    return;
  }
  fused::kernels().adamw_update(parameter.value.data<float>(), m.data<float>(), v.data<float>(),
                                parameter.grad.data<float>(), n, step);
}

std::vector<Tensor> zeros_like(const std::vector<Parameter*>& parameters) {
  std::vector<Tensor> tensors;
  tensors.reserve(parameters.size());
  for (const Parameter* parameter : parameters) {
    tensors.push_back(Tensor::zeros(parameter->value.dtype(), parameter->value.shape()));
  }
  return tensors;
}

}  // namespace

double global_gradient_norm(const std::vector<Parameter*>& parameters) {
  // Each task is a whole tensor, and the sums are added in the parameters' order.
  std::vector<double> squares(parameters.size(), 0);
  parallel_for(static_cast<int64_t>(parameters.size()), [&](int64_t i) {
    const Parameter& parameter = *parameters[static_cast<size_t>(i)];
    dispatch_dtype(parameter.grad.dtype(), [&]<typename T>() {
      squares[static_cast<size_t>(i)] =
          reference::sum_of_squares(parameter.grad.data<T>(), parameter.grad.elements());
    });
  });
  profile_mark("gradient norm");
  return std::sqrt(std::accumulate(squares.begin(), squares.end(), 0.0));
}

void zero_gradients(const std::vector<Parameter*>& parameters) {
  parallel_for(static_cast<int64_t>(parameters.size()),
               [&](int64_t i) { parameters[static_cast<size_t>(i)]->grad.fill(0); });
  profile_mark("zero gradients");
}

const Choices<Decay> kDecays{"--sched", "schedule", {"cosine", "linear", "constant"}};

double Schedule::at(int64_t step) const {
  if (step < warmup_steps) {
    return lr * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  const double span = static_cast<double>(std::max<int64_t>(total_steps - warmup_steps, 1));
  const double done = std::min(static_cast<double>(step - warmup_steps) / span, 1.0);
  if (decay == Decay::kConstant) return lr;
  if (decay == Decay::kLinear) return lr + (min_lr - lr) * done;
  return min_lr + (lr - min_lr) * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

AdamW::AdamW(std::vector<Parameter*> parameters, const AdamWOptions& options)
    : parameters_(std::move(parameters)),
      options_(options),
      m_(zeros_like(parameters_)),
      v_(zeros_like(parameters_)) {}

void AdamW::step(double lr, double grad_scale) {
  ++steps_;
  const double steps = static_cast<double>(steps_);
  reference::AdamWStep step{.lr = lr,
                            .beta1 = options_.beta1,
                            .beta2 = options_.beta2,
                            .eps = options_.eps,
                            .weight_decay = 0,  // set per tensor
                            .grad_scale = grad_scale,
                            .bias_correction1 = 1 - std::pow(options_.beta1, steps),
                            .bias_correction2 = 1 - std::pow(options_.beta2, steps)};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = *parameters_[i];
    step.weight_decay = parameter.decay ? options_.weight_decay : 0;
    update(parameter, m_[i], v_[i], step);
  }
  profile_mark("AdamW");
}

Ema::Ema(const std::vector<Parameter*>& parameters, double decay)
    : parameters_(parameters), averages_(zeros_like(parameters)), decay_(decay) {
  for (size_t i = 0; i < parameters.size(); ++i) averages_[i].copy_from(parameters[i]->value);
}

void Ema::update(int64_t steps) {
  const double t = static_cast<double>(steps);
  const double decay = std::min(decay_, (1 + t) / (10 + t));
  constexpr int64_t kRange = 1 << 15;  // elements per task: fixed, so threads change no bit
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& value = parameters_[i]->value;
    dispatch_dtype(value.dtype(), [&]<typename T>() {
      const T* from = value.data<T>();
      T* average = averages_[i].data<T>();
      const T share = static_cast<T>(1 - decay);
      parallel_ranges(value.elements(), kRange, [&](int64_t begin, int64_t end) {
        for (int64_t j = begin; j < end; ++j) average[j] += share * (from[j] - average[j]);
      });
    });
  }
}

void Ema::swap() {
  for (size_t i = 0; i < parameters_.size(); ++i) std::swap(averages_[i], parameters_[i]->value);
}

}  // namespace gmlp
