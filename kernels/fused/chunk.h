#pragma once
// How a block's batch is cut. A chunk is as many samples as keep the widest activation near
// kChunkBytes; within it, rows (tokens of all its samples) are cut into blocks and channels into
// groups for threads. All of it follows from the sizes alone.

#include "kernels/dispatch.h"
#include "kernels/fused/gemm.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kChunkBytes = 2 << 20;
constexpr int64_t kRowBlock = 96;    // a multiple of every kTileRows
constexpr int64_t kGroupPanels = 4;  // panels of channels that a spatial task takes

GMLP_INLINE int64_t chunk_samples(const BlockShape& s) {
  const int64_t fit = kChunkBytes / (s.tokens * s.d_ffn * static_cast<int64_t>(sizeof(float)));
  return fit < 1 ? 1 : smaller(fit, s.batch);
}

/// One chunk's view of the block's activations: rows of (samples * tokens).
struct Chunk {
  int64_t samples;
  int64_t rows;
  const float* x;            // (rows, D)
  float* y;                  // (rows, D), forward
  const float* dy;           // (rows, D), backward
  float* dx;                 // (rows, D), backward
  const float* drop_scales;  // (samples) or nullptr
  BlockSaved saved;          // at this chunk's rows
};

GMLP_INLINE int64_t row_blocks(int64_t rows) {
  return ceil_div(rows, kRowBlock);
}

/// Hands out a workspace piece by piece, each on a cache line of its own. With base nullptr it
/// measures.
struct Carver {
  char* base;
  int64_t used;
  float* floats(int64_t count) {
    float* piece = base == nullptr ? nullptr : reinterpret_cast<float*>(base + used);
    used += ceil_div(count * static_cast<int64_t>(sizeof(float)), 64) * 64;
    return piece;
  }
};

}  // namespace gmlp::fused::GMLP_ISA
