// A linear layer (the stem, the head, the language model's output) on the block's GEMM.
//
//   forward    y = x Wᵀ + b                    x (R,I), W (O,I), b (O), y (R,O)
//   backward   dx = dy W        dW += dyᵀ x        db += sum_r dy
//
// Saved: x.

#include "kernels/gemm/weight_gradient.h"
#include "kernels/kernels.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

struct BackwardWorkspace {
  WorkspaceAllocator& allocator;
  const LinearShape& shape;

  PackedB w = allocate_b(allocator, shape.out, shape.in);   // W (O,I)
  PackedB x = allocate_b(allocator, shape.rows, shape.in);  // (R,I), for dW
  float* dy_tiles = allocate<float>(allocator, dy_tiles_size<float>(shape.out, shape.rows));
};

}  // namespace

int64_t linear_workspace(const LinearShape& shape) {
  WorkspaceAllocator forward;
  allocate_b(forward, shape.in, shape.out);
  WorkspaceAllocator backward;
  static_cast<void>(BackwardWorkspace{backward, shape});
  return max(forward.used, backward.used);
}

void linear_forward(float* y, const float* x, const float* weight, const float* bias,
                    void* workspace, const LinearShape& shape) {
  const int64_t in = shape.in;
  const int64_t out = shape.out;
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  const PackedB w = allocate_b(allocator, in, out);  // Wᵀ (I,O)
  pack_b<float>(w, weight, in, in, true);
  parallel_gemm(
      RowMajor<float>{x, in}, w, shape.rows,
      [&](PrefetchPlan& plan, int64_t row, int64_t col) {
        add_rows(plan, y + row * out + col, out);
      },
      [&](int64_t row, int64_t col, int64_t count, F32x16 sum) {
        const F32x16 value = bias == nullptr ? sum : sum + load(bias + col, count);
        store(y + row * out + col, value, count);
      });
}

void linear_backward(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                     const float* weight, void* workspace, const LinearShape& shape) {
  const int64_t in = shape.in;
  const int64_t out = shape.out;
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  const BackwardWorkspace ws{allocator, shape};
  if (dx != nullptr) {
    pack_b<float>(ws.w, weight, in, out, false);
    parallel_gemm(dx, RowMajor<float>{dy, out}, ws.w, shape.rows);
  }
  pack_b<float>(ws.x, x, in, shape.rows, false);
  const WeightGradient<float> dw[] = {{dweight, dbias, dy, ws.x, shape.rows}};
  add_weight_gradients(dw, in, out, ws.dy_tiles, shape.rows, out);
}

}  // namespace gmlp::fused::GMLP_ISA
