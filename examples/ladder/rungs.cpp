// One matrix product, C (m,n) = A (m,k) B (k,n), on rungs of one idea each. All of them do the same
// m n k multiply-adds. What changes is how many loads and stores each of those needs, and
// where the numbers are by then. main.cpp measures the rungs and docs/kernels.md tells what it
// finds.

#include "ladder/rungs.h"

namespace ladder::LADDER_ISA {

namespace {

// ---- 1. Three loops: i j k ----
// Each element of C is the dot product of a row of A and a column of B. Two loads per multiply-add,
// one of them from another cache line of B each time. And each addition waits for the previous one.

void three_loops(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      float total = 0;
      for (int64_t l = 0; l < k; ++l) total += a[i * k + l] * b[l * n + j];
      c[i * n + j] = total;
    }
  }
}

// ---- 2. Reordered: i k j ----
// Now the innermost loop runs along a row of B and a row of C, so the compiler vectorizes it. But
// the sums are in memory: two loads and a store per multiply-add.

void reordered(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    float* __restrict__ sums = c + i * n;
    for (int64_t j = 0; j < n; ++j) sums[j] = 0;
    for (int64_t l = 0; l < k; ++l) {
      const float* __restrict__ row = b + l * n;
      const float factor = a[i * k + l];
      for (int64_t j = 0; j < n; ++j) sums[j] += factor * row[j];
    }
  }
}

// ---- 3. Four rows of B at once ----
// A sum is loaded and stored once per four multiply-adds.

void four_rows(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    float* __restrict__ sums = c + i * n;
    for (int64_t j = 0; j < n; ++j) sums[j] = 0;
    for (int64_t l = 0; l < k; l += 4) {
      const float* __restrict__ row = b + l * n;
      const float* factors = a + i * k + l;
      const float f0 = factors[0], f1 = factors[1], f2 = factors[2], f3 = factors[3];
      for (int64_t j = 0; j < n; ++j) {
        sums[j] += f0 * row[j] + f1 * row[n + j] + f2 * row[2 * n + j] + f3 * row[3 * n + j];
      }
    }
  }
}

// ---- 4. Wider vectors ----
// The same lines, compiled for the best instruction set. From here on the vectors are in the code:
// a Vector is one register. kMR x kNRVectors, BLIS's names, is the tile of rung 6.

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kMR = 14, kNRVectors = 2;  // 28 sums in 32 registers
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kMR = 6, kNRVectors = 2;  // 12 sums in 16 registers
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16, kMR = 6, kNRVectors = 4;  // 24 sums in 32 registers
#else
constexpr int kVectorBytes = 16, kMR = 4, kNRVectors = 2;  // 8 sums in 16 registers
#endif
using Vector = float __attribute__((vector_size(kVectorBytes)));
constexpr int64_t kLanes = kVectorBytes / sizeof(float);

inline Vector load(const float* p) {
  Vector x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
inline void store(float* p, Vector x) {
  __builtin_memcpy(p, &x, sizeof x);
}

// ---- 5. The sums of a row in registers ----
// Six vectors of C stay in registers for all of k, so what is left is one load of B per
// multiply-add. Six of them are independent, which hides the latency of an addition. j is the outer
// loop now: all rows of A meet the same columns of B, which fit into L2.

void row_in_registers(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  constexpr int kVectors = 6;
  for (int64_t j = 0; j < n; j += kVectors * kLanes) {
    for (int64_t i = 0; i < m; ++i) {
      Vector sums[kVectors] = {};
      for (int64_t l = 0; l < k; ++l) {
        const float* row = b + l * n + j;
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sums[v] += a[i * k + l] * load(row + v * kLanes);
      }
      for (int v = 0; v < kVectors; ++v) store(c + i * n + j + v * kLanes, sums[v]);
    }
  }
}

// ---- 6. A register tile ----
// Several rows of A share each vector of B. A step of k now costs kNRVectors loads of B and kRows
// loads of A for kRows x kNRVectors multiply-adds, and the product is limited by arithmetic.

template <int kRows>
inline void tile(float* c, const float* a, const float* b, int64_t b_stride, int64_t n, int64_t k) {
  Vector sums[kRows][kNRVectors] = {};
  for (int64_t l = 0; l < k; ++l) {
    Vector row[kNRVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kNRVectors; ++v) row[v] = load(b + l * b_stride + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < kNRVectors; ++v) sums[i][v] += a[i * k + l] * row[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kNRVectors; ++v) store(c + i * n + v * kLanes, sums[i][v]);
  }
}

constexpr int64_t kNR = kNRVectors * kLanes;

void register_tile(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += kNR) {
    int64_t i = 0;
    for (; i + kMR <= m; i += kMR) {
      tile<kMR>(c + i * n + j, a + i * k, b + j, n, n, k);
    }
    for (; i < m; ++i) tile<1>(c + i * n + j, a + i * k, b + j, n, n, k);
  }
}

// ---- 7. Packed panels ----
// The columns of B that a tile reads are copied into a panel, where they are contiguous: no step of
// k is in another page, and however B was stored, every tile reads it in the same way.

void pack(float* packed, const float* b, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += kNR) {
    for (int64_t l = 0; l < k; ++l) {
      for (int64_t v = 0; v < kNR; ++v) *packed++ = b[l * n + j + v];
    }
  }
}

void packed_panels(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += kNR) {
    const float* panel = b + j * k;
    int64_t i = 0;
    for (; i + kMR <= m; i += kMR) {
      tile<kMR>(c + i * n + j, a + i * k, panel, kNR, n, k);
    }
    for (; i < m; ++i) tile<1>(c + i * n + j, a + i * k, panel, kNR, n, k);
  }
}

// ---- 8. Vector norm and GELU ----
// The product is fast now, so the passes around it count. The engine's kernels have vector forms of
// the norm and of GELU; the bias is one loop.

void add_bias(float* z, const float* bias, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) z[r * cols + c] += bias[c];
  }
}

// ---- 9. Fused: kernels/fused/norm_fc1_gelu.h ----
// The norm writes what the product reads, and bias and GELU are computed on a tile that has just
// been finished. That is a kernel of the engine; main.cpp calls it.

}  // namespace

const Rungs kRungs{.three_loops = three_loops,
                   .reordered = reordered,
                   .four_rows = four_rows,
                   .row_in_registers = row_in_registers,
                   .register_tile = register_tile,
                   .packed_panels = packed_panels,
                   .pack = pack,
                   .add_bias = add_bias,
                   .tile_rows = kMR,
                   .tile_columns = kNR};

}  // namespace ladder::LADDER_ISA
