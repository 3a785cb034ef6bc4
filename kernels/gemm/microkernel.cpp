// The product of a register tile, for every number of its rows and vectors: multiply, as
// register_tile.h declares it.

#include "kernels/gemm/microkernel.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

GMLP_INLINE void ask_all(const Lines& lines, int64_t rows) {
  for (int64_t array = 0; array < lines.count; ++array) {
    for (int64_t row = 0; row < rows; ++row) ask(lines.of[array], row);
  }
}

/// tile = A B over `words`. Not inlined, so that each has the registers for itself.
template <typename T, bool kPacked, int kRows, int kVectors>
__attribute__((noinline)) void multiply_tile(Tile& tile, const T* a, int64_t stride, const float* b,
                                             int64_t words, const Lines& lines) {
  F32x16 c[kRows * kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) c[i] = zero();
  using Reader = TileReader<T, kPacked, kRows>;
  Reader a_rows = Reader::start(a, stride);
  const auto steps = [&]() __attribute__((always_inline)) {
    add_words<kUnroll, T, kPacked, kRows, kVectors>(c, a_rows, b);
  };
  // `lines` are asked for in the first words, unless B would push them out of L1 again before the
  // epilogue: then in the last. Where they are more than the words, all at once.
  int64_t asking_words = lines.count * kRows * kUnroll;
  if (asking_words > words) {
    ask_all(lines, kRows);
    asking_words = 0;
  }
  const bool soon = words * kNR <= kSoonFloats;
#pragma GCC unroll 1
  for (int part = 0; part < 2; ++part) {
    if ((part == 0) == soon) {
#pragma GCC unroll 1
      for (int64_t i = 0; i < asking_words; i += kRows * kUnroll) {
        const Lines::Rows& rows = lines.of[i / (kRows * kUnroll)];
#pragma GCC unroll 1
        for (int64_t row = 0; row < kRows; ++row) {
          ask(rows, row);
          steps();
        }
      }
      continue;
    }
    int64_t others = words - asking_words;
    // A's next cache lines, some rows' at a time: all rows come to them at once.
    if constexpr (!kPacked) {
      constexpr int64_t kLinesAtOnce = (kRows * kUnroll + kLineWords - 1) / kLineWords;
      const int64_t groups = max(1, others / kLineWords);
      const int64_t later_step = ceil_div((lines.later_end - lines.later) / kLineBytes, groups);
      const char* later = lines.later;
      for (; others >= kLineWords; others -= kLineWords) {
#pragma GCC unroll 1
        for (int64_t i = 0; i < later_step; ++i, later += kLineBytes) prefetch(later);
        const char* line = a_rows.base[0] + kLineBytes;
#pragma GCC unroll 1
        for (int64_t i = 0; i < kLineWords; i += kUnroll) {
#pragma GCC unroll 4
          for (int64_t j = 0; j < kLinesAtOnce; ++j, line += a_rows.step) prefetch(line);
          steps();
        }
      }
    }
    for (; others >= kUnroll; others -= kUnroll) steps();
    for (; others > 0; --others) add_words<1, T, kPacked, kRows, kVectors>(c, a_rows, b);
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) {
    tile.c[i / kVectors * kNRVectors + i % kVectors] = c[i];
  }
}

/// The tile that computes no more than is there.
template <typename T, bool kPacked, int kRows = static_cast<int>(kMR)>
GMLP_INLINE void multiply_cut(Tile& tile, const T* a, int64_t stride, int64_t rows, int64_t vectors,
                              const float* b, int64_t words, const Lines& lines) {
  if constexpr (kRows == 0) {
    return;
  } else {
    if (rows != kRows) {
      multiply_cut<T, kPacked, kRows - 1>(tile, a, stride, rows, vectors, b, words, lines);
    } else if (vectors == kNRVectors) {
      multiply_tile<T, kPacked, kRows, kNRVectors>(tile, a, stride, b, words, lines);
    } else {
      multiply_tile<T, kPacked, kRows, 1>(tile, a, stride, b, words, lines);
    }
  }
}

template <typename T>
GMLP_INLINE void multiply_any(Tile& tile, const T* a, int64_t stride, int64_t rows, int64_t vectors,
                              const float* b, int64_t words, const Lines& lines) {
  if (stride == 0) {
    multiply_cut<T, true>(tile, a, stride, rows, vectors, b, words, lines);
  } else {
    multiply_cut<T, false>(tile, a, stride, rows, vectors, b, words, lines);
  }
}

}  // namespace

void multiply(Tile& tile, const float* a, int64_t stride, int64_t rows, int64_t vectors,
              const float* b, int64_t words, const Lines& lines) {
  multiply_any(tile, a, stride, rows, vectors, b, words, lines);
}

#if defined(GMLP_HAS_BF16_DOT)
void multiply(Tile& tile, const Bf16* a, int64_t stride, int64_t rows, int64_t vectors,
              const float* b, int64_t words, const Lines& lines) {
  multiply_any(tile, a, stride, rows, vectors, b, words, lines);
}
#endif

}  // namespace gmlp::fused::GMLP_ISA
