// The rungs of one instruction set, from three loops to packed panels: C (m,n) = A (m,k) B (k,n).
// How many loads a multiply-add costs is what tells them apart; docs/kernels.md counts them.

#include "apps/bench/ladder/rungs.h"

#include "kernels/gemm/pack.h"
#include "kernels/math/gelu.h"
#include "kernels/math/layernorm.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

/// Two loads a multiply-add, one of them from another line of B each time, and every sum waits for
/// the one before.
void dots(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      float total = 0;
      for (int64_t l = 0; l < k; ++l) total += a[i * k + l] * b[l * n + j];
      c[i * n + j] = total;
    }
  }
}

/// out[j] += factor row[j]: the compiler makes vectors of it; two loads and a store for each.
GMLP_INLINE void add_scaled(float* __restrict__ out, const float* __restrict__ row, float factor,
                            int64_t n) {
  for (int64_t j = 0; j < n; ++j) out[j] += factor * row[j];
}

/// The same of four rows of B.
GMLP_INLINE void add_four(float* __restrict__ out, const float* __restrict__ row, int64_t stride,
                          const float* __restrict__ factors, int64_t n) {
  for (int64_t j = 0; j < n; ++j) {
    out[j] += factors[0] * row[j] + factors[1] * row[stride + j] +
              factors[2] * row[2 * stride + j] + factors[3] * row[3 * stride + j];
  }
}

void rows(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) c[i * n + j] = 0;
    for (int64_t l = 0; l < k; ++l) add_scaled(c + i * n, b + l * n, a[i * k + l], n);
  }
}

/// A load and a store of C now serve four multiply-adds.
void four_rows(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) c[i * n + j] = 0;
    for (int64_t l = 0; l < k; l += 4) add_four(c + i * n, b + l * n, n, a + i * k + l, n);
  }
}

/// kRows x (16 kVectors) of C from as many rows of A and columns of B, whose rows are `b_stride`
/// apart. The sums stay in registers: a step of k costs kVectors loads of B and kRows of A.
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

/// All row tiles over some columns of B, kRows at a time; what is left of m, row by row.
template <int kRows, int kVectors>
GMLP_INLINE void columns_of(float* c, const float* a, const float* b, int64_t b_stride, int64_t m,
                            int64_t n, int64_t k) {
  int64_t i = 0;
  for (; i + kRows <= m; i += kRows)
    tile_of<kRows, kVectors>(c + i * n, n, a + i * k, k, b, b_stride, k);
  for (; i < m; ++i) tile_of<1, kVectors>(c + i * n, n, a + i * k, k, b, b_stride, k);
}

constexpr int kVectors = static_cast<int>(kNRVectors);

/// Six vectors of one row: chains enough to hide the latency, but a load for each multiply-add.
void row_sums(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += 6 * kLanes) columns_of<1, 6>(c + j, a, b + j, n, m, n, k);
}

void tile(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += kNR) {
    columns_of<kMR, kVectors>(c + j, a, b + j, n, m, n, k);
  }
}

void panels(float* c, const float* a, const float* packed, int64_t m, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += kNR) {
    columns_of<kMR, kVectors>(c + j, a, packed + j * k, kNR, m, n, k);
  }
}

void pack(float* packed, const float* b, int64_t n, int64_t k) {
  pack_b<float>(PackedB{packed, k, n}, b, n, k, false);
}

void norm(float* y, const float* x, const float* gamma, const float* beta, int64_t rows,
          int64_t cols, float eps) {
  float mean = 0;
  float rstd = 0;
  for (int64_t r = 0; r < rows; ++r) {
    normalise_together<1>(y + r * cols, cols, &mean, &rstd, x + r * cols, gamma, beta, cols, eps);
  }
}

void add_bias(float* z, const float* bias, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; c += kLanes) {
      store(z + r * cols + c, load(z + r * cols + c) + load(bias + c));
    }
  }
}

void gelu_all(float* z, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) store(z + i, gelu(load(z + i)));
}

int64_t z_row_stride(int64_t cols) {
  return row_stride<float>(cols);
}

}  // namespace

const ladder::Rungs& rungs() {
  static constexpr ladder::Rungs kRungs{dots,   rows, four_rows,   row_sums, tile,
                                        panels, pack, norm,        add_bias, gelu_all,
                                        kMR,    kNR,  z_row_stride};
  return kRungs;
}

}  // namespace gmlp::fused::GMLP_ISA
