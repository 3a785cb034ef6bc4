#pragma once
// How a block's batch is cut. A chunk is as many samples as keep the widest activation near
// kChunkBytes; within it, rows (tokens of all its samples) are cut into blocks and channels into
// groups for threads. All of it follows from the sizes alone.

#include "kernels/gemm/gemm.h"
#include "kernels/kernels.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kChunkBytes = 5 << 20;
constexpr int64_t kMC = kMCTiles * kMR;
static_assert(kMC % 2 == 0, "put_in_panel: both rows of a word belong to one task");
constexpr int64_t kGroup = 64;  // channels that a spatial task takes

/// E, the width of the gate.
GMLP_INLINE int64_t gate_width(const BlockShape& s) {
  return s.gate == Gate::kSplit ? s.d_ffn / 2 : s.d_ffn;
}

/// Numbers in each of the block's parameters.
GMLP_INLINE BlockWeights<int64_t> weight_sizes(const BlockShape& shape) {
  const int64_t d = shape.d_model;
  const int64_t width = gate_width(shape);
  return {.norm_weight = d,
          .norm_bias = d,
          .fc1_weight = shape.d_ffn * d,
          .fc1_bias = shape.d_ffn,
          .gate_norm_weight = width,
          .gate_norm_bias = width,
          .spatial_weight = shape.tokens * shape.tokens,
          .spatial_bias = shape.tokens,
          .fc2_weight = d * width,
          .fc2_bias = d};
}

GMLP_INLINE int64_t chunk_samples(const BlockShape& s) {
  constexpr int64_t kBf16Size = sizeof(Bf16Operand);
  const int64_t size = s.precision == Precision::kBf16 ? kBf16Size : 4;
  return max(1, min(kChunkBytes / (s.tokens * s.d_ffn * size), s.batch));
}

/// One chunk's view of the block's activations: rows of (samples * tokens). What is saved is in S;
/// products take T, which is bf16 only where pairs of it are multiplied. The strides of room that
/// the workspace gives are stride_of<T>().
template <typename S>
struct Chunk {
  int64_t samples;
  int64_t rows;
  const float* x;            // (rows, D)
  float* y;                  // (rows, D), forward
  const float* dy;           // (rows, D), backward
  float* dx;                 // (rows, D), backward
  const float* drop_scales;  // (samples) or nullptr
  const float* gate_extra;   // (rows, E) or nullptr
  float* dgate_extra;        // (rows, E) or nullptr
  float* mean;               // BlockSaved, at this chunk's rows
  float* rstd;
  float* gate_mean;
  float* gate_rstd;
  S* h;  // (rows, F); nullptr where nothing is saved
  S* t;  // (rows, E); nullptr where nothing is saved
};

/// What a later load of it would give: the backward recomputes z from the rounded h, so the forward
/// takes it from there too.
GMLP_INLINE F32x16 rounded(F32x16 x, float /*as*/) {
  return x;
}
GMLP_INLINE F32x16 rounded(F32x16 x, Bf16 /*as*/) {
  return as_bf16(x);
}

GMLP_INLINE int64_t row_blocks(int64_t rows) {
  return ceil_div(rows, kMC);
}

/// Weight gradients sum over each half of a chunk alone, and the halves are added at the end: where
/// two threads share no cache, each then reads what it wrote itself. The first half has the first
/// of the row blocks, rounded down, as parallel_tasks deals them out to two; a single block is the
/// second.
GMLP_INLINE int64_t first_half(int64_t rows) {
  return row_blocks(rows) / 2 * kMC;
}
/// No half of a chunk of `rows`, or of one with fewer, is longer.
GMLP_INLINE int64_t longest_half(int64_t rows) {
  return min(rows, ceil_div(row_blocks(rows), 2) * kMC);
}
/// B (rows,n) of both halves, packed one after the other.
struct HalvedB {
  PackedB of[2];
  int64_t split;  // rows in the first

  const PackedB& at(int64_t row) const { return of[row < split ? 0 : 1]; }
  /// The row's place in its half.
  int64_t row_in_half(int64_t row) const { return row < split ? row : row - split; }
};
template <typename T>
GMLP_INLINE HalvedB halved_b(float* data, int64_t rows, int64_t n) {
  const int64_t split = first_half(rows);
  const int64_t words = words_of<T>(split);
  return {{{data, words, n}, {data + packed_b_size(words, n), words_of<T>(rows - split), n}},
          split};
}
/// dW (m,n) += dyᵀ x, halved: the first half into `first`, the second into `second`.
struct HalvedGradient {
  float* first_weight;
  float* first_bias;
  float* second_weight;
  float* second_bias;
};
template <typename T>
GMLP_INLINE void halved_weight(const HalvedGradient& grad, const T* dy, int64_t dy_stride,
                               const HalvedB& x, float* a_room, int64_t m, int64_t rows) {
  const TransposedProduct<T> halves[] = {
      {grad.first_weight, grad.first_bias, dy, x.of[0], x.split},
      {grad.second_weight, grad.second_bias, dy + x.split * dy_stride, x.of[1], rows - x.split}};
  gemm_transposed(halves, x.of[0].n, dy_stride, a_room, words_of<T>(longest_half(rows)), m);
}

/// Hands out a workspace piece by piece, each on a cache line of its own. With base nullptr it
/// measures.
struct WorkspaceAllocator {
  char* base;
  int64_t used;
};
template <typename T>
GMLP_INLINE T* allocate(WorkspaceAllocator& carver, int64_t count) {
  T* piece = carver.base == nullptr ? nullptr : reinterpret_cast<T*>(carver.base + carver.used);
  // A word more: the last row's last bf16 is read as half of one.
  carver.used += ceil_div(count * static_cast<int64_t>(sizeof(T)) + 4, 64) * 64;
  return piece;
}
template <typename T>
GMLP_INLINE Tiles<T> allocate_weight_tiles(WorkspaceAllocator& carver, int64_t n) {
  const int64_t words = words_of<T>(n);
  return {allocate<float>(carver, tiles_of(n) * packed_tile_size(words)), words};
}
GMLP_INLINE PackedB allocate_b(WorkspaceAllocator& carver, int64_t words, int64_t n) {
  return {allocate<float>(carver, packed_b_size(words, n)), words, n};
}

}  // namespace gmlp::fused::GMLP_ISA
