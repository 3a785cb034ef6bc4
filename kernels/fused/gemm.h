#pragma once
// The matrix product inside every fused kernel: C (m,n) = A (m,k) B (k,n).
//
//   register tile   kTileRows x 16 of C stays in registers over a block of k
//   k block         kDepth of k: one panel of B, kDepth x 16, stays in the L1 cache
//   panel of B      16 columns, packed [k][16], padded with zeros: read once per row tile, in order
//   A               as it is, row-major (a tile reads kTileRows rows side by side), or packed
//                   [k][kTileRows] where the product wants a transpose
//
// For each k block, each panel, each row tile: multiply. After the last k block the tile goes
// through an epilogue (bias, GELU, gate, residual), before that it waits in C. Each element of C is
// the same chain of operations wherever it stands and however the work is cut: that is why bits
// depend neither on the batch nor on the threads.

#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kPanel = 16;
constexpr int64_t kDepth = 256;

GMLP_INLINE int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
GMLP_INLINE int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
GMLP_INLINE int64_t panels_of(int64_t n) {
  return ceil_div(n, kPanel);
}
GMLP_INLINE int64_t tiles_of(int64_t m) {
  return ceil_div(m, kTileRows);
}
/// Floats of a packed B (k,n), and of a packed A (m,k).
GMLP_INLINE int64_t packed_b_size(int64_t k, int64_t n) {
  return k * panels_of(n) * kPanel;
}
GMLP_INLINE int64_t packed_a_size(int64_t m, int64_t k) {
  return k * tiles_of(m) * kTileRows;
}
/// Where the panel of a k block starts: [k block][panel][k][16].
GMLP_INLINE int64_t panel_offset(int64_t k0, int64_t depth, int64_t panel, int64_t n) {
  return k0 * panels_of(n) * kPanel + panel * depth * kPanel;
}

/// One k block of one panel of B (k,n), row-major with `stride`: rows k0.. of columns 16 panel..
GMLP_INLINE void pack_panel(float* out, const float* b, int64_t stride, int64_t k0, int64_t depth,
                            int64_t panel, int64_t n) {
  const int64_t cols = smaller(kPanel, n - panel * kPanel);
  const float* in = b + k0 * stride + panel * kPanel;
  if (cols == kPanel) {
    for (int64_t k = 0; k < depth; ++k) store(out + k * kPanel, load(in + k * stride));
  } else {
    for (int64_t k = 0; k < depth; ++k) store(out + k * kPanel, load(in + k * stride, cols));
  }
}

/// The same from Bᵀ (n,k), row-major with `stride`.
GMLP_INLINE void pack_panel_transposed(float* out, const float* bt, int64_t stride, int64_t k0,
                                       int64_t depth, int64_t panel, int64_t n) {
  const int64_t cols = smaller(kPanel, n - panel * kPanel);
  const float* in = bt + panel * kPanel * stride + k0;
  int64_t k = 0;
  if (cols == kPanel) {
    for (; k + 8 <= depth; k += 8) {
      transpose8(out + k * kPanel, kPanel, in + k, stride);
      transpose8(out + k * kPanel + 8, kPanel, in + 8 * stride + k, stride);
    }
  }
  for (; k < depth; ++k) {
    for (int64_t j = 0; j < kPanel; ++j) out[k * kPanel + j] = j < cols ? in[j * stride + k] : 0.0f;
  }
}

/// One k block of row tiles [t0, t1) of A, given as Aᵀ (k,m), row-major: out [tile][k][kTileRows].
GMLP_INLINE void pack_tiles_transposed(float* out, const float* at, int64_t stride, int64_t k0,
                                       int64_t depth, int64_t t0, int64_t t1, int64_t m) {
  for (int64_t t = t0; t < t1; ++t) {
    const int64_t rows = smaller(kTileRows, m - t * kTileRows);
    float* tile = out + (t - t0) * depth * kTileRows;
    for (int64_t k = 0; k < depth; ++k) {
      const float* in = at + (k0 + k) * stride + t * kTileRows;
      float* place = tile + k * kTileRows;
      if (rows == kTileRows) {
        __builtin_memcpy(place, in, kTileRows * sizeof(float));  // of constant size: two moves
      } else {
        for (int64_t i = 0; i < kTileRows; ++i) place[i] = i < rows ? in[i] : 0.0f;
      }
    }
  }
}

/// All of B packed by all threads; `transposed`: b is Bᵀ (n,k).
GMLP_INLINE void pack_b(float* out, const float* b, int64_t stride, int64_t k, int64_t n,
                        bool transposed) {
  const int64_t panels = panels_of(n);
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t chunk = 0; chunk < ceil_div(k, kDepth) * panels; ++chunk) {
    const int64_t k0 = chunk / panels * kDepth;
    const int64_t panel = chunk % panels;
    const int64_t depth = smaller(kDepth, k - k0);
    float* place = out + panel_offset(k0, depth, panel, n);
    if (transposed) {
      pack_panel_transposed(place, b, stride, k0, depth, panel, n);
    } else {
      pack_panel(place, b, stride, k0, depth, panel, n);
    }
  }
}

struct Tile {
  V16 c[kTileRows];
};

/// c += A B over one k block; rows of A beyond the matrix repeat its last, and are never stored.
GMLP_INLINE void multiply_rows(Tile& tile, const float* a, int64_t stride, int64_t rows,
                               const float* b, int64_t depth) {
  const float* row[kTileRows];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTileRows; ++i) row[i] = a + (i < rows ? i : rows - 1) * stride;
  V16 c[kTileRows];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTileRows; ++i) c[i] = tile.c[i];
  for (int64_t k = 0; k < depth; ++k) {
    const V16 b_k = load(b + k * kPanel);
#pragma GCC unroll 16
    for (int64_t i = 0; i < kTileRows; ++i) c[i] = fma(set1(row[i][k]), b_k, c[i]);
  }
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTileRows; ++i) tile.c[i] = c[i];
}

GMLP_INLINE void multiply_packed(Tile& tile, const float* a, const float* b, int64_t depth) {
  V16 c[kTileRows];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTileRows; ++i) c[i] = tile.c[i];
  for (int64_t k = 0; k < depth; ++k) {
    const V16 b_k = load(b + k * kPanel);
#pragma GCC unroll 16
    for (int64_t i = 0; i < kTileRows; ++i) c[i] = fma(set1(a[k * kTileRows + i]), b_k, c[i]);
  }
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTileRows; ++i) tile.c[i] = c[i];
}

GMLP_INLINE void load_tile(Tile& tile, const float* c, int64_t stride, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < kTileRows; ++i) {
    tile.c[i] = i < rows ? load(c + i * stride, cols) : zero();
  }
}

GMLP_INLINE void store_tile(float* c, int64_t stride, const Tile& tile, int64_t rows,
                            int64_t cols) {
  for (int64_t i = 0; i < rows; ++i) store(c + i * stride, tile.c[i], cols);
}

/// Rows [r0, r1) of C = A B with A row-major and B packed. `c` (stride `c_stride`) holds partial
/// sums between k blocks. At the end epilogue(row, col, cols, value) is called for each row of each
/// tile: 16 (or `cols`) sums from column `col`.
template <typename Epilogue>
GMLP_INLINE void gemm_rows(float* c, int64_t c_stride, const float* a, int64_t a_stride,
                           const float* b, int64_t r0, int64_t r1, int64_t n, int64_t k,
                           const Epilogue& epilogue) {
  for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
    const int64_t depth = smaller(kDepth, k - k0);
    const bool last = k0 + depth == k;
    for (int64_t panel = 0; panel < panels_of(n); ++panel) {
      const int64_t col = panel * kPanel;
      const int64_t cols = smaller(kPanel, n - col);
      const float* b_panel = b + panel_offset(k0, depth, panel, n);
      for (int64_t row = r0; row < r1; row += kTileRows) {
        const int64_t rows = smaller(kTileRows, r1 - row);
        Tile tile;
        if (k0 == 0) {
          for (int64_t i = 0; i < kTileRows; ++i) tile.c[i] = zero();
        } else {
          load_tile(tile, c + row * c_stride + col, c_stride, rows, cols);
        }
        multiply_rows(tile, a + row * a_stride + k0, a_stride, rows, b_panel, depth);
        if (last) {
          for (int64_t i = 0; i < rows; ++i) epilogue(row + i, col, cols, tile.c[i]);
        } else {
          store_tile(c + row * c_stride + col, c_stride, tile, rows, cols);
        }
      }
    }
  }
}

/// Rows [r0, r1) of C += A B, A row-major and B packed.
GMLP_INLINE void gemm_rows_accumulate(float* c, int64_t c_stride, const float* a, int64_t a_stride,
                                      const float* b, int64_t r0, int64_t r1, int64_t n,
                                      int64_t k) {
  for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
    const int64_t depth = smaller(kDepth, k - k0);
    for (int64_t panel = 0; panel < panels_of(n); ++panel) {
      const int64_t col = panel * kPanel;
      const int64_t cols = smaller(kPanel, n - col);
      for (int64_t row = r0; row < r1; row += kTileRows) {
        const int64_t rows = smaller(kTileRows, r1 - row);
        float* place = c + row * c_stride + col;
        Tile tile;
        load_tile(tile, place, c_stride, rows, cols);
        multiply_rows(tile, a + row * a_stride + k0, a_stride, rows,
                      b + panel_offset(k0, depth, panel, n), depth);
        store_tile(place, c_stride, tile, rows, cols);
      }
    }
  }
}

// Row tiles that one task of gemm_transposed owns: a share of m that the problem fixes.
GMLP_INLINE int64_t owned_tiles(int64_t m) {
  const int64_t share = ceil_div(tiles_of(m), 12);
  return share < 16 ? share : 16;
}

/// C (m,n) += Aᵀ B with A (k,m) row-major and B (k,n) packed; `a_room` holds packed_a_size(m,
/// kDepth). Owner computes: a task owns rows of C and sums over all of k in order.
GMLP_INLINE void gemm_transposed(float* c, int64_t c_stride, const float* a, int64_t a_stride,
                                 const float* b, float* a_room, int64_t m, int64_t n, int64_t k) {
  const int64_t share = owned_tiles(m);
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t task = 0; task < ceil_div(tiles_of(m), share); ++task) {
    const int64_t t0 = task * share;
    const int64_t t1 = smaller(t0 + share, tiles_of(m));
    float* a_packed = a_room + t0 * kTileRows * kDepth;
    for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
      const int64_t depth = smaller(kDepth, k - k0);
      pack_tiles_transposed(a_packed, a, a_stride, k0, depth, t0, t1, m);
      for (int64_t panel = 0; panel < panels_of(n); ++panel) {
        const int64_t col = panel * kPanel;
        const int64_t cols = smaller(kPanel, n - col);
        for (int64_t t = t0; t < t1; ++t) {
          const int64_t rows = smaller(kTileRows, m - t * kTileRows);
          float* place = c + t * kTileRows * c_stride + col;
          Tile tile;
          load_tile(tile, place, c_stride, rows, cols);
          multiply_packed(tile, a_packed + (t - t0) * depth * kTileRows,
                          b + panel_offset(k0, depth, panel, n), depth);
          store_tile(place, c_stride, tile, rows, cols);
        }
      }
    }
  }
}

/// out[col] += sum over rows of x[row, col], rows in order; columns are shared out.
GMLP_INLINE void add_column_sums(float* out, const float* x, int64_t stride, int64_t rows,
                                 int64_t cols) {
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t panel = 0; panel < panels_of(cols); ++panel) {
    const int64_t count = smaller(kPanel, cols - panel * kPanel);
    V16 total = load(out + panel * kPanel, count);
    for (int64_t r = 0; r < rows; ++r) total = total + load(x + r * stride + panel * kPanel, count);
    store(out + panel * kPanel, total, count);
  }
}

}  // namespace gmlp::fused::GMLP_ISA
