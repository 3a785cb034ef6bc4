#pragma once
// Parts of the kernels' table that not every version of it has. A command asks here and leaves out
// what is absent.

#include "kernels/dispatch.h"

namespace gmlp {

using Burst = double (*)(int64_t iterations);

/// Dot products of bf16 pairs on registers; nullptr where the table or the instruction set has
/// none.
template <typename Table>
Burst bf16_burst_of(const Table& table) {
  if constexpr (requires { table.bf16_burst; }) {
    return table.bf16_burst;
  } else {
    return nullptr;
  }
}

}  // namespace gmlp
