// The microkernel for every number of rows and vectors of a tile.

#include "kernels/gemm/microkernel.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

constexpr int64_t kL1Floats = 6144;  // three quarters of an L1 of 32 KB
static_assert(kLineSteps % kUnroll == 0);

/// Not inlined, so that it has all registers for itself.
template <typename Operand, bool kPacked, int kRows, int kVectors>
__attribute__((noinline)) void compute_tile(Tile& tile, const Operand* a, int64_t stride,
                                            const float* b, int64_t k_steps,
                                            const PrefetchPlan& plan) {
  F32x16 c[kRows * kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) c[i] = zero();
  using Reader = RowReader<Operand, kPacked, kRows>;
  Reader a_rows = Reader::start(a, stride);
  const auto unrolled_steps = [&]() __attribute__((always_inline)) {
    add_k_steps<kUnroll, Operand, kPacked, kRows, kVectors>(c, a_rows, b);
  };
  // The first k-steps prefetch the plan's rows, unless B would evict them from L1 again before the
  // epilogue: then the last ones do. Too few k-steps: all prefetches come at once.
  int64_t prefetch_steps = plan.arrays * kRows * kUnroll;
  if (prefetch_steps > k_steps) {
    for (int64_t array = 0; array < plan.arrays; ++array) {
      for (int64_t row = 0; row < kRows; ++row) prefetch_row(plan.rows[array], row);
    }
    prefetch_steps = 0;
  }
  const bool prefetch_first = k_steps * kNR <= kL1Floats;
#pragma GCC unroll 1
  for (int part = 0; part < 2; ++part) {
    if ((part == 0) == prefetch_first) {
#pragma GCC unroll 1
      for (int64_t i = 0; i < prefetch_steps; i += kRows * kUnroll) {
        const PrefetchPlan::Rows& rows = plan.rows[i / (kRows * kUnroll)];
#pragma GCC unroll 1
        for (int64_t row = 0; row < kRows; ++row) {
          prefetch_row(rows, row);
          unrolled_steps();
        }
      }
      continue;
    }
    int64_t left = k_steps - prefetch_steps;
    // A's rows all reach their next cache lines in the same k-step: prefetch some rows' at a time.
    if constexpr (!kPacked) {
      constexpr int64_t kLinesAtOnce = (kRows * kUnroll + kLineSteps - 1) / kLineSteps;
      const int64_t groups = max(1, left / kLineSteps);
      const int64_t later_lines = ceil_div((plan.later_end - plan.later) / kLineBytes, groups);
      const char* later = plan.later;
      for (; left >= kLineSteps; left -= kLineSteps) {
#pragma GCC unroll 1
        for (int64_t i = 0; i < later_lines; ++i, later += kLineBytes) prefetch(later);
        const char* line = a_rows.pointer[0] + kLineBytes;
#pragma GCC unroll 1
        for (int64_t i = 0; i < kLineSteps; i += kUnroll) {
#pragma GCC unroll 4
          for (int64_t j = 0; j < kLinesAtOnce; ++j, line += a_rows.row_bytes) prefetch(line);
          unrolled_steps();
        }
      }
    }
    for (; left >= kUnroll; left -= kUnroll) unrolled_steps();
    for (; left > 0; --left) add_k_steps<1, Operand, kPacked, kRows, kVectors>(c, a_rows, b);
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows * kVectors; ++i) {
    tile.c[i / kVectors * kNRVectors + i % kVectors] = c[i];
  }
}

/// Dispatches to the kernel of exactly this many rows and vectors.
template <typename Operand, bool kPacked, int kRows = static_cast<int>(kMR)>
GMLP_INLINE void multiply_edge(Tile& tile, const Operand* a, int64_t stride, int64_t rows,
                               int64_t vectors, const float* b, int64_t k_steps,
                               const PrefetchPlan& plan) {
  if constexpr (kRows > 0) {
    if (rows != kRows) {
      multiply_edge<Operand, kPacked, kRows - 1>(tile, a, stride, rows, vectors, b, k_steps, plan);
    } else if (vectors == kNRVectors) {
      compute_tile<Operand, kPacked, kRows, kNRVectors>(tile, a, stride, b, k_steps, plan);
    } else {
      compute_tile<Operand, kPacked, kRows, 1>(tile, a, stride, b, k_steps, plan);
    }
  }
}

template <typename Operand>
GMLP_INLINE void multiply(Tile& tile, const Operand* a, int64_t stride, int64_t rows,
                          int64_t vectors, const float* b, int64_t k_steps,
                          const PrefetchPlan& plan) {
#if defined(GMLP_HAS_TMM)
  if constexpr (kUsesTmm<Operand>) {
    const auto between = [&](int64_t vector) { prefetch_share(plan, vector, kTmmVectors); };
    if (stride == 0) {
      multiply_tmm<true>(tile.c, a, stride, rows, vectors, b, k_steps, between);
    } else {
      multiply_tmm<false>(tile.c, a, stride, rows, vectors, b, k_steps, between);
    }
    return;
  }
#endif
  if (stride == 0) {
    multiply_edge<Operand, true>(tile, a, stride, rows, vectors, b, k_steps, plan);
  } else {
    multiply_edge<Operand, false>(tile, a, stride, rows, vectors, b, k_steps, plan);
  }
}

}  // namespace

void gemm_microkernel(Tile& tile, const float* a, int64_t stride, int64_t rows, int64_t vectors,
                      const float* b, int64_t k_steps, const PrefetchPlan& plan) {
  multiply(tile, a, stride, rows, vectors, b, k_steps, plan);
}
#if defined(GMLP_HAS_BF16_DOT)
void gemm_microkernel(Tile& tile, const Bf16* a, int64_t stride, int64_t rows, int64_t vectors,
                      const float* b, int64_t k_steps, const PrefetchPlan& plan) {
  multiply(tile, a, stride, rows, vectors, b, k_steps, plan);
}
#endif

}  // namespace gmlp::fused::GMLP_ISA
