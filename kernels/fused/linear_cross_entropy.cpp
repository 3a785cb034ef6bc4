// The language models' loss on the block's GEMM: M scored rows of x against a table of V rows,
// without their logits (M,V). kernels/reference/linear_cross_entropy.cpp has the derivation.
//
//   forward    z = x Tᵀ + b                                  x (M,D), T (V,D), b (V) or nullptr
//              top = max_v z        sum = sum_v exp(z - top)
//              loss[r] = log(sum[r]) + (top[r] - z[r,ids[r]])
//   backward   dz = dloss (exp(z - top) / sum - onehot(ids))
//              dx = dz T        dT += dzᵀ x        db += sum_r dz[r,:]
//
// z is made in tiles of kBand rows x kChunk ids, band after band, each from left to right; tasks
// take blocks of a tile's rows. A tile stays in the L2 and L3 caches: the forward folds it into top
// and sum, the backward turns it into dz in its epilogue and multiplies it twice. Saved: top and
// sum. Room: two packed chunks of T, a packed band of x, one tile.

#include "kernels/fused/chunk.h"
#include "kernels/fused/table.h"
#include "kernels/math/exp.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

constexpr int64_t kBand = 1024;
constexpr int64_t kChunk = 512;
constexpr float kLowest = -3.40282347e38f;  // finite: exp(-inf - kLowest) is 0, not NaN

struct LossRoom {
  PackedB across;  // (D, chunk): a chunk of Tᵀ, for z
  PackedB down;    // (chunk, D): the same of T, for dx; backward only
  PackedB x;       // (band, D), for dT; backward only
  float* a_room;   // packed tiles of dzᵀ; backward only
  float* z;        // (band, z_stride), then dz
  float* tops;     // (band, 16): the running top of each lane's ids; forward only
  float* sums;     // (band, 16): and their sum
  int64_t z_stride;
};

LossRoom allocate_loss(WorkspaceAllocator& carver, const LinearCrossEntropyShape& s,
                       bool backward) {
  const int64_t band = min(kBand, s.rows);
  const int64_t chunk = min(kChunk, s.vocab);
  LossRoom room{};
  room.z_stride = stride_of<float>(ceil_div(chunk, kLanes) * kLanes);
  room.across = allocate_b(carver, s.width, chunk);
  room.z = allocate<float>(carver, band * room.z_stride);
  if (backward) {
    room.down = allocate_b(carver, chunk, s.width);
    room.x = allocate_b(carver, band, s.width);
    room.a_room = allocate<float>(carver, owned_room(chunk, band));
  } else {
    room.tops = allocate<float>(carver, band * kLanes);
    room.sums = allocate<float>(carver, band * kLanes);
  }
  return room;
}

/// One tile of z: rows [r0, r0 + rows), ids [c0, c0 + cols).
struct LossTile {
  int64_t r0;
  int64_t rows;
  int64_t c0;
  int64_t cols;
};

/// Rows that a task takes: sixteen tasks a tile where it has the rows.
GMLP_INLINE int64_t task_rows(int64_t rows) {
  return min(kMC, ceil_div(ceil_div(rows, 16), kMR) * kMR);
}

GMLP_INLINE bool inside(const LossTile& tile, int64_t id) {
  return id >= tile.c0 && id < tile.c0 + tile.cols;
}

GMLP_INLINE F32x16 with_bias(F32x16 sum, const float* bias, int64_t id, int64_t count) {
  return bias == nullptr ? sum : sum + load(bias + id, count);
}

/// z of rows [begin, end) of the tile; a last vector that is cut gets -inf beside it.
GMLP_INLINE void logits(const LossRoom& room, const LossTile& tile, const float* x,
                        const float* bias, int64_t width, int64_t begin, int64_t end) {
  gemm_rows(RowMajor<float>{x + tile.r0 * width, width}, room.across, begin, end, Triangle::kNone,
            [&](int64_t row, int64_t col, int64_t count, F32x16 sum) {
              float* place = room.z + row * room.z_stride + col;
              if (count < kLanes) store(place, set1(-__builtin_inff()));
              store(place, with_bias(sum, bias, tile.c0 + col, count), count);
            });
}

/// Folds row i of the tile into its running tops and sums, lane by lane.
GMLP_INLINE void fold_row(const LossRoom& room, const LossTile& tile, int64_t i) {
  const float* z = room.z + i * room.z_stride;
  const F32x16 before = tile.c0 == 0 ? set1(kLowest) : load(room.tops + i * kLanes);
  F32x16 top = before;
  for (int64_t c = 0; c < tile.cols; c += kLanes) top = max(load(z + c), top);
  F32x16 sum = zero();
  if (tile.c0 > 0) sum = load(room.sums + i * kLanes) * exp(before - top);
  for (int64_t c = 0; c < tile.cols; c += kLanes) sum = sum + exp(load(z + c) - top);
  store(room.tops + i * kLanes, top);
  store(room.sums + i * kLanes, sum);
}

/// The sixteen lanes of row i become one.
GMLP_INLINE void finish_row(float* top, float* sum_of_row, const LossRoom& room, int64_t i) {
  const float* lanes = room.tops + i * kLanes;
  float highest = lanes[0];
  for (int64_t j = 1; j < kLanes; ++j) highest = lanes[j] > highest ? lanes[j] : highest;
  *top = highest;
  *sum_of_row = sum(load(room.sums + i * kLanes) * exp(load(lanes) - set1(highest)));
}

/// loss_rows of a tile that holds the row's id takes its logit; the last tile ends the row.
GMLP_INLINE void forward_rows(float* loss_rows, float* top, float* sum_of_row, const LossRoom& room,
                              const LossTile& tile, const int64_t* ids, int64_t vocab,
                              int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t r = tile.r0 + i;
    fold_row(room, tile, i);
    if (inside(tile, ids[r])) loss_rows[r] = room.z[i * room.z_stride + ids[r] - tile.c0];
    if (tile.c0 + tile.cols == vocab) {
      finish_row(top + r, sum_of_row + r, room, i);
      loss_rows[r] = __builtin_logf(sum_of_row[r]) + (top[r] - loss_rows[r]);
    }
  }
}

/// What the backward reads.
struct LossInputs {
  float dloss;
  const float* top;
  const float* sum;
  const float* x;
  const float* table;
  const float* bias;
  const int64_t* ids;
};

/// dz of rows [begin, end) of the tile, in the place of z.
GMLP_INLINE void dlogits(const LossRoom& room, const LossTile& tile, const LossInputs& in,
                         int64_t width, int64_t begin, int64_t end) {
  gemm_rows(RowMajor<float>{in.x + tile.r0 * width, width}, room.across, begin, end,
            Triangle::kNone, [&](int64_t row, int64_t col, int64_t count, F32x16 sum) {
              const int64_t r = tile.r0 + row;
              const F32x16 z = with_bias(sum, in.bias, tile.c0 + col, count);
              const F32x16 dz = exp(z - set1(in.top[r])) * set1(in.dloss / in.sum[r]);
              store(room.z + row * room.z_stride + col, dz, count);
            });
  for (int64_t i = begin; i < end; ++i) {
    const int64_t id = in.ids[tile.r0 + i];
    if (inside(tile, id)) room.z[i * room.z_stride + id - tile.c0] -= in.dloss;
  }
}

/// dx of rows [begin, end) of the tile += dz T.
GMLP_INLINE void add_dx(float* dx, const LossRoom& room, const LossTile& tile, int64_t width,
                        int64_t begin, int64_t end) {
  float* rows = dx + tile.r0 * width;
  if (tile.c0 == 0) {
    for (int64_t i = begin * width; i < end * width; ++i) rows[i] = 0;
  }
  gemm_rows_accumulate(rows, width, room.z, room.z_stride, room.down, begin, end, Triangle::kNone);
}

GMLP_INLINE LossTile tile_at(const LinearCrossEntropyShape& s, int64_t r0, int64_t c0) {
  return {r0, min(kBand, s.rows - r0), c0, min(kChunk, s.vocab - c0)};
}

}  // namespace

int64_t linear_cross_entropy_workspace(const LinearCrossEntropyShape& s) {
  WorkspaceAllocator forward{nullptr, 0};
  allocate_loss(forward, s, false);
  WorkspaceAllocator backward{nullptr, 0};
  allocate_loss(backward, s, true);
  return max(forward.used, backward.used);
}

void linear_cross_entropy_forward(float* loss_rows, float* top, float* sum, const float* x,
                                  const float* table, const float* bias, const int64_t* ids,
                                  void* workspace, const LinearCrossEntropyShape& s) {
  WorkspaceAllocator carver{static_cast<char*>(workspace), 0};
  LossRoom room = allocate_loss(carver, s, false);
  for (int64_t r0 = 0; r0 < s.rows; r0 += kBand) {
    for (int64_t c0 = 0; c0 < s.vocab; c0 += kChunk) {
      const LossTile tile = tile_at(s, r0, c0);
      room.across.n = tile.cols;
      pack_b<float>(room.across, table + c0 * s.width, s.width, s.width, true);
      const int64_t share = task_rows(tile.rows);
      parallel_tasks(ceil_div(tile.rows, share), [&](const TaskSlot& turn) {
        const int64_t task = turn.task;
        const int64_t begin = task * share;
        const int64_t end = min(begin + share, tile.rows);
        logits(room, tile, x, bias, s.width, begin, end);
        forward_rows(loss_rows, top, sum, room, tile, ids, s.vocab, begin, end);
      });
    }
  }
}

void linear_cross_entropy_backward(float* dx, float* dtable, float* dbias, float dloss,
                                   const float* top, const float* sum, const float* x,
                                   const float* table, const float* bias, const int64_t* ids,
                                   void* workspace, const LinearCrossEntropyShape& s) {
  WorkspaceAllocator carver{static_cast<char*>(workspace), 0};
  LossRoom room = allocate_loss(carver, s, true);
  const LossInputs in{dloss, top, sum, x, table, bias, ids};
  for (int64_t r0 = 0; r0 < s.rows; r0 += kBand) {
    room.x.words = min(kBand, s.rows - r0);
    pack_b<float>(room.x, x + r0 * s.width, s.width, room.x.words, false);
    for (int64_t c0 = 0; c0 < s.vocab; c0 += kChunk) {
      const LossTile tile = tile_at(s, r0, c0);
      const float* rows = table + c0 * s.width;
      room.across.n = tile.cols;
      room.down.words = tile.cols;
      pack_b<float>(room.across, rows, s.width, s.width, true);
      if (dx != nullptr) pack_b<float>(room.down, rows, s.width, tile.cols, false);
      const int64_t share = task_rows(tile.rows);
      parallel_tasks(ceil_div(tile.rows, share), [&](const TaskSlot& turn) {
        const int64_t task = turn.task;
        const int64_t begin = task * share;
        const int64_t end = min(begin + share, tile.rows);
        dlogits(room, tile, in, s.width, begin, end);
        if (dx != nullptr) add_dx(dx, room, tile, s.width, begin, end);
      });
      const TransposedProduct<float> dt[] = {{dtable + c0 * s.width,
                                              dbias == nullptr ? nullptr : dbias + c0, room.z,
                                              room.x, tile.rows}};
      gemm_transposed(dt, s.width, room.z_stride, room.a_room, tile.rows, tile.cols);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
