// A linear layer (the stem, the head, the language model's output, the baselines' blocks) on the
// block's GEMM. kernels/reference/linear.h has the formulas. Workspace: packed operands; in bf16
// also x and dy, rounded.

#include "kernels/gemm/weight_gradient.h"
#include "kernels/kernels.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

/// x (rows, cols) as the products' left operand: as it is, or as bf16 padded with zeros.
template <typename Operand>
RowMajor<Operand> left_operand(WorkspaceAllocator& allocator, const float* x, int64_t rows,
                               int64_t cols) {
  if constexpr (sizeof(Operand) == sizeof(float)) {
    return {x, cols};
  } else {
    const int64_t stride = row_stride<Operand>(cols);
    Operand* copy = allocate<Operand>(allocator, rows * stride);
    if (allocator.base == nullptr) return {copy, stride};
    parallel_rows(rows, [&](int64_t r0, int64_t r1, auto...) {
      for (int64_t r = r0; r < r1; ++r) {
        for (int64_t c = 0; c < stride; c += kLanes) {
          const int64_t count = max(0, min(kLanes, cols - c));
          store(copy + r * stride + c, load(x + r * cols + c, count), min(kLanes, stride - c));
        }
      }
    });
    return {copy, stride};
  }
}

template <typename Operand>
void forward(float* y, const float* x, const float* weight, const float* bias,
             WorkspaceAllocator& allocator, const LinearShape& shape) {
  const int64_t in = shape.in;
  const int64_t out = shape.out;
  const PackedB w = allocate_b(allocator, k_steps_of<Operand>(in), out);  // Wᵀ
  const RowMajor<Operand> a = left_operand<Operand>(allocator, x, shape.rows, in);
  if (allocator.base == nullptr) return;
  pack_b<Operand>(w, weight, in, in, true);
  const auto plan_prefetch = [&](PrefetchPlan& plan, int64_t row, int64_t col) {
    add_rows(plan, y + row * out + col, out);
  };
  parallel_tiles<Operand>(shape.rows, [&](int64_t r0, int64_t r1, auto...) {
    gemm_rows(a, w, r0, r1, Triangle::kNone, plan_prefetch,
              [&](int64_t row, int64_t col, int64_t count, F32x16 sum) {
                const F32x16 value = bias == nullptr ? sum : sum + load(bias + col, count);
                store(y + row * out + col, value, count);
              });
  });
}

template <typename Operand>
void backward(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
              const float* weight, WorkspaceAllocator& allocator, const LinearShape& shape) {
  const int64_t in = shape.in;
  const int64_t out = shape.out;
  const PackedB w = allocate_b(allocator, k_steps_of<Operand>(out), in);                // W
  const PackedB x_panels = allocate_b(allocator, k_steps_of<Operand>(shape.rows), in);  // for dW
  const int64_t k_steps = x_panels.k_steps;
  float* dy_tiles = allocate<float>(allocator, dy_tiles_size<Operand>(out, k_steps));
  const RowMajor<Operand> a = left_operand<Operand>(allocator, dy, shape.rows, out);
  if (allocator.base == nullptr) return;
  if (dx != nullptr) {
    pack_b<Operand>(w, weight, in, out, false);
    parallel_tiles<Operand>(shape.rows,
                            [&](int64_t r0, int64_t r1, auto...) { gemm_rows(dx, a, w, r0, r1); });
  }
  pack_b<Operand>(x_panels, x, in, shape.rows, false);
  const WeightGradient<Operand> dw[] = {{dweight, dbias, a.data, x_panels, shape.rows}};
  add_weight_gradients(dw, in, a.stride, dy_tiles, k_steps, out);
}

}  // namespace

void linear_forward(float* y, const float* x, const float* weight, const float* bias,
                    void* workspace, const LinearShape& shape) {
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  dispatch_precision(shape.precision, [&]<typename Operand>(Operand, auto /*saved*/) {
    forward<Operand>(y, x, weight, bias, allocator, shape);
  });
}

void linear_backward(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                     const float* weight, void* workspace, const LinearShape& shape) {
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  dispatch_precision(shape.precision, [&]<typename Operand>(Operand, auto /*saved*/) {
    backward<Operand>(dx, dweight, dbias, dy, x, weight, allocator, shape);
  });
}

int64_t linear_workspace(const LinearShape& shape) {  // by calls that only count
  return dispatch_precision(shape.precision, [&]<typename Operand>(Operand, auto /*saved*/) {
    WorkspaceAllocator f;
    forward<Operand>(nullptr, nullptr, nullptr, nullptr, f, shape);
    WorkspaceAllocator b;
    backward<Operand>(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, b, shape);
    return max(f.used, b.used);
  });
}

}  // namespace gmlp::fused::GMLP_ISA
