// A linear layer (the stem, the head, the language model's output) on the block's GEMM.
//
//   forward    y = x Wᵀ + b                    x (R,I), W (O,I), b (O), y (R,O)
//   backward   dx = dy W        dW += dyᵀ x        db += sum_r dy
//
// Saved: x.

#include "kernels/fused/chunk.h"
#include "kernels/fused/table.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

struct LinearRoom {
  float* w;       // packed: Wᵀ (I,O) forward, W (O,I) backward
  float* x;       // packed (R,I), for dW
  float* a_room;  // packed tiles of dyᵀ
};

LinearRoom carve(Carver& carver, const LinearShape& s) {
  LinearRoom room;
  const int64_t forward = packed_b_size(s.in, s.out);
  const int64_t backward = packed_b_size(s.out, s.in);
  room.w = carver.floats(forward > backward ? forward : backward);
  room.x = carver.floats(packed_b_size(s.rows, s.in));
  room.a_room = carver.floats(packed_a_size(s.out, kDepth));
  return room;
}

}  // namespace

int64_t linear_workspace(const LinearShape& s) {
  Carver carver{nullptr, 0};
  carve(carver, s);
  return carver.used;
}

void linear_forward(float* y, const float* x, const float* weight, const float* bias,
                    void* workspace, const LinearShape& s) {
  Carver carver{static_cast<char*>(workspace), 0};
  const LinearRoom room = carve(carver, s);
  pack_b(room.w, weight, s.in, s.in, s.out, true);
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t block = 0; block < row_blocks(s.rows); ++block) {
    const int64_t r0 = block * kRowBlock;
    gemm_rows(y, s.out, x, s.in, room.w, r0, smaller(r0 + kRowBlock, s.rows), s.out, s.in,
              [&](int64_t row, int64_t col, int64_t cols, V16 sum) {
                const V16 value = bias == nullptr ? sum : sum + load(bias + col, cols);
                store(y + row * s.out + col, value, cols);
              });
  }
}

void linear_backward(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                     const float* weight, void* workspace, const LinearShape& s) {
  Carver carver{static_cast<char*>(workspace), 0};
  const LinearRoom room = carve(carver, s);
  if (dx != nullptr) {
    pack_b(room.w, weight, s.in, s.out, s.in, false);
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t block = 0; block < row_blocks(s.rows); ++block) {
      const int64_t r0 = block * kRowBlock;
      gemm_rows(dx, s.in, dy, s.out, room.w, r0, smaller(r0 + kRowBlock, s.rows), s.in, s.out,
                [&](int64_t row, int64_t col, int64_t cols, V16 sum) {
                  store(dx + row * s.in + col, sum, cols);
                });
    }
  }
  pack_b(room.x, x, s.in, s.rows, s.in, false);
  gemm_transposed(dweight, s.in, dy, s.out, room.x, room.a_room, s.out, s.in, s.rows);
  if (dbias != nullptr) add_column_sums(dbias, dy, s.out, s.rows, s.out);
}

}  // namespace gmlp::fused::GMLP_ISA
