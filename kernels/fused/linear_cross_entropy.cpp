// Softmax cross-entropy of a linear layer on the block's GEMM: M scored rows of x, each with one id
// of a vocabulary of V, against a language model's table W. At V = 30,000 their logits (M,V) would
// be larger than the rest of a small model's step, so they are never in memory at once.
//
//   forward    z = x Wᵀ + b                                  x (M,D), W (V,D), b (V) or nullptr
//              top = max_v z        sum = sum_v exp(z - top)
//              loss[r] = log(sum[r]) + (top[r] - z[r,ids[r]])
//   backward   dz = dloss (exp(z - top) / sum - onehot(ids))
//              dx = dz W        dW += dzᵀ x        db += sum_r dz[r,:]
//
// The forward goes over the ids from left to right with a running top and sum:
//
//   top' = max(top, max_tile z)     sum' = sum exp(top - top') + sum_tile exp(z - top')
//
// Saved are both, because top + log(sum) would lose precision: with logits of 1e4 its rounding
// would change every probability by a thousandth.
//
// z is computed in tiles of kBandRows x kTileIds, one band of rows after the other. Tasks are some
// rows of a tile, which stays in the L2 and L3 caches: the forward reduces it into top and sum, and
// the backward turns it into dz in the epilogue and multiplies it twice. Workspace: two packed
// pieces of W, a packed band of x, one tile.

#include "kernels/gemm/weight_gradient.h"
#include "kernels/kernels.h"
#include "kernels/math/exp.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

constexpr int64_t kBandRows = 1024;
constexpr int64_t kTileIds = 512;
constexpr float kLowest = -3.40282347e38f;  // finite: exp(-inf - kLowest) is 0, not NaN

/// Members are allocated in their order.
struct Workspace {
  WorkspaceAllocator& allocator;
  const LinearShape& shape;

  int64_t band = min(kBandRows, shape.rows);
  int64_t ids = min(kTileIds, shape.out);
  int64_t z_stride = row_stride<float>(ceil_div(ids, kLanes) * kLanes);
  PackedB table_t = allocate_b(allocator, shape.in, ids);    // (D, ids): Tᵀ of the tile, for z
  float* z = allocate<float>(allocator, (band * z_stride));  // (band, z_stride), then dz
  // Forward.
  float* lane_tops = allocate<float>(allocator, (band * kLanes));  // (band, 16): of each lane's ids
  float* lane_sums = allocate<float>(allocator, (band * kLanes));  // (band, 16): their sums
  // Backward.
  PackedB table = allocate_b(allocator, ids, shape.in);  // (ids, D): W of the tile, for dx
  PackedB x = allocate_b(allocator, band, shape.in);     // (band, D), for dW
  float* dy_tiles = allocate<float>(allocator, dy_tiles_size<float>(ids, band));  // of dzᵀ
};

/// Rows [r0, r0 + rows) and ids [c0, c0 + cols) of z.
struct LossTile {
  int64_t r0;
  int64_t rows;
  int64_t c0;
  int64_t cols;

  bool has(int64_t id) const { return id >= c0 && id < c0 + cols; }
};
GMLP_INLINE LossTile tile_at(const LinearShape& shape, int64_t r0, int64_t c0) {
  return {r0, min(kBandRows, shape.rows - r0), c0, min(kTileIds, shape.out - c0)};
}

/// Calls body(row, col, count, z) for each vector of z in rows [begin, end) of the tile.
template <typename Body>
GMLP_INLINE void compute_logits(const Workspace& ws, const LossTile& tile, const float* x,
                                const float* bias, int64_t begin, int64_t end, const Body& body) {
  const int64_t width = ws.shape.in;
  gemm_rows(RowMajor<float>{x + tile.r0 * width, width}, ws.table_t, begin, end, Triangle::kNone,
            kNoPrefetch, [&](int64_t row, int64_t col, int64_t count, F32x16 sum) {
              const F32x16 z = bias == nullptr ? sum : sum + load(bias + tile.c0 + col, count);
              body(row, col, count, z);
            });
}

/// Reduces row i of the tile into its running tops and sums, lane by lane.
GMLP_INLINE void reduce_row(const Workspace& ws, const LossTile& tile, int64_t i) {
  const float* z = ws.z + i * ws.z_stride;
  const F32x16 before = tile.c0 == 0 ? set1(kLowest) : load(ws.lane_tops + i * kLanes);
  F32x16 top = before;
  for (int64_t c = 0; c < tile.cols; c += kLanes) top = max(load(z + c), top);
  F32x16 sum = zero();
  if (tile.c0 > 0) sum = load(ws.lane_sums + i * kLanes) * exp(before - top);
  for (int64_t c = 0; c < tile.cols; c += kLanes) sum = sum + exp(load(z + c) - top);
  store(ws.lane_tops + i * kLanes, top);
  store(ws.lane_sums + i * kLanes, sum);
}

}  // namespace

int64_t linear_cross_entropy_workspace(const LinearShape& shape) {
  WorkspaceAllocator allocator;
  static_cast<void>(Workspace{allocator, shape});
  return allocator.used;
}

void linear_cross_entropy_forward(float* loss_rows, float* top, float* sum_of_row, const float* x,
                                  const float* table, const float* bias, const int64_t* ids,
                                  void* workspace, const LinearShape& shape) {
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  Workspace ws{allocator, shape};
  for (int64_t r0 = 0; r0 < shape.rows; r0 += kBandRows) {
    for (int64_t c0 = 0; c0 < shape.out; c0 += kTileIds) {
      const LossTile tile = tile_at(shape, r0, c0);
      ws.table_t.n = tile.cols;
      pack_b<float>(ws.table_t, table + c0 * shape.in, shape.in, shape.in, true);
      parallel_tiles<float>(tile.rows, [&](int64_t begin, int64_t end, auto...) {
        compute_logits(ws, tile, x, bias, begin, end,
                       [&](int64_t row, int64_t col, int64_t count, F32x16 z) {
                         float* place = ws.z + row * ws.z_stride + col;
                         if (count < kLanes) store(place, set1(-__builtin_inff()));  // padding
                         store(place, z, count);
                       });
        // The tile with a row's id stores its logit in loss_rows, and the last tile the loss.
        for (int64_t i = begin; i < end; ++i) {
          const int64_t r = r0 + i;
          reduce_row(ws, tile, i);
          if (tile.has(ids[r])) loss_rows[r] = ws.z[i * ws.z_stride + ids[r] - c0];
          if (c0 + tile.cols < shape.out) continue;
          const F32x16 tops = load(ws.lane_tops + i * kLanes);
          top[r] = reduce_max(tops);
          sum_of_row[r] = sum(load(ws.lane_sums + i * kLanes) * exp(tops - set1(top[r])));
          loss_rows[r] = __builtin_logf(sum_of_row[r]) + (top[r] - loss_rows[r]);
        }
      });
    }
  }
}

void linear_cross_entropy_backward(float* dx, float* dtable, float* dbias, float dloss,
                                   const float* top, const float* sum, const float* x,
                                   const float* table, const float* bias, const int64_t* ids,
                                   void* workspace, const LinearShape& shape) {
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  Workspace ws{allocator, shape};
  const int64_t width = shape.in;
  for (int64_t r0 = 0; r0 < shape.rows; r0 += kBandRows) {
    ws.x.k_steps = min(kBandRows, shape.rows - r0);
    pack_b<float>(ws.x, x + r0 * width, width, ws.x.k_steps, false);
    for (int64_t c0 = 0; c0 < shape.out; c0 += kTileIds) {
      const LossTile tile = tile_at(shape, r0, c0);
      const float* rows = table + c0 * width;
      ws.table_t.n = tile.cols;
      ws.table.k_steps = tile.cols;
      pack_b<float>(ws.table_t, rows, width, width, true);
      if (dx != nullptr) pack_b<float>(ws.table, rows, width, tile.cols, false);
      parallel_tiles<float>(tile.rows, [&](int64_t begin, int64_t end, auto...) {
        compute_logits(ws, tile, x, bias, begin, end,
                       [&](int64_t row, int64_t col, int64_t count, F32x16 z) {  // dz
                         const F32x16 scale = set1(dloss / sum[r0 + row]);
                         const F32x16 dz = exp(z - set1(top[r0 + row])) * scale;
                         store(ws.z + row * ws.z_stride + col, dz, count);
                       });
        for (int64_t i = begin; i < end; ++i) {
          const int64_t id = ids[r0 + i];
          if (tile.has(id)) ws.z[i * ws.z_stride + id - c0] -= dloss;
        }
        if (dx == nullptr) return;
        float* dx_rows = dx + r0 * width;
        for (int64_t i = begin * width; c0 == 0 && i < end * width; ++i) dx_rows[i] = 0;
        gemm_rows_accumulate(dx_rows, width, ws.z, ws.z_stride, ws.table, begin, end,
                             Triangle::kNone);
      });
      const WeightGradient<float> dt[] = {
          {dtable + c0 * width, dbias == nullptr ? nullptr : dbias + c0, ws.z, ws.x, tile.rows}};
      add_weight_gradients(dt, width, ws.z_stride, ws.dy_tiles, tile.rows, tile.cols);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
