#pragma once
// The matrix product inside every fused kernel: C (m,n) = A (m,k) B (k,n), on operands T of f32 or
// bf16, with sums in f32.
//
//   register tile   kTileRows x kPanel of C stays in registers over a block of k
//   B               packed panels (pack.h): all row tiles in turn read one from L1 or L2
//   A               as it is, row-major: a tile reads kTileRows rows side by side, a word of each
//                   at a time, broadcast; or packed tiles where the product wants a transpose
//
// For each block of k, each panel, each row tile: multiply. After the last block the tile goes
// through an epilogue (bias, GELU, gate, residual), before that it waits in C. Each element of C is
// the same chain of operations wherever it stands and however the work is cut: that is why bits
// depend neither on the batch nor on the threads.

#include "kernels/fused/pack.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kLineWords = 16;  // words in a cache line
constexpr int64_t kLineBytes = 4 * kLineWords;

struct Tile {
  V16 c[kTileRows * kTileVectors];
};

/// The pieces of rows that a tile's epilogue will touch, some arrays of kRows. The multiplication
/// asks for them on its way, a piece a word: all at once they would fill the queue that its own
/// loads need.
struct Lines {
  static constexpr int64_t kArrays = 8;
  struct Rows {
    const char* first;  // of the first row's piece
    int64_t step;       // bytes from row to row
    int64_t last;       // bytes from a piece's first to its last
  };
  Rows of[kArrays];
  int64_t count = 0;
  const char* panel = nullptr;  // this tile's share of the next panel, where B is far
  const char* panel_end = nullptr;
};
/// Adds the tile's rows at p, `stride` elements apart.
template <typename T>
GMLP_INLINE void add_lines(Lines& lines, const T* p, int64_t stride) {
  constexpr int64_t kSize = sizeof(T);
  if (lines.count == Lines::kArrays) return;
  lines.of[lines.count++] = {reinterpret_cast<const char*>(p), stride * kSize, kPanel * kSize - 1};
}

/// Adds tile `i` of `tiles`'s share of the panel after `panel`.
GMLP_INLINE void add_next_panel(Lines& lines, const PackedB& b, int64_t word0, int64_t panel,
                                int64_t i, int64_t tiles) {
  if (!b.far || panel + 1 == panels_of(b.n)) return;
  const int64_t floats = block_depth(b, word0) * kPanel;
  const int64_t share = ceil_div(ceil_div(floats, tiles), kLineWords) * kLineWords;
  const float* next = panel_at(b, word0, panel + 1);
  lines.panel = reinterpret_cast<const char*>(next + smaller(i * share, floats));
  lines.panel_end = reinterpret_cast<const char*>(next + smaller((i + 1) * share, floats));
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
  __attribute__((always_inline)) V16 word(int row) const {
    const char* place = base[row / 3] + (row % 3) * step;
    return Operand<T>::broadcast(reinterpret_cast<const T*>(place));
  }
  __attribute__((always_inline)) void advance() {
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) {
      base[i] += kPacked ? 4 * kTileRows : 4;
      asm("" : "+r"(base[i]));  // else the compiler makes a counter of its own for every row
    }
  }
};

/// c += a word of each of A's rows times one of B's panel; both go on to the next. `c` is kRows x
/// kVectors of a tile, in registers.
template <typename T, bool kPacked, int kRows, int kVectors>
GMLP_INLINE void add_word(V16 (&c)[kRows * kVectors], TileReader<T, kPacked, kRows>& rows,
                          const float*& b) {
  V16 b_word[kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) b_word[v] = load(b + v * kLanes);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    const V16 a_word = rows.word(i);
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      c[i * kVectors + v] = Operand<T>::multiply_add(a_word, b_word[v], c[i * kVectors + v]);
    }
  }
  rows.advance();
  b += kPanel;
}

/// tile += A B over `words`, or = when `fresh`. Not inlined: one copy serves all kernels.
template <typename T, bool kPacked, int kRows, int kVectors>
static __attribute__((noinline)) void multiply_tile(Tile& tile, bool fresh, const T* a,
                                                    int64_t stride, const float* b, int64_t words,
                                                    const Lines& lines) {
  V16 c[kRows * kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) {
    c[i] = fresh ? zero() : tile.c[i / kVectors * kTileVectors + i % kVectors];
  }
  using Reader = TileReader<T, kPacked, kRows>;
  Reader a_rows = Reader::start(a, stride);
  const auto step = [&]() __attribute__((always_inline)) {
    add_word<T, kPacked, kRows, kVectors>(c, a_rows, b);
  };
  // The last of `lines` right before the epilogue: what is asked for too early has left L1 again,
  // as B streams through it. Where there are more pieces than words, two a word.
  const int64_t each = lines.count * kRows > words ? 2 : 1;  // a power of two
  int64_t left = smaller(words, lines.count * kRows / each);
  int64_t before = words - left;
  if constexpr (!kPacked) {  // A's next cache lines, a row a word: all rows come to them at once
    const int64_t groups = larger(1, before / kLineWords);
    const int64_t panel_step = ceil_div((lines.panel_end - lines.panel) / kLineBytes, groups);
    const char* panel = lines.panel;
    for (; before >= kLineWords; before -= kLineWords) {
#pragma GCC unroll 1
      for (int64_t i = 0; i < panel_step; ++i, panel += kLineBytes) prefetch_l2(panel);
      const char* line = a_rows.base[0] + kLineBytes;
#pragma GCC unroll 1
      for (int64_t i = 0; i < kLineWords; ++i, line += a_rows.step) {
        prefetch(line);
        step();
      }
    }
  }
  for (; before > 0; --before) step();
  int64_t asked = 0;
  for (int64_t array = 0; array < lines.count; ++array) {
    Lines::Rows piece = lines.of[array];
    for (int64_t i = 0; i < kRows; ++i, piece.first += piece.step) {
      prefetch(piece.first);
      prefetch(piece.first + piece.last);
      if ((++asked & (each - 1)) != 0 || left == 0) continue;
      --left;
      step();
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) {
    tile.c[i / kVectors * kTileVectors + i % kVectors] = c[i];
  }
}

/// A whole tile = A B over `words`, and the epilogue of the tile before beside it: between(i) for
/// each of that one's vectors, as many words apart as there are. Both fill the same cycles: an
/// epilogue waits for its own results most of the time, and the sums ask for neither the units that
/// add nor those that permute.
template <typename T, bool kPacked, typename Between>
GMLP_INLINE void multiply_beside(Tile& tile, const T* a, int64_t stride, const float* b,
                                 int64_t words, const Lines& lines, const Between& between) {
  constexpr int64_t kVectors = kTileRows * kTileVectors;
  V16 c[kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; ++i) c[i] = zero();
  constexpr int kRows = static_cast<int>(kTileRows);
  using Reader = TileReader<T, kPacked, kRows>;
  Reader a_rows = Reader::start(a, stride);
  const auto step = [&]() __attribute__((always_inline)) {
    add_word<T, kPacked, kRows, static_cast<int>(kTileVectors)>(c, a_rows, b);
  };
  const int64_t apart = words / kVectors;
  const int64_t panel_step = ceil_div((lines.panel_end - lines.panel) / kLineBytes, kVectors);
  const char* panel = lines.panel;
  int64_t word = 0;
#pragma GCC unroll 1
  for (int64_t vector = 0; vector < kVectors; ++vector) {
    // Of this tile, for its epilogue: in step with the one of the tile before.
#pragma GCC unroll 1
    for (int64_t i = 0; i < lines.count; ++i) {
      const Lines::Rows& piece = lines.of[i];
      prefetch(piece.first + vector / kTileVectors * piece.step +
               (vector % kTileVectors == 0 ? 0 : piece.last));
    }
    between(vector);
#pragma GCC unroll 1
    for (int64_t i = 0; i < panel_step; ++i, panel += kLineBytes) prefetch_l2(panel);
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

/// The same for any number of rows and vectors up to the tile's: an edge costs what it computes.
template <typename T, bool kPacked, int kRows = static_cast<int>(kTileRows)>
GMLP_INLINE void multiply(Tile& tile, bool fresh, const T* a, int64_t stride, int64_t rows,
                          int64_t vectors, const float* b, int64_t words, const Lines& lines) {
  if constexpr (kRows == 0) {
    return;
  } else {
    if (rows != kRows) {
      multiply<T, kPacked, kRows - 1>(tile, fresh, a, stride, rows, vectors, b, words, lines);
    } else if (vectors == kTileVectors) {
      multiply_tile<T, kPacked, kRows, kTileVectors>(tile, fresh, a, stride, b, words, lines);
    } else {
      multiply_tile<T, kPacked, kRows, 1>(tile, fresh, a, stride, b, words, lines);
    }
  }
}

/// Calls body(i, v, cols) for each row of a tile and each of its vectors, `cols` of it inside C.
template <typename Body>
GMLP_INLINE void each_vector(int64_t rows, int64_t cols, const Body& body) {
  if (cols == kPanel) {  // nothing is cut: no masks
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t v = 0; v < kTileVectors; ++v) body(i, v, kLanes);
    }
    return;
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t v = 0; v * kLanes < cols; ++v) body(i, v, smaller(kLanes, cols - v * kLanes));
  }
}
GMLP_INLINE void load_tile(Tile& tile, const float* c, int64_t stride, int64_t rows, int64_t cols) {
  each_vector(rows, cols, [&](int64_t i, int64_t v, int64_t count) {
    tile.c[i * kTileVectors + v] = load(c + i * stride + v * kLanes, count);
  });
}
GMLP_INLINE void store_tile(float* c, int64_t stride, const Tile& tile, int64_t rows,
                            int64_t cols) {
  each_vector(rows, cols, [&](int64_t i, int64_t v, int64_t count) {
    store(c + i * stride + v * kLanes, tile.c[i * kTileVectors + v], count);
  });
}

GMLP_INLINE void add_tile(float* c, int64_t stride, const Tile& tile, int64_t rows, int64_t cols) {
  each_vector(rows, cols, [&](int64_t i, int64_t v, int64_t count) {
    float* place = c + i * stride + v * kLanes;
    store(place, load(place, count) + tile.c[i * kTileVectors + v], count);
  });
}

/// Where A may differ from zero: everywhere, or on one side of its diagonal (a causal W, and Wᵀ).
enum class Triangle : uint8_t { kNone, kLower, kUpper };
/// The elements of k that rows [row, row + rows) of A have to be multiplied over.
struct DepthRange {
  int64_t begin;
  int64_t end;
};
GMLP_INLINE DepthRange depth_range(Triangle triangle, int64_t row, int64_t rows, int64_t k) {
  if (triangle == Triangle::kLower) return {0, smaller(row + rows, k)};
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
/// kTileRows. `row` is a tile's first.
template <typename T>
struct Tiles {
  static constexpr bool kPacked = true;
  using Element = T;
  float* data;
  int64_t words;
  __attribute__((always_inline)) const T* at(int64_t row, int64_t word) const {
    return reinterpret_cast<const T*>(data + row / kTileRows * packed_tile_size(words) +
                                      word * kTileRows);
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
  bool whole() const { return rows == kTileRows && cols == kPanel; }
};
/// Not inlined, and with its own copy of the epilogue: what that one holds can then be in registers
/// where it counts, beside a product.
template <typename Epilogue>
static __attribute__((noinline)) void finish(Waiting& tile, const Epilogue epilogue) {
  each_vector(tile.rows, tile.cols, [&](int64_t i, int64_t v, int64_t count) {
    epilogue(tile.row + i, tile.col + v * kLanes, count, tile.tile.c[i * kTileVectors + v]);
  });
  tile.rows = 0;
}

/// Rows [r0, r1) of C = A B, A zero outside of `triangle`. `c` (stride `c_stride`) holds
/// the sums between blocks of k; nullptr where B has one block. In a tile's last multiplication
/// prepare(lines, row, rows, col) may name what its epilogue will touch; then epilogue(row, col,
/// cols, value) is called for each vector: 16 (or `cols`) sums from column `col`; with kBeside
/// beside the next tile's product.
template <bool kBeside = kEpilogueBeside, typename A, typename Prepare, typename Epilogue>
GMLP_INLINE void gemm_rows(float* c, int64_t c_stride, const A& a, const PackedB& b, int64_t r0,
                           int64_t r1, Triangle triangle, const Prepare& prepare,
                           const Epilogue& epilogue) {
  using T = typename A::Element;
  constexpr int64_t kPerWord = Operand<T>::kPerWord;
  Waiting two[2];  // they take turns
  int64_t turn = 0;
  for (int64_t word0 = 0; word0 < b.words; word0 += b.block) {
    const int64_t depth = block_depth(b, word0);
    const bool last = word0 + depth == b.words;
    for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
      const int64_t col = panel * kPanel;
      const int64_t cols = smaller(kPanel, b.n - col);
      for (int64_t row = r0; row < r1; row += kTileRows) {
        const int64_t rows = smaller(kTileRows, r1 - row);
        const DepthRange k = depth_range(triangle, row, rows, b.words * kPerWord);
        const int64_t begin = larger(k.begin / kPerWord, word0);
        const int64_t words = smaller(words_of<T>(k.end), word0 + depth) - begin;
        const float* b_words = panel_at(b, word0, panel) + (begin - word0) * kPanel;
        Lines lines;
        if (last) prepare(lines, row, rows, col);
        add_next_panel(lines, b, word0, panel, (row - r0) / kTileRows, tiles_of(r1 - r0));
        Waiting& before = two[turn ^ 1];
        Waiting& now = two[turn];
        if (kBeside && before.whole() && word0 == 0 && rows == kTileRows && cols == kPanel) {
          const int64_t before_row = before.row;
          const int64_t before_col = before.col;
          multiply_beside<T, A::kPacked>(
              now.tile, a.at(row, begin), a.row_stride(), b_words, words,
              lines, [&](int64_t vector) __attribute__((always_inline)) {
                epilogue(before_row + vector / kTileVectors,
                         before_col + vector % kTileVectors * kLanes, kLanes,
                         before.tile.c[vector]);
              });
          before.rows = 0;
        } else {
          if (before.any()) finish(before, epilogue);
          if (word0 > 0) load_tile(now.tile, c + row * c_stride + col, c_stride, rows, cols);
          multiply<T, A::kPacked>(now.tile, word0 == 0, a.at(row, begin), a.row_stride(), rows,
                                  ceil_div(cols, kLanes), b_words, words, lines);
        }
        if (!last) {
          store_tile(c + row * c_stride + col, c_stride, now.tile, rows, cols);
          continue;
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
  }
  if (two[turn ^ 1].any()) finish(two[turn ^ 1], epilogue);
}

/// The same with nothing to prepare.
template <typename A, typename Epilogue>
GMLP_INLINE void gemm_rows(float* c, int64_t c_stride, const A& a, const PackedB& b, int64_t r0,
                           int64_t r1, Triangle triangle, const Epilogue& epilogue) {
  gemm_rows(
      c, c_stride, a, b, r0, r1, triangle, [](Lines&, int64_t, int64_t, int64_t) {}, epilogue);
}

/// Rows [r0, r1) of C += A B; with kLower only tiles that touch C's lower triangle.
template <typename T>
GMLP_INLINE void gemm_rows_accumulate(float* c, int64_t c_stride, const T* a, int64_t a_stride,
                                      const PackedB& b, int64_t r0, int64_t r1, Triangle triangle) {
  for (int64_t word0 = 0; word0 < b.words; word0 += b.block) {
    for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
      const int64_t col = panel * kPanel;
      const int64_t cols = smaller(kPanel, b.n - col);
      for (int64_t row = r0; row < r1; row += kTileRows) {
        const int64_t rows = smaller(kTileRows, r1 - row);
        if (triangle == Triangle::kLower && col >= row + rows) continue;
        float* place = c + row * c_stride + col;
        Lines lines;
        add_lines(lines, place, c_stride);
        Tile tile;
        multiply<T, false>(tile, true, a + row * a_stride + word0 * Operand<T>::kPerWord, a_stride,
                           rows, ceil_div(cols, kLanes), panel_at(b, word0, panel),
                           block_depth(b, word0), lines);
        add_tile(place, c_stride, tile, rows, cols);
      }
    }
  }
}

// Row tiles that one task of gemm_transposed owns, and the words of its blocks of k: shares that
// the problem fixes.
GMLP_INLINE int64_t owned_tiles(int64_t m) {
  return smaller(ceil_div(tiles_of(m), 16), 16);
}
constexpr int64_t kOwnedWords = 800;
template <typename T>
GMLP_INLINE int64_t owned_block(int64_t k) {
  const int64_t words = words_of<T>(k);
  return ceil_div(words, ceil_div(words, kOwnedWords));
}
/// Floats of room for A that gemm_transposed needs.
GMLP_INLINE int64_t owned_room(int64_t m) {
  return ceil_div(tiles_of(m), owned_tiles(m)) * owned_tiles(m) * packed_tile_size(kOwnedWords);
}

/// What a thread knows when it takes a task: the first one that it took, whose room is in its cache
/// by now, and the one that it will probably take next, whose input it can ask for on the way. From
/// the number of tasks on there is none.
struct Turn {
  int64_t task;
  int64_t first;
  int64_t next;
};
/// Calls body(turn) for each task, on all threads. Who takes which is open, but where they are
/// equally fast they take turns.
template <typename Body>
GMLP_INLINE void each_task(int64_t tasks, const Body& body) {
  int64_t taken = 0;
  int64_t team = 0;
#pragma omp parallel
  {
    __atomic_fetch_add(&team, 1, __ATOMIC_RELAXED);
    const int64_t first = __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
    int64_t task = first;
    while (task < tasks) {
      body(Turn{task, first, task + __atomic_load_n(&team, __ATOMIC_RELAXED)});
      task = __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
    }
  }
}

/// C (m,n) += Aᵀ B with A (k,m) row-major and B packed in one block; sums (m) += the column sums of
/// A, where not nullptr. Owner computes: a task owns rows of C and sums over all of k in order.
template <typename T>
GMLP_INLINE void gemm_transposed(float* c, int64_t c_stride, float* sums, const T* a,
                                 int64_t a_stride, const PackedB& b, float* a_room, int64_t m,
                                 int64_t k) {
  const int64_t share = owned_tiles(m);
  const int64_t block = owned_block<T>(k);
  each_task(ceil_div(tiles_of(m), share), [&](const Turn& turn) {
    const int64_t t0 = turn.task * share;
    const int64_t t1 = smaller(t0 + share, tiles_of(m));
    float* a_packed = a_room + turn.first * share * packed_tile_size(kOwnedWords);
    // A's rows for the next task, asked for a tile's height at a time.
    const int64_t next_col = turn.next * share * kTileRows;
    const int64_t next_cols = smaller(share * kTileRows, m - next_col);
    int64_t next_row = 0;
    for (int64_t word0 = 0; word0 < b.words; word0 += block) {
      const int64_t depth = smaller(block, b.words - word0);
      pack_tiles(a_packed, sums, a, a_stride, k, word0, depth, t0, t1, m);
      for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
        const int64_t col = panel * kPanel;
        const int64_t cols = smaller(kPanel, b.n - col);
        for (int64_t t = t0; t < t1; ++t, next_row += kTileRows) {
          const int64_t rows = smaller(kTileRows, m - t * kTileRows);
          float* place = c + t * kTileRows * c_stride + col;
          Lines lines;
          for (int64_t j = 0; j < next_cols && next_row < k; j += kPanel) {
            add_lines(lines, a + next_row * a_stride + next_col + j, a_stride);
          }
          add_lines(lines, place, c_stride);
          Tile tile;
          multiply<T, true>(
              tile, true, reinterpret_cast<const T*>(a_packed + (t - t0) * packed_tile_size(depth)),
              0, rows, ceil_div(cols, kLanes), panel_at(b, 0, panel) + word0 * kPanel, depth,
              lines);
          add_tile(place, c_stride, tile, rows, cols);
        }
      }
    }
  });
}

}  // namespace gmlp::fused::GMLP_ISA
