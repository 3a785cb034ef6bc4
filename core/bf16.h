#pragma once
// bf16 as a storage type. On its own so that the kernels can include it: nothing here is a function
// with a body.

#include <cstdint>

namespace gmlp {

/// The upper half of an f32, kept as its 16 bits.
struct Bf16 {
  uint16_t bits;
};

}  // namespace gmlp
