#pragma once
// What a product prefetches between its k-steps. All at once, prefetches would fill the queue that
// the product's own loads need.

#include <type_traits>

#include "kernels/gemm/pack.h"

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

}  // namespace gmlp::fused::GMLP_ISA
