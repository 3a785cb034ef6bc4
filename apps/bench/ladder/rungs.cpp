// The rungs of one instruction set, from three loops to packed panels: C (m,n) = A (m,k) B (k,n).
// How many loads a multiply-add costs is what tells them apart; docs/kernels.md counts them.

#include "apps/bench/ladder/rungs.h"

#include "kernels/fused/layernorm.h"
#include "kernels/fused/vector_math.h"

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

void rows(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) c[i * n + j] = 0;
    for (int64_t l = 0; l < k; ++l) add_scaled(c + i * n, b + l * n, a[i * k + l], n);
  }
}

void blocked(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kDeep = 32;  // of B, 32 x 128 floats: half of an L1 cache of 32 KB
  constexpr int64_t kWide = 128;
  for (int64_t i = 0; i < m * n; ++i) c[i] = 0;
  for (int64_t l0 = 0; l0 < k; l0 += kDeep) {
    for (int64_t j0 = 0; j0 < n; j0 += kWide) {
      const int64_t width = smaller(kWide, n - j0);
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t l = l0; l < smaller(l0 + kDeep, k); ++l) {
          add_scaled(c + i * n + j0, b + l * n + j0, a[i * k + l], width);
        }
      }
    }
  }
}

/// kRows x kPanel of C from kRows rows of A and a panel of B whose rows are `b_stride` apart. The
/// sums stay in registers: a word of k costs kTileVectors loads of B and kRows of A.
template <int kRows>
GMLP_INLINE void tile_of(float* c, int64_t c_stride, const float* a, int64_t a_stride,
                         const float* b, int64_t b_stride, int64_t k) {
  constexpr int kVectors = static_cast<int>(kTileVectors);
  V16 sums[kRows * kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) sums[i] = zero();
  for (int64_t l = 0; l < k; ++l) {
    V16 b_word[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) b_word[v] = load(b + l * b_stride + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V16 a_word = set1(a[i * a_stride + l]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        sums[i * kVectors + v] = fma(a_word, b_word[v], sums[i * kVectors + v]);
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) {
    store(c + i / kVectors * c_stride + i % kVectors * kLanes, sums[i]);
  }
}

/// All row tiles of one panel, kRows at a time; what is left of m, row by row.
template <int kRows>
GMLP_INLINE void panel_of(float* c, const float* a, const float* b, int64_t b_stride, int64_t m,
                          int64_t n, int64_t k) {
  int64_t i = 0;
  for (; i + kRows <= m; i += kRows) tile_of<kRows>(c + i * n, n, a + i * k, k, b, b_stride, k);
  for (; i < m; ++i) tile_of<1>(c + i * n, n, a + i * k, k, b, b_stride, k);
}

void row_sums(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += kPanel) panel_of<1>(c + j, a, b + j, n, m, n, k);
}

void tile(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += kPanel) panel_of<kTileRows>(c + j, a, b + j, n, m, n, k);
}

void panels(float* c, const float* a, const float* packed, int64_t m, int64_t n, int64_t k) {
  for (int64_t j = 0; j < n; j += kPanel) {
    panel_of<kTileRows>(c + j, a, packed + j * k, kPanel, m, n, k);
  }
}

void pack(float* packed, const float* b, int64_t n, int64_t k) {
  pack_b<float>(PackedB{packed, k, n, kUnblocked}, b, n, k, false);
}

void norm(float* y, const float* x, const float* gamma, const float* beta, int64_t rows,
          int64_t cols, float eps) {
  for (int64_t r = 0; r < rows; ++r) {
    const RowStats stats = row_stats(x + r * cols, cols, eps);
    normalise_row(y + r * cols, x + r * cols, stats, gamma, beta, cols);
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

int64_t row_stride(int64_t cols) {
  return stride_of<float>(cols);
}

}  // namespace

const ladder::Rungs& rungs() {
  static constexpr ladder::Rungs kRungs{dots,      rows,   blocked,   row_sums, tile,
                                        panels,    pack,   norm,      add_bias, gelu_all,
                                        kTileRows, kPanel, row_stride};
  return kRungs;
}

}  // namespace gmlp::fused::GMLP_ISA
