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
  PackedB w;      // Wᵀ (I,O) forward, W (O,I) backward
  PackedB x;      // (R,I), for dW
  float* a_room;  // packed tiles of dyᵀ
};

LinearRoom allocate_forward(WorkspaceAllocator& carver, const LinearShape& s) {
  LinearRoom room{};
  room.w = allocate_b(carver, s.in, s.out);
  return room;
}
LinearRoom allocate_backward(WorkspaceAllocator& carver, const LinearShape& s) {
  LinearRoom room{};
  room.w = allocate_b(carver, s.out, s.in);
  room.x = allocate_b(carver, s.rows, s.in);
  room.a_room = allocate<float>(carver, owned_room(s.out, s.rows));
  return room;
}

}  // namespace

int64_t linear_workspace(const LinearShape& s) {
  WorkspaceAllocator forward{nullptr, 0};
  allocate_forward(forward, s);
  WorkspaceAllocator backward{nullptr, 0};
  allocate_backward(backward, s);
  return max(forward.used, backward.used);
}

void linear_forward(float* y, const float* x, const float* weight, const float* bias,
                    void* workspace, const LinearShape& s) {
  WorkspaceAllocator carver{static_cast<char*>(workspace), 0};
  const LinearRoom room = allocate_forward(carver, s);
  pack_b<float>(room.w, weight, s.in, s.in, true);
  parallel_tasks(row_blocks(s.rows), [&](const TaskSlot& turn) {
    const int64_t block = turn.task;
    const int64_t r0 = block * kMC;
    gemm_rows(
        RowMajor<float>{x, s.in}, room.w, r0, min(r0 + kMC, s.rows), Triangle::kNone,
        [&](Lines& lines, int64_t row, int64_t col) {
          add_lines(lines, y + row * s.out + col, s.out);
        },
        [&](int64_t row, int64_t col, int64_t cols, F32x16 sum) {
          const F32x16 value = bias == nullptr ? sum : sum + load(bias + col, cols);
          store(y + row * s.out + col, value, cols);
        });
  });
}

void linear_backward(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                     const float* weight, void* workspace, const LinearShape& s) {
  WorkspaceAllocator carver{static_cast<char*>(workspace), 0};
  const LinearRoom room = allocate_backward(carver, s);
  if (dx != nullptr) {
    pack_b<float>(room.w, weight, s.in, s.out, false);
    parallel_tasks(row_blocks(s.rows), [&](const TaskSlot& turn) {
      const int64_t block = turn.task;
      const int64_t r0 = block * kMC;
      gemm_rows(
          RowMajor<float>{dy, s.out}, room.w, r0, min(r0 + kMC, s.rows), Triangle::kNone,
          [&](Lines& lines, int64_t row, int64_t col) {
            add_lines(lines, dx + row * s.in + col, s.in);
          },
          [&](int64_t row, int64_t col, int64_t cols, F32x16 sum) {
            store(dx + row * s.in + col, sum, cols);
          });
    });
  }
  pack_b<float>(room.x, x, s.in, s.rows, false);
  const TransposedProduct<float> dw[] = {{dweight, dbias, dy, room.x, s.rows}};
  gemm_transposed(dw, s.in, s.out, room.a_room, s.rows, s.out);
}

}  // namespace gmlp::fused::GMLP_ISA
