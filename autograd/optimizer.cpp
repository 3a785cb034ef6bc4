#include "autograd/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <type_traits>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "core/profile.h"
#include "kernels/kernels.h"
#include "kernels/reference/adamw.h"

namespace gmlp {

namespace {

/// The factors of one tensor, computed in double.
template <typename T>
fused::AdamWStep<T> step_of(const AdamWOptions& options, double weight_decay, double lr,
                            double grad_scale, int64_t steps) {
  const double t = static_cast<double>(steps);
  const double sqrt_bias_correction2 = std::sqrt(1 - std::pow(options.beta2, t));
  return {.decay_factor = static_cast<T>(1 - lr * weight_decay),
          .beta1 = static_cast<T>(options.beta1),
          .beta2 = static_cast<T>(options.beta2),
          .one_minus_beta1 = static_cast<T>(1 - options.beta1),
          .one_minus_beta2 = static_cast<T>(1 - options.beta2),
          .step_size = static_cast<T>(lr / (1 - std::pow(options.beta1, t))),
          .sqrt_bias_correction2 = static_cast<T>(sqrt_bias_correction2),
          .inv_sqrt_bias_correction2 = static_cast<T>(1 / sqrt_bias_correction2),
          .eps = static_cast<T>(options.eps),
          .grad_scale = static_cast<T>(grad_scale)};
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
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = *parameters_[i];
    const double weight_decay = parameter.decay ? options_.weight_decay : 0;
    dispatch_dtype(parameter.value.dtype(), [&]<typename T>() {
      const auto update = [&](const auto& kernel) {
        kernel(parameter.value.data<T>(), m_[i].data<T>(), v_[i].data<T>(),
               parameter.grad.data<T>(), parameter.value.elements(),
               step_of<T>(options_, weight_decay, lr, grad_scale, steps_));
      };
      if constexpr (std::is_same_v<T, float>) {
        update(fused::kernels().adamw_update);
      } else {
        update(reference::adamw_update<T>);
      }
    });
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
