#pragma once
// Overflow-checked arithmetic for every size that comes from a file.

#include <cstdint>
#include <string_view>

#include "core/error.h"

namespace gmlp {

/// a * b; throws InputError naming `what` when either is negative or the product overflows.
inline int64_t checked_mul(int64_t a, int64_t b, std::string_view what) {
  int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) {
    fail_input("{}: a size of {} x {} overflows; the file is damaged", what, a, b);
  }
  return product;
}

/// a + b; throws InputError naming `what` when either is negative or the sum overflows.
inline int64_t checked_add(int64_t a, int64_t b, std::string_view what) {
  int64_t sum = 0;
  if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &sum)) {
    fail_input("{}: a size of {} + {} overflows; the file is damaged", what, a, b);
  }
  return sum;
}

}  // namespace gmlp
