#pragma once
// A fused block's data: the shape of its chunks, one chunk of the batch, and its workspaces.
//
// A chunk is as many samples as keep the widest activation within kChunkBytes, at least one. It has
// two kinds of tasks: up to kMC rows (tokens of all samples) for the channel projections, or kNC
// channels of one sample for the spatial products.
//
// Operand is the type of the products' inputs, Saved the type of h and t in memory. Operand is bf16
// only in bf16 precision and only if the instruction set multiplies pairs of bf16.

#include "kernels/gemm/weight_gradient.h"
#include "kernels/kernels.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kChunkBytes = 5 << 20;
constexpr int64_t kNC = 64;

struct ChunkShape : BlockShape {
  int64_t d_gate;    // E
  int64_t d_stride;  // row_stride<Operand>() of D, E and F
  int64_t e_stride;
  int64_t f_stride;
  int64_t samples;
  int64_t rows;  // samples * N
};
/// The shape of a whole chunk; the last one of a batch may have fewer samples.
template <typename Operand>
GMLP_INLINE ChunkShape chunk_shape(const BlockShape& shape) {
  constexpr int64_t kSize = sizeof(Operand);
  const int64_t e = shape.gate == Gate::kSplit ? shape.d_ffn / 2 : shape.d_ffn;
  const int64_t sample_bytes = shape.tokens * shape.d_ffn * kSize;
  const int64_t samples = max(1, min(kChunkBytes / sample_bytes, shape.batch));
  return {shape,
          e,
          row_stride<Operand>(shape.d_model),
          row_stride<Operand>(e),
          row_stride<Operand>(shape.d_ffn),
          samples,
          samples * shape.tokens};
}

template <typename T>
GMLP_INLINE T* offset(T* array, int64_t elements) {
  return array == nullptr ? nullptr : array + elements;
}
/// The samples from `first` on: their rows of BlockData, and of BlockSaved. If nothing is saved, h
/// and t are nullptr, and every chunk keeps its norms' statistics in `stats`, in the workspace.
template <typename Operand, typename Saved>
struct Chunk : ChunkShape, BlockData {
  float* mean;       // (rows)
  float* rstd;       // (rows)
  float* gate_mean;  // (rows)
  float* gate_rstd;  // (rows)
  Saved* h;          // (rows, F)
  Saved* t;          // (rows, E)

  GMLP_INLINE Chunk at(const ChunkShape& shape, const BlockData& data, const BlockSaved& saved,
                       float* stats, int64_t first) {
    const int64_t row = first * shape.tokens;
    const auto stats_of = [&](float* all, int64_t i) {
      return saved.mean == nullptr ? stats + i * shape.rows : all + row;
    };
    const int64_t d_first = row * shape.d_model;
    const int64_t e_first = row * shape.d_gate;
    Chunk chunk{shape,
                {.x = offset(data.x, d_first),
                 .y = offset(data.y, d_first),
                 .drop_scales = offset(data.drop_scales, first),
                 .gate_extra = offset(data.gate_extra, e_first),
                 .dy = offset(data.dy, d_first),
                 .dx = offset(data.dx, d_first),
                 .dgate_extra = offset(data.dgate_extra, e_first)},
                stats_of(saved.mean, 0),
                stats_of(saved.rstd, 1),
                stats_of(saved.gate_mean, 2),
                stats_of(saved.gate_rstd, 3),
                offset(static_cast<Saved*>(saved.h), row * shape.d_ffn),
                offset(static_cast<Saved*>(saved.t), e_first)};
    chunk.samples = min(shape.samples, shape.batch - first);
    chunk.rows = chunk.samples * shape.tokens;
    return chunk;
  }
};

/// x rounded to the type in which it is stored. The backward recomputes z from the rounded h, so
/// the forward rounds h before it computes z.
template <typename Stored>
GMLP_INLINE F32x16 round_to(F32x16 x) {
  return sizeof(Stored) == sizeof(float) ? x : as_bf16(x);
}

/// A task of the spatial products: a sample and kNC channels.
struct SpatialTask {
  int64_t sample;
  int64_t col;   // the first channel
  int64_t cols;  // how many
};
GMLP_INLINE int64_t spatial_tasks(const ChunkShape& chunk) {
  return chunk.samples * ceil_div(chunk.d_gate, kNC);
}
GMLP_INLINE SpatialTask spatial_task(const ChunkShape& chunk, int64_t task) {
  const int64_t groups = ceil_div(chunk.d_gate, kNC);
  const int64_t col = task % groups * kNC;
  return {task / groups, col, min(kNC, chunk.d_gate - col)};
}
/// Floats of the packed v̂ or dt of one task.
template <typename Operand>
GMLP_INLINE int64_t spatial_panels_size(const ChunkShape& chunk) {
  return packed_b_size(k_steps_of<Operand>(chunk.tokens), kNC);
}

/// Members are allocated in their order: the packed weights from `weights`, everything else from
/// `allocator`, which may be the same.
template <typename Operand>
struct ForwardWorkspace {
  WorkspaceAllocator& weights;
  WorkspaceAllocator& allocator;
  const ChunkShape& shape;

  PackedB w1 = allocate_b(weights, k_steps_of<Operand>(shape.d_model), shape.d_ffn);  // W1ᵀ (D,F)
  PackedB w2 = allocate_b(weights, k_steps_of<Operand>(shape.d_gate), shape.d_model);  // W2ᵀ (E,D)
  TiledA<Operand> w = allocate_tiles<Operand>(weights, shape.tokens);                  // W (N,N)
  // (R,D), and whole tasks in both parts: a thread normalizes all of its tasks in one place.
  Operand* x_hat = allocate<Operand>(allocator, (shape.rows + 2 * kMC) * shape.d_stride);
  Operand* z = allocate<Operand>(allocator, (shape.rows * shape.f_stride));      // (R,F)
  Operand* gated = allocate<Operand>(allocator, (shape.rows * shape.e_stride));  // (R,E)
  // v̂ of each spatial task
  float* panels =
      allocate<float>(allocator, spatial_tasks(shape) * spatial_panels_size<Operand>(shape));
  float* stats = allocate<float>(allocator, 4 * shape.rows);  // if nothing is saved
};

template <typename Operand>
struct BackwardWorkspace {
  WorkspaceAllocator& allocator;
  const ChunkShape& shape;

  PackedB w1 = allocate_b(allocator, k_steps_of<Operand>(shape.d_ffn), shape.d_model);   // (F,D)
  PackedB w2 = allocate_b(allocator, k_steps_of<Operand>(shape.d_model), shape.d_gate);  // (D,E)
  TiledA<Operand> w_transposed = allocate_tiles<Operand>(allocator, shape.tokens);  // Wᵀ (N,N)
  Operand* dh = allocate<Operand>(allocator, (shape.rows * shape.f_stride));        // (R,F)
  Operand* dt = allocate<Operand>(allocator, (shape.rows * shape.e_stride));        // (R,E)
  Operand* v_hat = allocate<Operand>(allocator, (shape.rows * shape.e_stride));     // (R,E)
  Operand* dv_hat = allocate<Operand>(allocator, (shape.rows * shape.e_stride));    // (R,E)
  Operand* dr = allocate<Operand>(allocator, (shape.rows * shape.d_stride));        // (R,D)
  float* dx_hat = allocate<float>(allocator, (shape.rows * shape.d_model));         // (R,D)
  // The packed B of one step at a time: of R rows, of the spatial tasks, or v̂ᵀ of each sample.
  float* panels = allocate<float>(
      allocator,
      max(packed_b_size(k_steps_of<Operand>(shape.rows), max(shape.d_model, shape.d_gate)),
          max(spatial_tasks(shape) * spatial_panels_size<Operand>(shape),
              packed_b_size(k_steps_of<Operand>(shape.d_gate), shape.tokens) * shape.samples)));
  int64_t part_steps = k_steps_of<Operand>(longest_part(shape.rows));
  float* dy_tiles =
      allocate<float>(allocator, 2 * max(dy_tiles_size<Operand>(shape.d_ffn, part_steps),
                                         dy_tiles_size<Operand>(shape.d_model, part_steps)));
  // Per row task: sums of dgamma and dbeta, and two rows of scratch (v and GELU's slope).
  float* norm_sums =
      allocate<float>(allocator, row_tasks(shape.rows) * max(2 * shape.d_model, 4 * shape.d_gate));
  // Sums over the first part of the rows, added to the gradient at the end (weight_gradient.h).
  BlockWeights<float*> partial_grad = {
      .fc1 = {allocate<float>(allocator, (shape.d_ffn * shape.d_model)),
              allocate<float>(allocator, shape.d_ffn)},
      .spatial = {allocate<float>(allocator, (shape.tokens * shape.tokens)),
                  allocate<float>(allocator, shape.tokens)},
      .fc2 = {allocate<float>(allocator, (shape.d_model * shape.d_gate)),
              allocate<float>(allocator, shape.d_model)}};
};

}  // namespace gmlp::fused::GMLP_ISA
