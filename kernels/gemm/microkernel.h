#pragma once
// The register tile: kMR x kNR sums of a product stay in registers over all of its words,
// and the lines that the product asks for on its way.
//
//   multiply          up to a whole tile (register_tile.cpp)
//   gemm_microkernel_overlapped   a whole tile, with the epilogue of the tile before between its
//   words

#include "kernels/gemm/pack.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kLineWords = 16;  // words in a cache line
constexpr int64_t kLineBytes = 4 * kLineWords;
constexpr int64_t kSoonFloats = 6144;  // three quarters of an L1 of 32 KB
static_assert(kLineWords % kUnroll == 0);

struct Tile {
  F32x16 c[kMR * kNRVectors];
};

/// What a multiplication asks for on its way, a piece at a time: all at once they would fill the
/// queue that its own loads need. The pieces of rows that the tile's epilogue will touch, some
/// arrays of kRows; and a piece of memory that later tiles will read.
struct Lines {
  static constexpr int64_t kArrays = 8;
  struct Rows {
    const char* first;  // of the first row's piece
    int64_t step;       // bytes from row to row
    int64_t last;       // bytes from a piece's first to its last
    bool written;       // else only read
  };
  Rows of[kArrays];
  int64_t count = 0;
  const char* later = nullptr;  // its first line
  const char* later_end = nullptr;
};
template <typename T>
GMLP_INLINE void add_lines(Lines& lines, T* p, int64_t stride, bool written) {
  constexpr int64_t kSize = sizeof(T);
  if (lines.count == Lines::kArrays) return;
  lines.of[lines.count++] = {reinterpret_cast<const char*>(p), stride * kSize, kNR * kSize - 1,
                             written};
}
/// Adds the tile's rows at p, `stride` elements apart: to be read where they are const.
template <typename T>
GMLP_INLINE void add_lines(Lines& lines, const T* p, int64_t stride) {
  add_lines(lines, p, stride, false);
}
template <typename T>
GMLP_INLINE void add_lines(Lines& lines, T* p, int64_t stride) {
  add_lines(lines, p, stride, true);
}
/// Asks for both ends of a row's piece.
GMLP_INLINE void ask(const Lines::Rows& rows, int64_t row) {
  const char* piece = rows.first + row * rows.step;
  if (rows.written) {
    prefetch_to_write(piece);
    prefetch_to_write(piece + rows.last);
  } else {
    prefetch(piece);
    prefetch(piece + rows.last);
  }
}

/// Adds a share of what is left from `next` to `end`, where `tiles` tiles are left to ask for it:
/// so much that each of the tile's vectors gets the same number of lines. `next` goes on behind it.
GMLP_INLINE void add_later(Lines& lines, const float*& next, const float* end, int64_t tiles) {
  constexpr int64_t kLineForEach = kMR * kNRVectors * kLineWords;
  const int64_t share = ceil_div(ceil_div(end - next, tiles), kLineForEach) * kLineForEach;
  lines.later = reinterpret_cast<const char*>(next);
  next += min(share, end - next);
  lines.later_end = reinterpret_cast<const char*>(next);
}
/// Adds tile `i` of `tiles`'s share of the panel after `panel`, where B is far: in place of what
/// add_later added, since B comes from memory, and the next rows mostly from a cache.
GMLP_INLINE void add_next_panel(Lines& lines, const PackedB& b, int64_t panel, int64_t i,
                                int64_t tiles) {
  if (!b.far || panel + 1 == panels_of(b.n)) return;
  const int64_t floats = b.words * kNR;
  const int64_t share = ceil_div(ceil_div(floats, tiles), kLineWords) * kLineWords;
  const float* next = panel_at(b, panel + 1);
  lines.later = reinterpret_cast<const char*>(next + min(i * share, floats));
  lines.later_end = reinterpret_cast<const char*>(next + min((i + 1) * share, floats));
}

/// Rows i of A: `stride` elements apart, or next to each other in a packed tile of words.
template <typename T, bool kPacked, int kRows>
struct TileReader {
  static constexpr int kBases = (kRows + 2) / 3;
  const char* base[kBases];  // every third row; the two after it by index, so that all of it
  int64_t step;              // fits into the general registers

  GMLP_INLINE TileReader start(const T* a, int64_t stride) {
    TileReader reader;
    reader.step = kPacked ? 4 : stride * static_cast<int64_t>(sizeof(T));
    for (int i = 0; i < kBases; ++i) {
      reader.base[i] = reinterpret_cast<const char*>(a) + 3 * i * reader.step;
    }
    return reader;
  }
  static constexpr int64_t kWordStep = kPacked ? 4 * kMR : 4;

  /// The word of row `row`, `ahead` of the present one.
  __attribute__((always_inline)) F32x16 word(int row, int ahead) const {
    const char* place = base[row / 3] + (row % 3) * step + ahead * kWordStep;
    return Operand<T>::broadcast(reinterpret_cast<const T*>(place));
  }
  __attribute__((always_inline)) void advance(int words) {
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) {
      base[i] += words * kWordStep;
      asm("" : "+r"(base[i]));  // one by one: in a vector they would pass through memory
    }
  }
  /// Else the compiler makes a counter of its own for every row, and for every word ahead.
  __attribute__((always_inline)) void stay() {
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) asm("" : "+r"(base[i]));
    asm("" : "+r"(step));
  }
};

/// c += kWords words of each of A's rows times those of B's panel; both go on. `c` is kRows x
/// kVectors of a tile, in registers.
template <int kWords, typename T, bool kPacked, int kRows, int kVectors>
GMLP_INLINE void add_words(F32x16 (&c)[kRows * kVectors], TileReader<T, kPacked, kRows>& rows,
                           const float*& b) {
#pragma GCC unroll 16
  for (int word = 0; word < kWords; ++word) {
    F32x16 b_word[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) b_word[v] = load(b + word * kNR + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const F32x16 a_word = rows.word(i, word);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        Operand<T>::add_product(c[i * kVectors + v], a_word, b_word[v]);
      }
    }
    rows.stay();
    asm("" : "+r"(b));
  }
  rows.advance(kWords);
  b += kWords * kNR;
}

/// tile = A B over `words`, for any number of rows and vectors up to the tile's: an edge costs what
/// it computes. A's rows are `stride` elements apart; 0: packed, a word's rows side by side.
/// Compiled for every number of rows, once for all kernels, in register_tile.cpp.
void multiply(Tile& tile, const float* a, int64_t stride, int64_t rows, int64_t vectors,
              const float* b, int64_t words, const Lines& lines);
#if defined(GMLP_HAS_BF16_DOT)
void multiply(Tile& tile, const Bf16* a, int64_t stride, int64_t rows, int64_t vectors,
              const float* b, int64_t words, const Lines& lines);
#endif

/// A whole tile = A B over `words`, and the epilogue of the tile before beside it: between(i) for
/// each of that one's vectors, spread over the words. Both fill the same cycles, as an epilogue
/// waits for its own results most of the time.
template <typename T, bool kPacked, typename Between>
GMLP_INLINE void gemm_microkernel_overlapped(Tile& tile, const T* a, int64_t stride, const float* b,
                                             int64_t words, const Lines& lines,
                                             const Between& between) {
  constexpr int64_t kVectors = kMR * kNRVectors;
  F32x16 c[kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; ++i) c[i] = zero();
  constexpr int kRows = static_cast<int>(kMR);
  using Reader = TileReader<T, kPacked, kRows>;
  Reader a_rows = Reader::start(a, stride);
  const auto step = [&]() __attribute__((always_inline)) {
    add_words<1, T, kPacked, kRows, static_cast<int>(kNRVectors)>(c, a_rows, b);
  };
  const int64_t apart = words / kVectors;
  const int64_t later_step = ceil_div((lines.later_end - lines.later) / kLineBytes, kVectors);
  const char* later = lines.later;
  int64_t word = 0;
#pragma GCC unroll 1
  for (int64_t vector = 0; vector < kVectors; ++vector) {
    // Of this tile, for its epilogue: in step with the one of the tile before.
#pragma GCC unroll 1
    for (int64_t i = 0; i < lines.count; ++i) {
      if (vector % kNRVectors == 0) ask(lines.of[i], vector / kNRVectors);
    }
    between(vector);
#pragma GCC unroll 1
    for (int64_t i = 0; i < later_step; ++i, later += kLineBytes) prefetch(later);
#pragma GCC unroll 1
    for (int64_t i = 0; i < apart; ++i, ++word) {
      if constexpr (!kPacked) {
        prefetch(a_rows.base[0] + (word & (kLineWords - 1)) * a_rows.step + kLineBytes);
      }
      step();
    }
  }
#pragma GCC unroll 1
  for (; word < words; ++word) step();
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; ++i) tile.c[i] = c[i];
}

/// Calls body(i, v, cols) for each row of a tile and each of its vectors, `cols` of it inside C.
template <typename Body>
GMLP_INLINE void each_vector(int64_t rows, int64_t cols, const Body& body) {
  if (cols == kNR) {  // nothing is cut: no masks
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t v = 0; v < kNRVectors; ++v) body(i, v, kLanes);
    }
    return;
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t v = 0; v * kLanes < cols; ++v) body(i, v, min(kLanes, cols - v * kLanes));
  }
}
GMLP_INLINE void add_tile(float* c, int64_t stride, const Tile& tile, int64_t rows, int64_t cols) {
  each_vector(rows, cols, [&](int64_t i, int64_t v, int64_t count) {
    float* place = c + i * stride + v * kLanes;
    store(place, load(place, count) + tile.c[i * kNRVectors + v], count);
  });
}

}  // namespace gmlp::fused::GMLP_ISA
