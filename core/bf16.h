#pragma once
// bf16 as a storage type. A separate header without function bodies, so that sources compiled once
// per ISA can include it.

#include <cstdint>

namespace gmlp {

/// The upper half of an f32, kept as its 16 bits.
struct Bf16 {
  uint16_t bits;
};

}  // namespace gmlp
