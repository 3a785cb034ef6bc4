#pragma once
// How the GEMM's operands lie in memory, and who puts them there.
//
//   word       32 bits: one f32, or two bf16 that follow each other in k. A product over k elements
//              has words_of(k) words; an odd last bf16 gets a zero beside it.
//   panel of B kNR columns, [word][kNR], padded with zeros: read in order, once per row tile
//   tiles of A where the product wants Aᵀ: [tile][word][kMR]
//
// Sources are rows of f32 (weights) or of T itself (activations). Everything is cut by the sizes.

#include "kernels/gemm/scheduler.h"
#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kLanes = 16;
constexpr int64_t kNR = kLanes * kNRVectors;

GMLP_INLINE int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
GMLP_INLINE int64_t min(int64_t a, int64_t b) {
  return a < b ? a : b;
}
GMLP_INLINE int64_t max(int64_t a, int64_t b) {
  return a > b ? a : b;
}
GMLP_INLINE int64_t panels_of(int64_t n) {
  return ceil_div(n, kNR);
}
GMLP_INLINE int64_t tiles_of(int64_t m) {
  return ceil_div(m, kMR);
}

/// Calls body(c, count) for each sixteen of `cols`. In all but a last cut one `count` is a
/// constant: the branches on it are gone when the body is inlined.
template <typename Body>
GMLP_INLINE void each_lanes(int64_t cols, const Body& body) {
  int64_t c = 0;
  for (; c + kLanes <= cols; c += kLanes) body(c, kLanes);
  if (c < cols) body(c, cols - c);
}

/// What differs between operands of f32 and of bf16.
template <typename T>
struct Operand;
template <>
struct Operand<float> {
  static constexpr int64_t kPerWord = 1;
  GMLP_INLINE F32x16 broadcast(const float* a) { return set1(*a); }
  GMLP_INLINE void add_product(F32x16& sum, F32x16 a, F32x16 b) { add_fma(sum, a, b); }
};
#if defined(GMLP_HAS_BF16_DOT)
template <>
struct Operand<Bf16> {
  static constexpr int64_t kPerWord = 2;
  GMLP_INLINE F32x16 broadcast(const Bf16* a) { return broadcast_pair(a); }
  GMLP_INLINE void add_product(F32x16& sum, F32x16 a, F32x16 b) { add_pair_product(sum, a, b); }
};
#endif

template <typename T>
GMLP_INLINE int64_t words_of(int64_t k) {
  return ceil_div(k, Operand<T>::kPerWord);
}
/// The distance of rows in a buffer of ours, in elements: whole words, and no multiple of half a
/// page, which would put the rows of a tile into the same few lines of the L1 cache.
template <typename T>
GMLP_INLINE int64_t stride_of(int64_t cols) {
  const int64_t whole = words_of<T>(cols) * Operand<T>::kPerWord;
  const int64_t bytes = whole * static_cast<int64_t>(sizeof(T));
  return bytes % 2048 == 0 ? whole + 64 / static_cast<int64_t>(sizeof(T)) : whole;
}

/// B (k,n), packed. `words`: of k; `far`: it lies in memory, in no cache, so that a product asks
/// for the next panel while it uses one.
struct PackedB {
  float* data;
  int64_t words;
  int64_t n;
  bool far = false;
};
GMLP_INLINE int64_t packed_b_size(int64_t words, int64_t n) {
  return words * panels_of(n) * kNR;
}
GMLP_INLINE float* panel_at(const PackedB& b, int64_t panel) {
  return b.data + panel * b.words * kNR;
}

/// Sixteen words from two rows of k (odd: nullptr beyond the end), the first `count` columns.
GMLP_INLINE F32x16 word_of_rows(const float* row, const float* /*odd*/, int64_t count,
                                float /*T*/) {
  return load(row, count);
}
#if defined(GMLP_HAS_BF16_DOT)
GMLP_INLINE F32x16 word_of_rows(const float* even, const float* odd, int64_t count, Bf16 /*T*/) {
  return pack_pairs(load(even, count), odd == nullptr ? zero() : load(odd, count));
}
GMLP_INLINE F32x16 word_of_rows(const Bf16* even, const Bf16* odd, int64_t count, Bf16 /*T*/) {
  return interleave_bf16(load(even, count), odd == nullptr ? zero() : load(odd, count));
}
#endif

/// One panel from B (k,n), row-major with `stride`.
template <typename T, typename S>
GMLP_INLINE void pack_panel(const PackedB& b, const S* source, int64_t stride, int64_t k,
                            int64_t panel) {
  constexpr int64_t kPerWord = Operand<T>::kPerWord;
  float* out = panel_at(b, panel);
  for (int64_t word = 0; word < b.words; ++word) {
    const S* row = source + word * kPerWord * stride;
    const S* odd = word * kPerWord + 1 < k ? row + stride : nullptr;
    for (int64_t v = 0; v < kNRVectors; ++v, out += kLanes) {
      const int64_t col = panel * kNR + v * kLanes;
      const int64_t count = min(kLanes, b.n - col);
      const S* odd_col = odd == nullptr ? nullptr : odd + col;
      store(out, count > 0 ? word_of_rows(row + col, odd_col, count, T{}) : zero());
    }
  }
}

/// Sixteen numbers of row `row` of B (k,n), from column `col` on, into its panels, which are filled
/// row by row. In bf16 an odd row joins the even one that was put before it.
GMLP_INLINE float* place_of(const PackedB& b, int64_t word, int64_t col) {
  return b.data + (col / kNR * b.words + word) * kNR + col % kNR;
}
GMLP_INLINE void put_in_panel(const PackedB& b, int64_t row, int64_t col, F32x16 x, float /*T*/) {
  store(place_of(b, row, col), x);
}
#if defined(GMLP_HAS_BF16_DOT)
GMLP_INLINE void put_in_panel(const PackedB& b, int64_t row, int64_t col, F32x16 x, Bf16 /*T*/) {
  float* place = place_of(b, row / 2, col);
  store(place, row % 2 == 0 ? pack_pairs(x, zero()) : pack_pairs(low_half(load(place)), x));
}
#endif

/// A word of Bᵀ, row-major: elements k, k + 1 of a row.
GMLP_INLINE void copy_word(float* out, const float* row, int64_t /*left*/) {
  *out = *row;
}
#if defined(GMLP_HAS_BF16_DOT)
GMLP_INLINE void copy_word(float* out, const Bf16* row, int64_t left) {
  const Bf16 pair[2] = {row[0], left > 1 ? row[1] : Bf16{0}};
  __builtin_memcpy(out, pair, sizeof pair);
}
#endif

/// Sixteen lanes of a panel from Bᵀ (n,k), row-major with `stride`: its `rows` rows become columns,
/// eight words at a time.
template <typename T>
GMLP_INLINE void pack_lanes_transposed(float* out, const T* source, int64_t stride, int64_t k,
                                       int64_t words, int64_t rows) {
  constexpr int64_t kPerWord = Operand<T>::kPerWord;
  int64_t word = 0;
  if (rows == kLanes && stride % kPerWord == 0) {
    const float* in = reinterpret_cast<const float*>(source);
    const int64_t word_stride = stride / kPerWord;
    for (; (word + 8) * kPerWord <= k; word += 8) {
      transpose8(out + word * kNR, kNR, in + word, word_stride);
      transpose8(out + word * kNR + 8, kNR, in + 8 * word_stride + word, word_stride);
    }
  }
  for (; word < words; ++word) {
    float* place = out + word * kNR;
    store(place, zero());
    for (int64_t j = 0; j < rows; ++j) {
      copy_word(place + j, source + j * stride + word * kPerWord, k - word * kPerWord);
    }
  }
}

/// The same from weights, in T in a corner of the stack first.
template <typename T>
GMLP_INLINE void pack_lanes_rounded(float* out, const float* source, int64_t stride, int64_t k,
                                    int64_t words, int64_t rows) {
  constexpr int64_t kPerWord = Operand<T>::kPerWord;
  alignas(64) T corner[kLanes * kLanes] = {};
  for (int64_t k0 = 0; k0 < k; k0 += kLanes) {
    const int64_t count = min(kLanes, k - k0);
    for (int64_t j = 0; j < rows; ++j) {
      store(corner + j * kLanes, load(source + j * stride + k0, count));
    }
    pack_lanes_transposed(out + k0 / kPerWord * kNR, corner, kLanes, count,
                          min(kLanes / kPerWord, words - k0 / kPerWord), rows);
  }
}

/// One panel from Bᵀ (n,k).
template <typename T, typename S>
GMLP_INLINE void pack_panel_transposed(const PackedB& b, const S* source, int64_t stride, int64_t k,
                                       int64_t panel) {
  float* out = panel_at(b, panel);
  for (int64_t v = 0; v < kNRVectors; ++v) {
    const int64_t row = panel * kNR + v * kLanes;
    const int64_t rows = row < b.n ? min(kLanes, b.n - row) : 0;
    if constexpr (sizeof(S) == sizeof(T)) {
      pack_lanes_transposed(out + v * kLanes, source + row * stride, stride, k, b.words, rows);
    } else {
      pack_lanes_rounded<T>(out + v * kLanes, source + row * stride, stride, k, b.words, rows);
    }
  }
}

/// All of B packed by all threads; `transposed`: the source is Bᵀ (n,k).
template <typename T, typename S>
GMLP_INLINE void pack_b(const PackedB& b, const S* source, int64_t stride, int64_t k,
                        bool transposed) {
  parallel_tasks(panels_of(b.n), [&](const TaskSlot& turn) {
    if (transposed) {
      pack_panel_transposed<T>(b, source, stride, k, turn.task);
    } else {
      pack_panel<T>(b, source, stride, k, turn.task);
    }
  });
}

/// Floats from one packed tile of A to the next: whole vectors are written, each spills into the
/// word after it, the last one into the slack.
GMLP_INLINE int64_t packed_tile_size(int64_t words) {
  return words * kMR + kLanes;
}

constexpr int64_t kTilesAtOnce = 16;  // their sums' room in pack_tiles

/// Row tiles [t0, t1), at most kTilesAtOnce, of one block of A, given as Aᵀ (k,m), row-major; adds
/// each row of A to `sums` (m), in the order of k, if there are any. Eight words of a tile are
/// taken at a time: then their sum stays in a register, and lines are read while they are in the
/// cache.
template <typename T>
GMLP_INLINE void pack_tiles(float* out, float* sums, const T* at, int64_t stride, int64_t k,
                            int64_t word0, int64_t words, int64_t t0, int64_t t1, int64_t m) {
  constexpr int64_t kPerWord = Operand<T>::kPerWord;
  constexpr int64_t kWords = 8;
  F32x16 totals[kTilesAtOnce];
  const auto rows_of = [&](int64_t t) { return min(kMR, m - t * kMR); };
  for (int64_t t = t0; t < t1; ++t) {
    totals[t - t0] = sums == nullptr ? zero() : load(sums + t * kMR, rows_of(t));
  }
  for (int64_t first = 0; first < words; first += kWords) {
    for (int64_t t = t0; t < t1; ++t) {
      const int64_t col = t * kMR;
      // Whole vectors where the row has them, since a cut load is slow. Lanes beyond the tile's
      // rows are other tiles' numbers: the next words overwrite them in `out`, those of the last
      // word fall into the slack, and `sums` is stored cut.
      const int64_t lanes = col + kLanes <= m ? kLanes : rows_of(t);
      float* place = out + (t - t0) * packed_tile_size(words) + first * kMR;
      F32x16 total = totals[t - t0];
      for (int64_t word = first; word < min(first + kWords, words); ++word) {
        const int64_t row = (word0 + word) * kPerWord;
        const T* even = at + row * stride + col;
        const T* odd = kPerWord == 2 && row + 1 < k ? even + stride : nullptr;
        store_rows(place, word_of_rows(even, odd, lanes, T{}));
        place += kMR;
        total = total + load(even, lanes);
        if (odd != nullptr) total = total + load(odd, lanes);
      }
      totals[t - t0] = keep_rows(total);
    }
  }
  for (int64_t t = t0; sums != nullptr && t < t1; ++t) {
    store(sums + t * kMR, totals[t - t0], rows_of(t));
  }
}

/// A weight W (n,n), or its transpose, as row tiles of A in T. Whole vectors are written: see
/// packed_tile_size.
template <typename T>
GMLP_INLINE void pack_weight_tiles(float* out, const float* source, int64_t n, bool transposed) {
  constexpr int64_t kPerWord = Operand<T>::kPerWord;
  const int64_t words = words_of<T>(n);
  parallel_tasks(tiles_of(n), [&](const TaskSlot& turn) {
    const int64_t t = turn.task;
    const int64_t rows = min(kMR, n - t * kMR);
    float* place = out + t * packed_tile_size(words);
    for (int64_t word = 0; word < words; ++word, place += kMR) {
      alignas(64) float pair[2][kLanes] = {};  // elements 2 word and 2 word + 1 of all rows
      for (int64_t half = 0; half < kPerWord; ++half) {
        const int64_t col = word * kPerWord + half;
        for (int64_t i = 0; i < rows && col < n; ++i) {
          const int64_t row = t * kMR + i;
          pair[half][i] = source[transposed ? col * n + row : row * n + col];
        }
      }
      store(place, word_of_rows(pair[0], pair[1], kLanes, T{}));
    }
  });
}

}  // namespace gmlp::fused::GMLP_ISA
