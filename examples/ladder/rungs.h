#pragma once
// Six ways to multiply two matrices, which make seven rungs, and the passes around the product.
// rungs.cpp is compiled once per instruction set, each time into a namespace of its own.

#include <cstdint>

namespace ladder {

/// C (m,n) = A (m,k) B (k,n), row-major. n is a multiple of 96, k of 4.
using Product = void(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k);

struct Rungs {
  Product* three_loops;
  Product* reordered;
  Product* four_rows;
  Product* row_in_registers;
  Product* register_tile;
  Product* packed_panels;  // B as pack() writes it

  void (*pack)(float* packed, const float* b, int64_t n, int64_t k);
  /// Adds the bias (cols) to each row of z.
  void (*add_bias)(float* z, const float* bias, int64_t rows, int64_t cols);
  int64_t tile_rows, tile_columns;
};

// The instruction sets of examples/CMakeLists.txt. "baseline" is what every such processor has:
// SSE2, or NEON.
namespace baseline {
extern const Rungs kRungs;
}
namespace avx2 {
extern const Rungs kRungs;
}
namespace avx512 {
extern const Rungs kRungs;
}

}  // namespace ladder
