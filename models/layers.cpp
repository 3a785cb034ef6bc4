#include "models/layers.h"

#include <cmath>

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
  const double limit = std::sqrt(6 / (in + out));
  if (init == Init::kXavierUniform) return random.uniform(-limit, limit);
  if (init == Init::kLecunNormal) return random.normal() / std::sqrt(in);
  if (init == Init::kNormal) return random.normal() * std;
  return init == Init::kOnes ? 1 : 0;
}

/// Column `col` of position `row`. A shift by k positions is the same linear map at every position,
/// so attention learns distances sooner than from random vectors.
double sinusoid(int64_t row, int64_t col, int64_t cols, double std) {
  const double exponent = static_cast<double>(col - col % 2) / static_cast<double>(cols);
  const double angle = static_cast<double>(row) * std::pow(10000.0, -exponent);
  return std::sqrt(2.0) * std * (col % 2 == 0 ? std::sin(angle) : std::cos(angle));
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
    draws.data<double>()[i] = init == Init::kSinusoids
                                  ? sinusoid(i / shape.cols(), i % shape.cols(), shape.cols(), std)
                                  : draw(random, init, std, in, out);
  }
  all_.back()->value.copy_from(draws);
  return all_.back();
}

}  // namespace gmlp
