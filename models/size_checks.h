#pragma once
// What every configuration of a model is held against before anything is computed from it.

#include <cmath>
#include <cstdint>
#include <initializer_list>

#include "core/error.h"

namespace gmlp {

/// Throws InputError where `value`, which the user knows as `what`, cannot be a size.
inline void check_positive(int64_t value, const char* what) {
  if (value < 1) fail_input("{} is {}; it must be at least 1", what, value);
  if (value > (1 << 24)) {
    fail_input("{} is {}; that is more than this program handles", what, value);
  }
}

/// Throws InputError where sizes that are each possible multiply to 2^bits or more: beyond any
/// memory, and so far below 2^63 that what is counted from them (bytes, moments, a batch) fits.
inline void check_product(std::initializer_list<int64_t> sizes, int bits, const char* what) {
  double product = 1;
  for (const int64_t size : sizes) product *= static_cast<double>(size);
  if (product >= std::ldexp(1, bits)) {
    fail_input("{} would be {:.2g} numbers, more than this program handles; choose smaller sizes",
               what, product);
  }
}
constexpr int kParameterBits = 40;
constexpr int kActivationBits = 33;  // of one sample

}  // namespace gmlp
