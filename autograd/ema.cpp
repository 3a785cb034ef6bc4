#include "autograd/ema.h"

#include <utility>

#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

constexpr int64_t kChunk = 1 << 15;  // elements a task; by size alone, so threads change no bit

template <typename T>
void blend(const Tensor& average, const Tensor& value, double decay) {
  T* out = average.data<T>();
  const T* in = value.data<T>();
  const T keep = static_cast<T>(decay);
  const T take = static_cast<T>(1 - decay);
  parallel_ranges(average.elements(), kChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = keep * out[i] + take * in[i];
  });
}

}  // namespace

Ema::Ema(const std::vector<Parameter*>& parameters, double decay)
    : parameters_(parameters), decay_(decay) {
  for (const Parameter* parameter : parameters_) {
    const Tensor average = Tensor::zeros(parameter->value.dtype(), parameter->value.shape());
    average.copy_from(parameter->value);
    averages_.push_back(average);
  }
}

void Ema::update() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& value = parameters_[i]->value;
    if (value.dtype() == DType::kF64) {
      blend<double>(averages_[i], value, decay_);
    } else {
      require(value.dtype() == DType::kF32, "an average of weights in f32 or f64");
      blend<float>(averages_[i], value, decay_);
    }
  }
}

void Ema::swap() {
  // The handles change hands, no element is copied.
  for (size_t i = 0; i < parameters_.size(); ++i) std::swap(averages_[i], parameters_[i]->value);
}

}  // namespace gmlp
