#pragma once
// dW (m,n) += dyᵀ x and db (m) += sum_r dy[r,:], with dy (R,m) row-major and x (R,n) packed.
//
// Owner computes: a task owns some rows of one dW and sums over all R in order. It packs dyᵀ in
// tiles, at most kKC k-steps at a time, so that they stay in L2.
//
// Split accumulation: a block's weight gradients sum over the first and the last rows of a chunk
// separately, into partial_grad and grad, and the two are added at the end. If two threads share
// no cache, each then reads the rows that it wrote itself.

#include "kernels/gemm/gemm.h"

namespace gmlp::fused::GMLP_ISA {

template <typename Operand>
struct WeightGradient {
  float* dweight;
  float* dbias;  // or nullptr
  const Operand* dy;
  PackedB x;
  int64_t rows;  // R
};

constexpr int64_t kKC = 800;
/// Row tiles of dW per task: a share that the problem fixes.
template <typename Operand>
GMLP_INLINE int64_t task_tiles(int64_t m) {
  return min(ceil_div(tiles_of<Operand>(m), 16), kMaxTaskTiles);
}
/// Floats of packed dyᵀ for one sum over at most `k_steps`.
template <typename Operand>
GMLP_INLINE int64_t dy_tiles_size(int64_t m, int64_t k_steps) {
  const int64_t tiles = task_tiles<Operand>(m);
  return ceil_div(tiles_of<Operand>(m), tiles) * tiles *
         packed_tile_size<Operand>(min(k_steps, kKC));
}

/// Several gradients of the same m and n, side by side. `dy_tiles` has dy_tiles_size(m, k_steps)
/// floats for each; k_steps is that of the gradient with the most rows.
template <typename Operand, int kCount>
GMLP_INLINE void add_weight_gradients(const WeightGradient<Operand> (&gradients)[kCount],
                                      int64_t dw_stride, int64_t dy_stride, float* dy_tiles,
                                      int64_t k_steps, int64_t m) {
  constexpr int64_t kRows = kMROf<Operand>;
  const int64_t tiles = task_tiles<Operand>(m);
  const int64_t tasks = ceil_div(tiles_of<Operand>(m), tiles);
  const int64_t task_size = tiles * packed_tile_size<Operand>(min(k_steps, kKC));
  parallel_tasks(kCount * tasks, [&](const TaskSlot& slot) {
    const WeightGradient<Operand> own = gradients[slot.task / tasks];
    const PackedB x = own.x;
    const int64_t own_steps = k_steps_of<Operand>(own.rows);
    const int64_t kc = ceil_div(own_steps, max(1, ceil_div(own_steps, kKC)));
    const int64_t t0 = slot.task % tasks * tiles;
    const int64_t t1 = min(t0 + tiles, tiles_of<Operand>(m));
    float* packed = dy_tiles + slot.first * task_size;
    // The next task's columns of dy are prefetched, as many rows per tile as it has.
    const bool has_next = slot.next < kCount * tasks;
    const WeightGradient<Operand> next = gradients[has_next ? slot.next / tasks : 0];
    const int64_t next_col = slot.next % tasks * tiles * kRows;
    const int64_t next_cols = has_next ? min(tiles * kRows, m - next_col) : 0;
    int64_t next_row = 0;
    for (int64_t step0 = 0; step0 < x.k_steps; step0 += kc) {
      const int64_t steps = min(kc, x.k_steps - step0);
      pack_tiles(packed, own.dbias, own.dy, dy_stride, own.rows, step0, steps, t0, t1, m);
      for (int64_t panel = 0; panel < panels_of(x.n); ++panel) {
        const int64_t col = panel * kNR;
        const int64_t cols = min(kNR, x.n - col);
        for (int64_t t = t0; t < t1; ++t, next_row += kRows) {
          const int64_t rows = min(kRows, m - t * kRows);
          float* place = own.dweight + t * kRows * dw_stride + col;
          PrefetchPlan plan;
          for (int64_t j = 0; j < next_cols && next_row < next.rows; j += kNR) {
            add_rows(plan, next.dy + next_row * dy_stride + next_col + j, dy_stride);
          }
          add_rows(plan, place, dw_stride);
          Tile tile;
          const float* a = packed + (t - t0) * packed_tile_size<Operand>(steps);
          gemm_microkernel(tile, reinterpret_cast<const Operand*>(a), 0, rows,
                           ceil_div(cols, kLanes), panel_at(x, panel) + step0 * kNR, steps, plan);
          add_tile(place, dw_stride, tile, rows, cols);
        }
      }
    }
  });
}

/// No part of `rows` rows, or of fewer, is longer.
GMLP_INLINE int64_t longest_part(int64_t rows) {
  return min(rows, ceil_div(row_tasks(rows), 2) * kMC);
}
/// B (rows,n) of both parts, packed one after the other.
struct SplitB {
  PackedB part[2];
  int64_t split;  // rows of the first

  const PackedB& at(int64_t row) const { return part[row < split ? 0 : 1]; }
  int64_t row_in_part(int64_t row) const { return row < split ? row : row - split; }
};
static_assert(kMC % 2 == 0 && kMR % 2 == 0,
              "store_in_panel: both rows of a bf16 k-step belong to one task");
template <typename Operand>
GMLP_INLINE SplitB split_b(float* data, int64_t rows, int64_t n) {
  const int64_t split = split_row(rows);
  const int64_t first = k_steps_of<Operand>(split);
  const int64_t last = k_steps_of<Operand>(rows - split);
  return {{{data, first, n}, {data + packed_b_size(first, n), last, n}}, split};
}

/// The gradient of one linear layer over the rows of a chunk, in two parts: of the first one into
/// `partial`, of the last one into `grad`.
template <typename Operand>
GMLP_INLINE void add_split_gradient(const WeightAndBias<float*>& grad,
                                    const WeightAndBias<float*>& partial, const Operand* dy,
                                    int64_t dy_stride, const SplitB& x, float* dy_tiles, int64_t m,
                                    int64_t rows) {
  const WeightGradient<Operand> parts[] = {
      {partial.weight, partial.bias, dy, x.part[0], x.split},
      {grad.weight, grad.bias, dy + x.split * dy_stride, x.part[1], rows - x.split}};
  add_weight_gradients(parts, x.part[0].n, dy_stride, dy_tiles,
                       k_steps_of<Operand>(longest_part(rows)), m);
}

}  // namespace gmlp::fused::GMLP_ISA
