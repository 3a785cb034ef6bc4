// The table of this instruction set, and the two probes that tests and benchmarks call.

#include "kernels/fused/table.h"

#include "kernels/fused/gemm.h"
#include "kernels/fused/vector_math.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

void vector_math(float* gelu_x, float* dgelu_x, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kPanel) {
    const int64_t count = smaller(kPanel, n - i);
    const V16 value = load(x + i, count);
    store(gelu_x + i, gelu(value), count);
    store(dgelu_x + i, gelu_derivative(value), count);
  }
}

int64_t gemm_workspace(int64_t m, int64_t n, int64_t k) {
  return static_cast<int64_t>(sizeof(float)) *
         (packed_b_size(k, n) + packed_a_size(m, kDepth) + 16);
}

void gemm(float* c, const float* a, const float* b, bool a_transposed, bool b_transposed,
          void* workspace, int64_t m, int64_t n, int64_t k) {
  float* packed = static_cast<float*>(workspace);
  pack_b(packed, b, b_transposed ? k : n, k, n, b_transposed);
  if (a_transposed) {
    for (int64_t i = 0; i < m * n; ++i) c[i] = 0;
    gemm_transposed(c, n, a, m, packed, packed + packed_b_size(k, n), m, n, k);
  } else {
    gemm_rows(c, n, a, k, packed, 0, m, n, k, [&](int64_t row, int64_t col, int64_t cols, V16 sum) {
      store(c + row * n + col, sum, cols);
    });
  }
}

/// As many accumulators as the register tile has, each its own chain of multiply-adds.
double fma_burst(int64_t iterations) {
  V16 c[kTileRows];
  for (int64_t i = 0; i < kTileRows; ++i) c[i] = set1(static_cast<float>(i));
  V16 a = set1(0.5f);
  V16 b = set1(0.25f);
  for (int64_t k = 0; k < iterations; ++k) {
#pragma GCC unroll 16
    for (int64_t i = 0; i < kTileRows; ++i) c[i] = fma(c[i], a, b);
  }
  V16 total = zero();
  for (int64_t i = 0; i < kTileRows; ++i) total = total + c[i];
  // The sum is used, so that nothing of the above may be left out.
  const double flops = 2.0 * 16 * static_cast<double>(kTileRows * iterations);
  return sum(total) > 0 ? flops : -1;
}

}  // namespace

const Kernels& table() {
  static constexpr Kernels kTable{
      kIsaName,        linear_workspace, linear_forward, linear_backward,
      block_workspace, block_forward,    block_backward, adamw_update,
      vector_math,     gemm_workspace,   gemm,           fma_burst};
  return kTable;
}

}  // namespace gmlp::fused::GMLP_ISA
