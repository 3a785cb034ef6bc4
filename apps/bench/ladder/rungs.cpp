// The rungs of one instruction set, from three loops to packed panels, and Eigen's product:
// C (m,n) = A (m,k) B (k,n). The rungs differ in the number of loads per multiply-add, which
// docs/kernels.md counts.

// The macro gives each copy of Eigen a namespace of its own, so that none replaces the copy in the
// reference kernels.
#define GMLP_JOINED(a, b) a##b
#define GMLP_NAMESPACE(isa) GMLP_JOINED(eigen_, isa)
#define Eigen GMLP_NAMESPACE(GMLP_ISA)

#include "apps/bench/ladder/rungs.h"

#include <Eigen/Core>

#include "kernels/gemm/pack.h"
#include "kernels/math/gelu.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

/// Two loads per multiply-add, one of them from a new cache line of B, and every addition waits for
/// the previous one.
void dots(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      float total = 0;
      for (int64_t l = 0; l < k; ++l) total += a[i * k + l] * b[l * n + j];
      c[i * n + j] = total;
    }
  }
}

/// The compiler vectorizes the inner loop: two loads and a store per multiply-add.
void rows(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    float* __restrict__ out = c + i * n;
    for (int64_t j = 0; j < n; ++j) out[j] = 0;
    for (int64_t l = 0; l < k; ++l) {
      const float* __restrict__ row = b + l * n;
      const float factor = a[i * k + l];
      for (int64_t j = 0; j < n; ++j) out[j] += factor * row[j];
    }
  }
}

/// One load and one store of C per four multiply-adds.
void four_rows(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    float* __restrict__ out = c + i * n;
    for (int64_t j = 0; j < n; ++j) out[j] = 0;
    for (int64_t l = 0; l < k; l += 4) {
      const float* __restrict__ row = b + l * n;
      const float* factors = a + i * k + l;
      const float f0 = factors[0], f1 = factors[1], f2 = factors[2], f3 = factors[3];
      for (int64_t j = 0; j < n; ++j) {
        out[j] += f0 * row[j] + f1 * row[n + j] + f2 * row[2 * n + j] + f3 * row[3 * n + j];
      }
    }
  }
}

/// kRows x (16 kVectors) of C from as many rows of A and columns of B. The sums stay in registers,
/// so a step of k costs kVectors loads of B and kRows loads of A.
template <int kRows, int kVectors>
GMLP_INLINE void tile_of(float* c, int64_t c_stride, const float* a, int64_t a_stride,
                         const float* b, int64_t b_stride, int64_t k) {
  F32x16 sums[kRows * kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) sums[i] = zero();
  for (int64_t l = 0; l < k; ++l) {
    F32x16 b_vectors[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) b_vectors[v] = load(b + l * b_stride + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const F32x16 a_vector = set1(a[i * a_stride + l]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        sums[i * kVectors + v] = fma(a_vector, b_vectors[v], sums[i * kVectors + v]);
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) {
    store(c + i / kVectors * c_stride + i % kVectors * kLanes, sums[i]);
  }
}

/// Tiles of kRows x (16 kVectors), the remainder of m row by row. B is row-major or `packed` in
/// panels of as many columns.
template <int kRows, int kVectors, bool packed = false>
void tiles(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kColumns = kVectors * kLanes;
  const int64_t b_stride = packed ? kColumns : n;
  for (int64_t j = 0; j < n; j += kColumns) {
    const float* b_j = packed ? b + j * k : b + j;
    int64_t i = 0;
    for (; i + kRows <= m; i += kRows) {
      tile_of<kRows, kVectors>(c + i * n + j, n, a + i * k, k, b_j, b_stride, k);
    }
    for (; i < m; ++i) tile_of<1, kVectors>(c + i * n + j, n, a + i * k, k, b_j, b_stride, k);
  }
}

void pack(float* packed, const float* b, int64_t n, int64_t k) {
  pack_b<float>(PackedB{packed, k, n}, b, n, k, false);
}

void bias_gelu(float* z, const float* bias, int64_t rows, int64_t cols) {
  const int64_t n = rows * cols;
  for (int64_t r = 0; r < n; r += cols) {
    for (int64_t c = 0; c < cols; c += kLanes) store(z + r + c, load(z + r + c) + load(bias + c));
  }
  for (int64_t i = 0; i < n; i += kLanes) store(z + i, gelu<float>(load(z + i)));
}

void eigen_product(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Matrix>(c, m, n).noalias() =
      Eigen::Map<const Matrix>(a, m, k) * Eigen::Map<const Matrix>(b, k, n);
}

}  // namespace

const ladder::Rungs& rungs() {
  static constexpr ladder::Rungs kRungs{.dots = dots,
                                        .rows = rows,
                                        .four_rows = four_rows,
                                        // Six vectors of one row: enough independent chains to hide
                                        // the latency, but one load per multiply-add.
                                        .row_sums = tiles<1, 6>,
                                        .tile = tiles<kMR, kNRVectors>,
                                        .panels = tiles<kMR, kNRVectors, true>,
                                        .pack = pack,
                                        .bias_gelu = bias_gelu,
                                        .tile_rows = kMR,
                                        .tile_columns = kNR,
                                        .eigen = eigen_product};
  return kRungs;
}

}  // namespace gmlp::fused::GMLP_ISA
