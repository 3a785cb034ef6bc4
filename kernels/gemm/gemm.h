#pragma once
// The matrix product inside every fused kernel: C (m,n) = A (m,k) B (k,n), on operands T of f32 or
// bf16, with sums in f32.
//
//   register tile   kMR x kNR of C stays in registers over all of k
//   B               packed panels (pack.h): all row tiles in turn read one from L1 or L2
//   A               as it is, row-major: a tile reads kMR rows side by side, a word of each
//                   at a time, broadcast; or packed tiles where the product wants a transpose
//
// For each panel, each row tile: multiply; then the tile goes through an epilogue (bias, GELU,
// gate, residual). k is not cut but in gemm_transposed, whose packed A has to fit: a panel that L1
// cannot hold comes from L2 faster than sums would come back from C. Each element of C is the same
// chain of operations wherever it stands and however the work is cut: that is why bits depend
// neither on the batch nor on the threads.

#include "kernels/gemm/microkernel.h"

namespace gmlp::fused::GMLP_ISA {

/// Where A may differ from zero: everywhere, or on one side of its diagonal (a causal W, and Wᵀ).
enum class Triangle : uint8_t { kNone, kLower, kUpper };
/// The elements of k that rows [row, row + rows) of A have to be multiplied over.
struct DepthRange {
  int64_t begin;
  int64_t end;
};
GMLP_INLINE DepthRange depth_range(Triangle triangle, int64_t row, int64_t rows, int64_t k) {
  if (triangle == Triangle::kLower) return {0, min(row + rows, k)};
  if (triangle == Triangle::kUpper) return {row, k};
  return {0, k};
}

/// A (m,k) as gemm_rows reads it: from some row and word of k on.
template <typename T>
struct RowMajor {
  static constexpr bool kPacked = false;
  using Element = T;
  const T* data;
  int64_t stride;
  __attribute__((always_inline)) const T* at(int64_t row, int64_t word) const {
    return data + row * stride + word * Operand<T>::kPerWord;
  }
  __attribute__((always_inline)) int64_t row_stride() const { return stride; }
};
/// The same in tiles (pack_weight_tiles), a word's rows side by side: one stream in place of
/// kMR. `row` is a tile's first.
template <typename T>
struct Tiles {
  static constexpr bool kPacked = true;
  using Element = T;
  float* data;
  int64_t words;
  __attribute__((always_inline)) const T* at(int64_t row, int64_t word) const {
    return reinterpret_cast<const T*>(data + row / kMR * packed_tile_size(words) + word * kMR);
  }
  __attribute__((always_inline)) int64_t row_stride() const { return 0; }
};

/// A tile that has its sums and waits for its epilogue, and where in C it stands.
struct Waiting {
  Tile tile;
  int64_t row = 0;
  int64_t rows = 0;
  int64_t col = 0;
  int64_t cols = 0;

  bool any() const { return rows > 0; }
  bool whole() const { return rows == kMR && cols == kNR; }
};
/// Not inlined, and with its own copy of the epilogue: what that one holds can then be in registers
/// where it counts, beside a product.
template <typename Epilogue>
static __attribute__((noinline)) void finish(Waiting& done, const Epilogue epilogue) {
  each_vector(done.rows, done.cols, [&](int64_t i, int64_t v, int64_t count) {
    epilogue(done.row + i, done.col + v * kLanes, count, done.tile.c[i * kNRVectors + v]);
  });
  done.rows = 0;
}

/// Rows [r0, r1) of C = A B, A zero outside of `triangle`. prepare(lines, row, col) may name
/// what a tile's epilogue will touch; after the product epilogue(row, col, cols, value) is called
/// for each of its vectors: 16 (or `cols`) sums from column `col`; with kBeside beside the next
/// tile's product.
template <bool kBeside = kOverlapEpilogue, typename A, typename Prepare, typename Epilogue>
GMLP_INLINE void gemm_rows(const A& a, const PackedB& b, int64_t r0, int64_t r1, Triangle triangle,
                           const Prepare& prepare, const Epilogue& epilogue) {
  using T = typename A::Element;
  constexpr int64_t kPerWord = Operand<T>::kPerWord;
  Waiting two[2];  // they take turns
  int64_t turn = 0;
  for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
    const int64_t col = panel * kNR;
    const int64_t cols = min(kNR, b.n - col);
    for (int64_t row = r0; row < r1; row += kMR) {
      const int64_t rows = min(kMR, r1 - row);
      const DepthRange k = depth_range(triangle, row, rows, b.words * kPerWord);
      const int64_t begin = k.begin / kPerWord;
      const int64_t words = words_of<T>(k.end) - begin;
      const float* b_words = panel_at(b, panel) + begin * kNR;
      Lines lines;
      prepare(lines, row, col);
      add_next_panel(lines, b, panel, (row - r0) / kMR, tiles_of(r1 - r0));
      Waiting& before = two[turn ^ 1];
      Waiting& now = two[turn];
      if (kBeside && before.whole() && rows == kMR && cols == kNR) {
        const int64_t before_row = before.row;
        const int64_t before_col = before.col;
        gemm_microkernel_overlapped<T, A::kPacked>(
            now.tile, a.at(row, begin), a.row_stride(), b_words, words,
            lines, [&](int64_t vector) __attribute__((always_inline)) {
              epilogue(before_row + vector / kNRVectors, before_col + vector % kNRVectors * kLanes,
                       kLanes, before.tile.c[vector]);
            });
        before.rows = 0;
      } else {
        if (before.any()) finish(before, epilogue);
        multiply(now.tile, a.at(row, begin), a.row_stride(), rows, ceil_div(cols, kLanes), b_words,
                 words, lines);
      }
      now.row = row;
      now.rows = rows;
      now.col = col;
      now.cols = cols;
      if (kBeside) {
        turn ^= 1;
      } else {
        finish(now, epilogue);
      }
    }
  }
  if (two[turn ^ 1].any()) finish(two[turn ^ 1], epilogue);
}

/// The same with nothing to prepare.
template <typename A, typename Epilogue>
GMLP_INLINE void gemm_rows(const A& a, const PackedB& b, int64_t r0, int64_t r1, Triangle triangle,
                           const Epilogue& epilogue) {
  gemm_rows(
      a, b, r0, r1, triangle, [](Lines&, int64_t, int64_t) {}, epilogue);
}

/// Rows [r0, r1) of C += A B; with kLower only tiles that touch C's lower triangle.
template <typename T>
GMLP_INLINE void gemm_rows_accumulate(float* c, int64_t c_stride, const T* a, int64_t a_stride,
                                      const PackedB& b, int64_t r0, int64_t r1, Triangle triangle) {
  for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
    const int64_t col = panel * kNR;
    const int64_t cols = min(kNR, b.n - col);
    for (int64_t row = r0; row < r1; row += kMR) {
      const int64_t rows = min(kMR, r1 - row);
      if (triangle == Triangle::kLower && col >= row + rows) continue;
      float* place = c + row * c_stride + col;
      Lines lines;
      add_lines(lines, place, c_stride);
      Tile tile;
      multiply(tile, a + row * a_stride, a_stride, rows, ceil_div(cols, kLanes), panel_at(b, panel),
               b.words, lines);
      add_tile(place, c_stride, tile, rows, cols);
    }
  }
}

// Row tiles that one task of gemm_transposed owns, and the words of its blocks of k: shares that
// the problem fixes.
GMLP_INLINE int64_t owned_tiles(int64_t m) {
  return min(ceil_div(tiles_of(m), 16), kTilesAtOnce);
}
constexpr int64_t kOwnedWords = 800;
template <typename T>
GMLP_INLINE int64_t owned_block(int64_t k) {
  const int64_t words = words_of<T>(k);
  return ceil_div(words, max(1, ceil_div(words, kOwnedWords)));
}
/// Floats of room for A that gemm_transposed needs for one sum over at most `words`.
GMLP_INLINE int64_t owned_room(int64_t m, int64_t words) {
  return ceil_div(tiles_of(m), owned_tiles(m)) * owned_tiles(m) *
         packed_tile_size(min(words, kOwnedWords));
}

/// C (m,n) += Aᵀ B with A (k,m) row-major and B packed; column_sums (m) += the column
/// sums of A, where not nullptr.
template <typename T>
struct TransposedProduct {
  float* c;
  float* column_sums;
  const T* a;
  PackedB b;
  int64_t k;
};

/// Some such products of one m and n, side by side. Owner computes: a task owns rows of one C and
/// sums over all of its k in order. `a_room` is owned_room(m, words) for each of them.
template <typename T, int kProducts>
GMLP_INLINE void gemm_transposed(const TransposedProduct<T> (&products)[kProducts],
                                 int64_t c_stride, int64_t a_stride, float* a_room, int64_t words,
                                 int64_t m) {
  const int64_t share = owned_tiles(m);
  const int64_t shares = ceil_div(tiles_of(m), share);
  const int64_t room = share * packed_tile_size(min(words, kOwnedWords));
  parallel_tasks(kProducts * shares, [&](const TaskSlot& turn) {
    const TransposedProduct<T> product = products[turn.task / shares];
    const PackedB b = product.b;
    const int64_t block = owned_block<T>(product.k);
    const int64_t t0 = turn.task % shares * share;
    const int64_t t1 = min(t0 + share, tiles_of(m));
    float* a_packed = a_room + turn.first * room;
    // A's rows for the next task, asked for a tile's height at a time.
    const bool is_next = turn.next < kProducts * shares;
    const TransposedProduct<T> next = products[is_next ? turn.next / shares : 0];
    const int64_t next_col = turn.next % shares * share * kMR;
    const int64_t next_cols = is_next ? min(share * kMR, m - next_col) : 0;
    int64_t next_row = 0;
    for (int64_t word0 = 0; word0 < b.words; word0 += block) {
      const int64_t depth = min(block, b.words - word0);
      pack_tiles(a_packed, product.column_sums, product.a, a_stride, product.k, word0, depth, t0,
                 t1, m);
      for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
        const int64_t col = panel * kNR;
        const int64_t cols = min(kNR, b.n - col);
        for (int64_t t = t0; t < t1; ++t, next_row += kMR) {
          const int64_t rows = min(kMR, m - t * kMR);
          float* place = product.c + t * kMR * c_stride + col;
          Lines lines;
          for (int64_t j = 0; j < next_cols && next_row < next.k; j += kNR) {
            add_lines(lines, next.a + next_row * a_stride + next_col + j, a_stride);
          }
          add_lines(lines, place, c_stride);
          Tile tile;
          multiply(tile, reinterpret_cast<const T*>(a_packed + (t - t0) * packed_tile_size(depth)),
                   0, rows, ceil_div(cols, kLanes), panel_at(b, panel) + word0 * kNR, depth, lines);
          add_tile(place, c_stride, tile, rows, cols);
        }
      }
    }
  });
}

}  // namespace gmlp::fused::GMLP_ISA
