#include "models/initialise.h"

#include <cmath>

#include "core/random.h"

namespace gmlp {

namespace {

/// FNV-1a, cut to the 48 bits that Random keys an epoch by.
uint64_t name_key(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash >> 16;
}

}  // namespace

Parameter make_parameter(const std::string& name, const Shape& shape, DType dtype, uint64_t seed,
                         Init init, double std) {
  Parameter parameter{name, Tensor::zeros(dtype, shape), Tensor::zeros(dtype, shape),
                      shape.rank() >= 2};
  const int64_t n = shape.elements();
  const double out = static_cast<double>(shape[0]);
  const double in = static_cast<double>(n) / out;
  Random random(seed, Purpose::kInit, name_key(name));
  const Tensor draws = Tensor::zeros(DType::kF64, shape);
  double* values = draws.data<double>();
  for (int64_t i = 0; i < n; ++i) {
    switch (init) {
      case Init::kZeros:
        break;
      case Init::kOnes:
        values[i] = 1;
        break;
      case Init::kXavierUniform: {
        const double limit = std::sqrt(6 / (in + out));
        values[i] = random.uniform(-limit, limit);
        break;
      }
      case Init::kLecunNormal:
        values[i] = random.normal() / std::sqrt(in);
        break;
      case Init::kNormal:
        values[i] = random.normal() * std;
        break;
    }
  }
  parameter.value.copy_from(draws);
  return parameter;
}

}  // namespace gmlp
