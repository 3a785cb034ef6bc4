#include "models/layers.h"

#include <cmath>

#include "autograd/ops.h"
#include "core/random.h"

namespace gmlp {

namespace {

/// FNV-1a, cut to the 48 bits that key a stream of Random.
uint64_t name_key(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash >> 16;
}

/// One number of a tensor of fan `in` and `out`.
double draw(Random& random, Init init, double std, double in, double out) {
  switch (init) {
    case Init::kZeros:
      return 0;
    case Init::kOnes:
      return 1;
    case Init::kXavierUniform: {
      const double limit = std::sqrt(6 / (in + out));
      return random.uniform(-limit, limit);
    }
    case Init::kLecunNormal:
      return random.normal() / std::sqrt(in);
    case Init::kNormal:
      return random.normal() * std;
  }
  return 0;
}

}  // namespace

Parameter* ParameterList::add(const std::string& name, const Shape& shape, Init init, double std) {
  const bool meta = storage_ == Storage::kMeta;
  const auto tensor = [&] {
    return meta ? Tensor::meta(dtype_, shape) : Tensor::zeros(dtype_, shape);
  };
  parameters_.push_back({name, tensor(), tensor(), shape.rank() >= 2});
  all_.push_back(&parameters_.back());
  if (meta) return all_.back();
  const double out = static_cast<double>(shape[0]);
  const double in = static_cast<double>(shape.elements()) / out;
  Random random(seed_, Purpose::kInit, name_key(name));
  const Tensor draws = Tensor::zeros(DType::kF64, shape);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    draws.data<double>()[i] = draw(random, init, std, in, out);
  }
  all_.back()->value.copy_from(draws);
  return all_.back();
}

Linear::Linear(ParameterList& list, const std::string& name, const Shape& shape, Init init,
               double std)
    : weight(list.add(name + "weight", shape, init, std)),
      bias(list.add(name + "bias", {shape[0]}, Init::kZeros)) {}

Var Linear::operator()(Tape& tape, Var x) const {
  return linear(tape, x, *weight, bias);
}

LayerNorm::LayerNorm(ParameterList& list, const std::string& name, int64_t width, double epsilon)
    : weight(list.add(name + "weight", {width}, Init::kOnes)),
      bias(list.add(name + "bias", {width}, Init::kZeros)),
      eps(epsilon) {}

Var LayerNorm::operator()(Tape& tape, Var x) const {
  return layernorm(tape, x, *weight, *bias, eps);
}

}  // namespace gmlp
