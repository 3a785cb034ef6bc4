#pragma once
// The matrix product inside every fused kernel: C (m,n) = A (m,k) B (k,n) with operands of f32 or
// bf16 and sums in f32. Sizes are named as in BLIS.
//
//   register tile   kMR x kNR of C stays in registers over all of k
//   B               packed panels (pack.h): all row tiles read one panel from L1 or L2
//   A               row-major as it is: a tile broadcasts one k-step of each of its kMR rows at a
//                   time; or packed tiles, if A is used transposed or often
//
// For each panel, for each row tile: multiply, then run the epilogue (bias, GELU, gate, residual).
// k is not blocked: reading a panel again from L2 costs less than writing and reading partial sums
// of C. Only weight_gradient.h blocks it, so that its packed A fits into a cache. Every element of
// C is the same chain of operations for any tiles and tasks, so bits depend neither on the batch
// nor on the number of threads.

#include "kernels/gemm/microkernel.h"

namespace gmlp::fused::GMLP_ISA {

/// Where a matrix may differ from zero: everywhere, or on one side of its diagonal (a causal W, its
/// transpose, and their gradients).
enum class Triangle : uint8_t { kNone, kLower, kUpper };

/// A (m,k) as it is; TiledA of pack.h is the other kind.
template <typename Operand>
struct RowMajor {
  static constexpr bool kPacked = false;
  using Element = Operand;
  const Operand* data;
  int64_t stride;
  __attribute__((always_inline)) const Operand* at(int64_t row, int64_t k_step) const {
    return data + row * stride + k_step * KStep<Operand>::kElements;
  }
  __attribute__((always_inline)) int64_t row_stride() const { return stride; }
};

/// A multiplied tile whose epilogue has not run yet, and its place in C.
struct PendingTile {
  Tile tile;
  int64_t row = 0;
  int64_t rows = 0;
  int64_t col = 0;
  int64_t cols = 0;

  bool any() const { return rows > 0; }
  bool whole(int64_t tile_rows) const { return rows == tile_rows && cols == kNR; }
};
/// Out of line, so that the epilogue inlined into the product loop keeps its operands in registers.
template <typename Epilogue>
static __attribute__((noinline)) void run_epilogue(PendingTile& pending, const Epilogue epilogue) {
  for_each_tile_vector(pending.rows, pending.cols, [&](int64_t i, int64_t v, int64_t count) {
    epilogue(pending.row + i, pending.col + v * kLanes, count, pending.tile.c[i * kNRVectors + v]);
  });
  pending.rows = 0;
}

/// Rows [r0, r1) of C = A B, with A zero outside of `triangle`. plan_prefetch(plan, row, col) adds
/// what the epilogue of the tile at (row, col) will touch. After the product epilogue(row, col,
/// count, sums) runs for each of the tile's vectors: `count` sums from column `col` on. With
/// kOverlap it is interleaved with the product of the next tile.
template <bool kOverlap = kOverlapEpilogue, typename A, typename PlanPrefetch, typename Epilogue>
GMLP_INLINE void gemm_rows(const A& a, const PackedB& b, int64_t r0, int64_t r1, Triangle triangle,
                           const PlanPrefetch& plan_prefetch, const Epilogue& epilogue) {
  using Operand = typename A::Element;
  constexpr int64_t kElements = KStep<Operand>::kElements;
  constexpr int64_t kRows = kMROf<Operand>;
  PendingTile two[2];  // used alternately
  int64_t index = 0;
  for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
    const int64_t col = panel * kNR;
    const int64_t cols = min(kNR, b.n - col);
    for (int64_t row = r0; row < r1; row += kRows) {
      const int64_t rows = min(kRows, r1 - row);
      // The k-steps in which these rows of A may differ from zero.
      const int64_t begin = triangle == Triangle::kUpper ? row / kElements : 0;
      const int64_t end = triangle == Triangle::kLower
                              ? min(k_steps_of<Operand>(row + rows), b.k_steps)
                              : b.k_steps;
      const int64_t k_steps = end - begin;
      const float* b_panel = panel_at(b, panel) + begin * kNR;
      PrefetchPlan plan;
      plan_prefetch(plan, row, col);
      add_next_panel(plan, b, panel, (row - r0) / kRows, tiles_of<Operand>(r1 - r0));
      PendingTile& previous = two[index ^ 1];
      PendingTile& current = two[index];
      if (kOverlap && previous.whole(kRows) && rows == kRows && cols == kNR) {
        const int64_t previous_row = previous.row;
        const int64_t previous_col = previous.col;
        gemm_microkernel_overlapped<Operand, A::kPacked>(
            current.tile, a.at(row, begin), a.row_stride(), b_panel, k_steps,
            plan, [&](int64_t vector) __attribute__((always_inline)) {
              epilogue(previous_row + vector / kNRVectors,
                       previous_col + vector % kNRVectors * kLanes, kLanes,
                       previous.tile.c[vector]);
            });
        previous.rows = 0;
      } else {
        if (previous.any()) run_epilogue(previous, epilogue);
        gemm_microkernel(current.tile, a.at(row, begin), a.row_stride(), rows,
                         ceil_div(cols, kLanes), b_panel, k_steps, plan);
      }
      current.row = row;
      current.rows = rows;
      current.col = col;
      current.cols = cols;
      if (kOverlap) {
        index ^= 1;
      } else {
        run_epilogue(current, epilogue);
      }
    }
  }
  if (two[index ^ 1].any()) run_epilogue(two[index ^ 1], epilogue);
}

/// The rows of a product as tasks of `size` rows. None has rows of both parts (split_row()).
struct RowTasks {
  int64_t rows;
  int64_t split;
  int64_t size;

  int64_t count() const { return ceil_div(split, size) + ceil_div(rows - split, size); }
  /// The task's first row; it ends where the next one begins.
  int64_t begin(int64_t task) const {
    const int64_t first = ceil_div(split, size);  // tasks of the first part
    return task < first ? task * size : min(split + (task - first) * size, rows);
  }
};
/// kMC rows per task, or as many fewer tiles as let `threads` threads finish sooner: 8 tasks would
/// take six threads as long as four. Other tasks may not follow from the number of threads, but
/// here no row's result depends on its task.
template <typename Operand>
GMLP_INLINE RowTasks choose_row_tasks(int64_t rows, int64_t threads) {
  constexpr int64_t kTile = kMROf<Operand>;
  RowTasks best{rows, split_row(rows), kMC};
  int64_t least = INT64_MAX;
  for (int64_t size = kMC; size > 0; size = (size - 1) / kTile * kTile) {
    const RowTasks tasks{rows, best.split, size};
    const int64_t rounds = ceil_div(tasks.count(), threads);
    // Threads with so many tasks. If there are more than the two short tasks, one has none of them.
    const int64_t full = tasks.count() - (rounds - 1) * threads;
    const int64_t missing = full > 2 ? 0 : tasks.count() * size - rows;
    const int64_t busiest = max(max(size, ceil_div(rows, threads)), rounds * size - missing);
    // A task's first tile waits longer for B: that takes some sixteenth of a tile's time.
    const int64_t time = 16 * busiest + rounds * kTile;
    if (time >= least) continue;
    least = time;
    best = tasks;
  }
  return best;
}
/// Calls body(r0, r1, slot, tasks) once per task, with its rows [r0, r1).
template <typename Operand, typename Body>
GMLP_INLINE void parallel_tiles(int64_t rows, const Body& body) {
  const RowTasks tasks = choose_row_tasks<Operand>(rows, omp_get_max_threads());
  parallel_tasks(tasks.count(), [&](const TaskSlot& slot) {
    body(tasks.begin(slot.task), tasks.begin(slot.task + 1), slot, tasks);
  });
}

/// Rows [r0, r1) of C = A B, stored.
template <typename Operand>
GMLP_INLINE void gemm_rows(float* c, const RowMajor<Operand>& a, const PackedB& b, int64_t r0,
                           int64_t r1) {
  const int64_t n = b.n;
  gemm_rows(
      a, b, r0, r1, Triangle::kNone,
      [&](PrefetchPlan& plan, int64_t row, int64_t col) { add_rows(plan, c + row * n + col, n); },
      [&](int64_t row, int64_t col, int64_t count, F32x16 sum) {
        store(c + row * n + col, sum, count);
      });
}

/// Rows [r0, r1) of C += A B; with kLower only tiles that touch C's lower triangle.
template <typename Operand>
GMLP_INLINE void gemm_rows_accumulate(float* c, int64_t c_stride, const Operand* a,
                                      int64_t a_stride, const PackedB& b, int64_t r0, int64_t r1,
                                      Triangle triangle) {
  constexpr int64_t kRows = kMROf<Operand>;
  for (int64_t panel = 0; panel < panels_of(b.n); ++panel) {
    const int64_t col = panel * kNR;
    const int64_t cols = min(kNR, b.n - col);
    for (int64_t row = r0; row < r1; row += kRows) {
      const int64_t rows = min(kRows, r1 - row);
      if (triangle == Triangle::kLower && col >= row + rows) continue;
      float* place = c + row * c_stride + col;
      PrefetchPlan plan;
      add_rows(plan, place, c_stride);
      Tile tile;
      gemm_microkernel(tile, a + row * a_stride, a_stride, rows, ceil_div(cols, kLanes),
                       panel_at(b, panel), b.k_steps, plan);
      add_tile(place, c_stride, tile, rows, cols);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
