// Layer normalization alone, for the norms that are not inside of a gMLP block.
// kernels/math/layernorm.h has the formulas. Saved: x, and two numbers per row.

#include "kernels/math/layernorm.h"

#include "kernels/gemm/scheduler.h"
#include "kernels/kernels.h"

namespace gmlp::fused::GMLP_ISA {

int64_t layernorm_workspace(const LayerNormShape& shape) {
  return row_tasks(shape.rows) * 2 * shape.width * static_cast<int64_t>(sizeof(float));
}

void layernorm_forward(float* y, float* mean, float* rstd, const float* x, const float* gamma,
                       const float* beta, const LayerNormShape& shape) {
  const int64_t width = shape.width;
  parallel_rows(shape.rows, [&](int64_t r0, int64_t r1, auto...) {
    normalize_rows(y + r0 * width, width, mean + r0, rstd + r0, x + r0 * width, gamma, beta,
                   r1 - r0, width, shape.eps);
  });
}

void layernorm_backward(float* dx, float* dgamma, float* dbeta, const float* dy, const float* x,
                        const float* mean, const float* rstd, const float* gamma, void* workspace,
                        const LayerNormShape& shape) {
  const int64_t width = shape.width;
  auto* all_sums = static_cast<float*>(workspace);  // of dgamma and dbeta, per task
  parallel_rows(shape.rows, [&](int64_t r0, int64_t r1, const TaskSlot& slot) {
    norm_backward_rows(dx, all_sums + slot.task * 2 * width, dy, x, mean, rstd, gamma, nullptr, r0,
                       r1, width);
  });
  add_norm_sums(dgamma, dbeta, all_sums, row_tasks(shape.rows), width);
}

}  // namespace gmlp::fused::GMLP_ISA
