#pragma once
// How weights start. Each tensor's numbers are a function of (seed, its name), so that adding a
// layer changes no other layer's start.

#include <cstdint>
#include <string>

#include "autograd/tape.h"
#include "core/tensor.h"

namespace gmlp {

enum class Init : uint8_t {
  kZeros,
  kOnes,
  kXavierUniform,  // U(-a, a), a = sqrt(6 / (in + out)): timm's for linear layers
  kLecunNormal,    // N(0, 1 / in): timm's for the stem
  kNormal,         // N(0, std²)
};

/// A parameter with its (zero) gradient; weight decay applies from two dimensions on. For the two
/// scaled inits the first dimension is `out` and the product of the others `in`.
Parameter make_parameter(const std::string& name, const Shape& shape, DType dtype, uint64_t seed,
                         Init init, double std = 0);

}  // namespace gmlp
