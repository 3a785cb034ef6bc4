#pragma once
// How a block's batch is cut. A chunk is as many samples as keep the widest activation near
// kChunkBytes; within it, rows (tokens of all its samples) are cut into blocks and channels into
// groups for threads. All of it follows from the sizes alone.

#include "kernels/dispatch.h"
#include "kernels/fused/gemm.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kChunkBytes = 5 << 20;
constexpr int64_t kRowBlock = kBlockTiles * kTileRows;
static_assert(kRowBlock % 2 == 0, "put_in_panel: both rows of a word belong to one task");
constexpr int64_t kGroup = 64;  // channels that a spatial task takes

/// E, the width of the gate.
GMLP_INLINE int64_t gate_width(const BlockShape& s) {
  return s.gate == Gate::kSplit ? s.d_ffn / 2 : s.d_ffn;
}

GMLP_INLINE int64_t chunk_samples(const BlockShape& s) {
  const int64_t size = s.precision == Precision::kBf16 ? 2 : 4;
  return larger(1, smaller(kChunkBytes / (s.tokens * s.d_ffn * size), s.batch));
}

/// One chunk's view of the block's activations: rows of (samples * tokens). The strides of room
/// that the workspace gives are stride_of<T>().
template <typename T>
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
  T* h;  // (rows, F); nullptr where nothing is saved
  T* t;  // (rows, E); nullptr where nothing is saved
};

/// What a later load of T would give: the backward recomputes z from the rounded h, so the forward
/// takes it from there too.
GMLP_INLINE V16 rounded(V16 x, float /*T*/) {
  return x;
}
GMLP_INLINE V16 rounded(V16 x, Bf16 /*T*/) {
  return low_half(pack_pairs(x, x));
}

GMLP_INLINE int64_t row_blocks(int64_t rows) {
  return ceil_div(rows, kRowBlock);
}

/// Hands out a workspace piece by piece, each on a cache line of its own. With base nullptr it
/// measures.
struct Carver {
  char* base;
  int64_t used;
};
template <typename T>
GMLP_INLINE T* carve(Carver& carver, int64_t count) {
  T* piece = carver.base == nullptr ? nullptr : reinterpret_cast<T*>(carver.base + carver.used);
  // A word more: the last row's last bf16 is read as half of one.
  carver.used += ceil_div(count * static_cast<int64_t>(sizeof(T)) + 4, 64) * 64;
  return piece;
}
template <typename T>
GMLP_INLINE Tiles<T> carve_weight_tiles(Carver& carver, int64_t n) {
  const int64_t words = words_of<T>(n);
  return {carve<float>(carver, tiles_of(n) * packed_tile_size(words)), words};
}
GMLP_INLINE PackedB carve_b(Carver& carver, int64_t words, int64_t n, int64_t block) {
  return {carve<float>(carver, packed_b_size(words, n)), words, n, block};
}

}  // namespace gmlp::fused::GMLP_ISA
