#pragma once
// The rungs of `gmlp-bench ladder`: matrix products, each with one idea more than the previous one.
// Compiled once per instruction set, as the fused kernels are.

#include <cstdint>

namespace gmlp {

namespace ladder {

/// C (m,n) = A (m,k) B (k,n), all row-major. For the rungs n is a multiple of 96, k of 4.
using Multiply = void(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k);

struct Rungs {
  Multiply* dots;       // for i, for j, for k: one element of C after the other
  Multiply* rows;       // for i, for k, for j: one row of B after the other
  Multiply* four_rows;  // four rows of B at once
  Multiply* row_sums;   // six vectors of one row of C in registers
  Multiply* tile;       // a register tile of C
  Multiply* panels;     // the same, with B from pack()

  /// B (k,n) in panels; as many floats as B has.
  void (*pack)(float* packed, const float* b, int64_t n, int64_t k);
  /// Vectorized passes: z += bias, then z = gelu(z).
  void (*bias_gelu)(float* z, const float* bias, int64_t rows, int64_t cols);

  int64_t tile_rows, tile_columns;
  Multiply* eigen;  // no rung: Eigen's product on all threads, for gmlp-bench kernels
};

/// Those of the instruction set that the fused kernels use.
const Rungs& rungs_in_use();

}  // namespace ladder

// One definition per instruction set that apps/bench/CMakeLists.txt names.
namespace fused::scalar {
const ladder::Rungs& rungs();
}
namespace fused::avx2 {
const ladder::Rungs& rungs();
}
namespace fused::avx512 {
const ladder::Rungs& rungs();
}
namespace fused::neon {
const ladder::Rungs& rungs();
}

}  // namespace gmlp
