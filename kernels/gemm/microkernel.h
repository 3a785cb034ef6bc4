#pragma once
// The register tile: kMR x kNR sums of a product stay in registers over all of its k-steps.
//
//   gemm_microkernel             a tile of 1 to kMR rows; a small edge does only its own work
//   gemm_microkernel_overlapped  a whole tile, interleaved with the epilogue of the previous one
//
// Between its k-steps a product prefetches what comes next. All at once, prefetches would fill the
// queue that the product's own loads need.

#include <type_traits>

#include "kernels/gemm/pack.h"

#if defined(GMLP_HAS_TMM)
#  include "kernels/gemm/microkernel_tmm.h"
#endif

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kLineBytes = 64;
constexpr int64_t kLineSteps = 16;  // k-steps per cache line of a row of A

struct PrefetchPlan {
  /// The tile's rows of one array that its epilogue reads or writes.
  struct Rows {
    const char* first;  // the first row's kNR numbers
    int64_t stride;     // bytes from row to row
    int64_t last;       // bytes from the first of the kNR numbers to the end of the last
    bool written;
  };
  static constexpr int64_t kArrays = 8;
  Rows rows[kArrays];
  int64_t arrays = 0;
  /// Lines that later tiles read.
  const char* later = nullptr;
  const char* later_end = nullptr;
};

/// Of a product whose epilogue works in the cache.
constexpr auto kNoPrefetch = [](PrefetchPlan&, int64_t, int64_t) {};

/// Adds the tile's rows at p, `stride` elements apart: to read if they are const, else to write.
template <typename T>
GMLP_INLINE void add_rows(PrefetchPlan& plan, T* p, int64_t stride) {
  constexpr int64_t kSize = sizeof(T);
  if (plan.arrays == PrefetchPlan::kArrays) return;
  plan.rows[plan.arrays++] = {reinterpret_cast<const char*>(p), stride * kSize, kNR * kSize - 1,
                              !std::is_const_v<T>};
}
/// Prefetches both ends of a row's kNR numbers.
GMLP_INLINE void prefetch_row(const PrefetchPlan::Rows& rows, int64_t row) {
  const char* first = rows.first + row * rows.stride;
  if (rows.written) {
    prefetch_to_write(first);
    prefetch_to_write(first + rows.last);
  } else {
    prefetch(first);
    prefetch(first + rows.last);
  }
}

/// Prefetches one of `vectors` shares of a plan, that of vector `vector` of the tile.
GMLP_INLINE void prefetch_share(const PrefetchPlan& plan, int64_t vector, int64_t vectors) {
  for (int64_t i = 0; vector % kNRVectors == 0 && i < plan.arrays; ++i) {
    prefetch_row(plan.rows[i], vector / kNRVectors);
  }
  const int64_t lines = ceil_div((plan.later_end - plan.later) / kLineBytes, vectors);
  for (int64_t i = vector * lines; i < (vector + 1) * lines; ++i) {
    prefetch(plan.later + i * kLineBytes);
  }
}

/// Spreads the prefetching of [next, end) over the `tiles` tiles that are left: adds this tile's
/// share and advances `next`. Each vector of the tile gets the same number of lines.
GMLP_INLINE void add_contiguous(PrefetchPlan& plan, const float*& next, const float* end,
                                int64_t tiles) {
  constexpr int64_t kOneLineEach = kMR * kNRVectors * kLineSteps;
  const int64_t share = ceil_div(ceil_div(end - next, tiles), kOneLineEach) * kOneLineEach;
  plan.later = reinterpret_cast<const char*>(next);
  next += min(share, end - next);
  plan.later_end = reinterpret_cast<const char*>(next);
}
/// Adds the share of tile `i` of `tiles` of the panel after `panel`, if B is cold. It replaces what
/// add_contiguous added, because B comes from DRAM and the other mostly from a cache.
GMLP_INLINE void add_next_panel(PrefetchPlan& plan, const PackedB& b, int64_t panel, int64_t i,
                                int64_t tiles) {
  if (!b.cold || panel + 1 == panels_of(b.n)) return;
  const int64_t floats = b.k_steps * kNR;
  const int64_t share = ceil_div(ceil_div(floats, tiles), kLineSteps) * kLineSteps;
  const float* next = panel_at(b, panel + 1);
  plan.later = reinterpret_cast<const char*>(next + min(i * share, floats));
  plan.later_end = reinterpret_cast<const char*>(next + min((i + 1) * share, floats));
}

struct Tile {
  F32x16 c[kMROf<Bf16Operand> * kNRVectors];  // no fewer than in f32
};

/// Reads A's rows of a tile: `stride` elements apart, or packed, next to each other in a k-step.
template <typename Operand, bool kPacked, int kRows>
struct RowReader {
  // Every third row has a pointer, and indexed addressing reaches the two after it: so all of them
  // fit into the general registers.
  static constexpr int kPointers = (kRows + 2) / 3;
  static constexpr int64_t kStepBytes = kPacked ? 4 * kMR : 4;
  const char* pointer[kPointers];
  int64_t row_bytes;

  GMLP_INLINE RowReader start(const Operand* a, int64_t stride) {
    RowReader reader;
    reader.row_bytes = kPacked ? 4 : stride * static_cast<int64_t>(sizeof(Operand));
    for (int i = 0; i < kPointers; ++i) {
      reader.pointer[i] = reinterpret_cast<const char*>(a) + 3 * i * reader.row_bytes;
    }
    return reader;
  }
  /// Row `row`, `ahead` k-steps from the current one, in all lanes.
  __attribute__((always_inline)) F32x16 broadcast(int row, int ahead) const {
    const char* place = pointer[row / 3] + (row % 3) * row_bytes + ahead * kStepBytes;
    return KStep<Operand>::broadcast(reinterpret_cast<const Operand*>(place));
  }
  __attribute__((always_inline)) void advance(int k_steps) {
#pragma GCC unroll 8
    for (int i = 0; i < kPointers; ++i) {
      pointer[i] += k_steps * kStepBytes;
      asm("" : "+r"(pointer[i]));  // one by one: as a vector they would pass through memory
    }
  }
  /// Without this the compiler keeps a pointer for every row and every k-step ahead.
  __attribute__((always_inline)) void pin() {
#pragma GCC unroll 8
    for (int i = 0; i < kPointers; ++i) asm("" : "+r"(pointer[i]));
    asm("" : "+r"(row_bytes));
  }
};

/// c += kSteps k-steps of A's rows times those of B's panel, and advances both. `c` is kRows x
/// kVectors of a tile, in registers.
template <int kSteps, typename Operand, bool kPacked, int kRows, int kVectors>
GMLP_INLINE void add_k_steps(F32x16 (&c)[kRows * kVectors],
                             RowReader<Operand, kPacked, kRows>& a_rows, const float*& b) {
#pragma GCC unroll 16
  for (int k_step = 0; k_step < kSteps; ++k_step) {
    F32x16 b_vectors[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) b_vectors[v] = load(b + k_step * kNR + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const F32x16 a = a_rows.broadcast(i, k_step);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        KStep<Operand>::add_product(c[i * kVectors + v], a, b_vectors[v]);
      }
    }
    a_rows.pin();
    asm("" : "+r"(b));
  }
  a_rows.advance(kSteps);
  b += kSteps * kNR;
}

/// tile = A B over `k_steps`, for up to kMROf rows and kNRVectors vectors. A's rows are `stride`
/// elements apart; 0: packed. microkernel.cpp compiles it once, for every number of rows.
void gemm_microkernel(Tile& tile, const float* a, int64_t stride, int64_t rows, int64_t vectors,
                      const float* b, int64_t k_steps, const PrefetchPlan& plan);
#if defined(GMLP_HAS_BF16_DOT)
void gemm_microkernel(Tile& tile, const Bf16* a, int64_t stride, int64_t rows, int64_t vectors,
                      const float* b, int64_t k_steps, const PrefetchPlan& plan);
#endif

/// A whole tile = A B over `k_steps`, and the epilogue of the previous tile interleaved with it:
/// epilogue(i) for each vector of that tile, spread over the k-steps. An epilogue mostly waits for
/// its own results, so both share the same cycles.
template <typename Operand, bool kPacked, typename Epilogue>
GMLP_INLINE void gemm_microkernel_overlapped(Tile& tile, const Operand* a, int64_t stride,
                                             const float* b, int64_t k_steps,
                                             const PrefetchPlan& plan, const Epilogue& epilogue) {
#if defined(GMLP_HAS_TMM)
  if constexpr (kUsesTmm<Operand>) {
    multiply_tmm<kPacked>(
        tile.c, a, stride, kMROf<Operand>, kNRVectors, b,
        k_steps, [&](int64_t vector) __attribute__((always_inline)) {
          prefetch_share(plan, vector, kTmmVectors);
          epilogue(vector);
        });
    return;
  }
#endif
  constexpr int64_t kVectors = kMR * kNRVectors;
  F32x16 c[kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; ++i) c[i] = zero();
  constexpr int kRows = static_cast<int>(kMR);
  using Reader = RowReader<Operand, kPacked, kRows>;
  Reader a_rows = Reader::start(a, stride);
  const auto step = [&]() __attribute__((always_inline)) {
    add_k_steps<1, Operand, kPacked, kRows, static_cast<int>(kNRVectors)>(c, a_rows, b);
  };
  const int64_t steps_between = k_steps / kVectors;
  const int64_t lines_between = ceil_div((plan.later_end - plan.later) / kLineBytes, kVectors);
  const char* later = plan.later;
  int64_t k_step = 0;
#pragma GCC unroll 1
  for (int64_t vector = 0; vector < kVectors; ++vector) {
#pragma GCC unroll 1
    for (int64_t i = 0; i < plan.arrays; ++i) {
      if (vector % kNRVectors == 0) prefetch_row(plan.rows[i], vector / kNRVectors);
    }
    epilogue(vector);
#pragma GCC unroll 1
    for (int64_t i = 0; i < lines_between; ++i, later += kLineBytes) prefetch(later);
#pragma GCC unroll 1
    for (int64_t i = 0; i < steps_between; ++i, ++k_step) {
      // When A is row-major, each k-step also prefetches the next cache line of one row.
      if constexpr (!kPacked) {
        prefetch(a_rows.pointer[0] + (k_step & (kLineSteps - 1)) * a_rows.row_bytes + kLineBytes);
      }
      step();
    }
  }
#pragma GCC unroll 1
  for (; k_step < k_steps; ++k_step) step();
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; ++i) tile.c[i] = c[i];
}

/// Calls body(i, v, count) for each row i and vector v of a tile, `count` of whose lanes are in C.
template <typename Body>
GMLP_INLINE void for_each_tile_vector(int64_t rows, int64_t cols, const Body& body) {
  if (cols == kNR) {  // all vectors are whole: no masks
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t v = 0; v < kNRVectors; ++v) body(i, v, kLanes);
    }
    return;
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t v = 0; v * kLanes < cols; ++v) body(i, v, min(kLanes, cols - v * kLanes));
  }
}
/// C += tile.
GMLP_INLINE void add_tile(float* c, int64_t stride, const Tile& tile, int64_t rows, int64_t cols) {
  for_each_tile_vector(rows, cols, [&](int64_t i, int64_t v, int64_t count) {
    float* place = c + i * stride + v * kLanes;
    store(place, load(place, count) + tile.c[i * kNRVectors + v], count);
  });
}

}  // namespace gmlp::fused::GMLP_ISA
