#include "autograd/ema.h"

#include <utility>

#include "autograd/dispatch_dtype.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

constexpr int64_t kRange = 1 << 15;  // elements per task: fixed, so threads change no bit

template <typename T>
void blend(T* average, const T* value, int64_t n, double decay) {
  const T keep = static_cast<T>(decay);
  const T add = static_cast<T>(1 - decay);
  parallel_ranges(n, kRange, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) average[i] = keep * average[i] + add * value[i];
  });
}

}  // namespace

Ema::Ema(const std::vector<Parameter*>& parameters, double decay)
    : parameters_(parameters), decay_(decay) {
  for (const Parameter* parameter : parameters_) {
    averages_.push_back(Tensor::zeros(parameter->value.dtype(), parameter->value.shape()));
    averages_.back().copy_from(parameter->value);
  }
}

void Ema::update() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& value = parameters_[i]->value;
    dispatch_dtype(value.dtype(), [&]<typename T>() {
      blend(averages_[i].data<T>(), value.data<T>(), value.elements(), decay_);
    });
  }
}

void Ema::swap() {
  for (size_t i = 0; i < parameters_.size(); ++i) std::swap(averages_[i], parameters_[i]->value);
}

}  // namespace gmlp
