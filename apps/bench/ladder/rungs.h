#pragma once
// The rungs of `gmlp-bench ladder`: one product after the other, each with one idea more than the
// one before. Compiled once per instruction set, as the fused kernels are.

#include <cstdint>

namespace gmlp::ladder {

/// C (m,n) = A (m,k) B (k,n), all row-major, on one thread; n a multiple of 96, k of 4.
using Multiply = void (*)(float* c, const float* a, const float* b, int64_t m, int64_t n,
                          int64_t k);

struct Rungs {
  Multiply dots;       // for i, for j, for k: an element of C after the other
  Multiply rows;       // for i, for k, for j: a row of B after the other
  Multiply four_rows;  // four rows of B at once
  Multiply row_sums;   // six vectors of one row of C in registers
  Multiply tile;       // a register tile of C
  Multiply panels;     // the same; B comes from pack()

  /// B (k,n) in panels, as many floats as B has.
  void (*pack)(float* packed, const float* b, int64_t n, int64_t k);
  /// y = layernorm(x), rows of `cols`, and z += bias, then z = gelu(z): passes on vectors.
  void (*norm)(float* y, const float* x, const float* gamma, const float* beta, int64_t rows,
               int64_t cols, float eps);
  void (*bias)(float* z, const float* bias, int64_t rows, int64_t cols);
  void (*gelu)(float* z, int64_t n);

  int64_t tile_rows;
  int64_t panel;                        // columns
  int64_t (*row_stride)(int64_t cols);  // of z in the fused kernel
};

/// Those of the instruction set of that name, as fused::kernels().isa gives it. Products are of
/// f32, so avx512bf16 has those of avx512.
const Rungs& rungs_of(const char* isa);

}  // namespace gmlp::ladder
