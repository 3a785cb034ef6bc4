#pragma once
// The register tile of bf16 products on tmm registers: 32 x 32 sums in registers 0 to 3.
//
//               registers 6, 7: sixteen k-steps of 2 x 16 columns of B's panel
//   4: 16 rows      0    1
//   5: 16 rows      2    3         each product adds sixteen k-steps to 16 x 16 sums
//
// The unit that multiplies works beside the vector units, which run the epilogue meanwhile.

#include "kernels/gemm/pack.h"

namespace gmlp::fused::GMLP_ISA {

/// 32 x 32 sums, row by row.
constexpr int64_t kTmmVectors = 2 * kTmmRows * kNRVectors;
constexpr int64_t kTmmBytes = 64;  // of a register's row

/// Copies up to sixteen k-steps of rows that are `stride` floats apart, and fills up with zeros.
template <int64_t kRows, int64_t kVectors>
GMLP_INLINE void copy_k_steps(float (&copy)[kRows * kVectors * kLanes], const float* source,
                              int64_t stride, int64_t rows, int64_t count) {
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t v = 0; v < kVectors; ++v) {
      float* place = copy + (i * kVectors + v) * kLanes;
      store(place, i < rows ? load(source + i * stride + v * kLanes, count) : zero());
    }
  }
}

/// sums = A B, of up to 32 rows and 2 vectors, and between(i) for i from 0 to kTmmVectors - 1,
/// spread over the products. A's rows are `stride` elements apart; 0: packed.
template <bool kPacked, typename Between>
GMLP_INLINE void multiply_tmm(F32x16 (&sums)[kTmmVectors], const Bf16* a, int64_t stride,
                              int64_t rows, int64_t vectors, const float* b, int64_t k_steps,
                              const Between& between) {
  const int64_t products = ceil_div(k_steps, kLanes) * ceil_div(rows, kTmmRows) * vectors;
  const int64_t share = ceil_div(kTmmVectors, products);
  int64_t vector = 0;
  const auto run_share = [&]() __attribute__((always_inline)) {
    const int64_t end = min(vector + share, kTmmVectors);
#pragma GCC unroll 1
    for (; vector < end; ++vector) between(vector);
  };
  zero_tmm<0>();
  zero_tmm<1>();
  zero_tmm<2>();
  zero_tmm<3>();
#pragma GCC unroll 1
  for (int64_t k_step = 0; k_step < k_steps; k_step += kLanes) {
    const int64_t count = min(kLanes, k_steps - k_step);
    const float* a_rows = reinterpret_cast<const float*>(a) + k_step * (kPacked ? 2 * kTmmRows : 1);
    int64_t a_bytes = kPacked ? kTmmBytes : stride * static_cast<int64_t>(sizeof(Bf16));
    const float* b_rows = b + k_step * kNR;
    // A load takes all of a register. What is not there is copied, so that nothing behind it is
    // read: behind the last row, and in the last k-steps, of row-major A. Packed A has zeros there.
    alignas(64) float a_copy[2 * kTmmRows * kLanes];
    alignas(64) float b_copy[kLanes * kNR];
    if (!kPacked && (count < kLanes || rows % kTmmRows != 0)) {
      copy_k_steps<2 * kTmmRows, 1>(a_copy, a_rows, stride / 2, rows, count);
      a_rows = a_copy;
      a_bytes = kTmmBytes;
    }
    if (count < kLanes) {
      copy_k_steps<kLanes, kNRVectors>(b_copy, b_rows, kNR, count, kLanes);
      b_rows = b_copy;
    }
    load_tmm<4>(a_rows, a_bytes);
    load_tmm<6>(b_rows, kNRVectors * kTmmBytes);
    add_tmm_product<0, 4, 6>();
    run_share();
    if (vectors > 1) {
      load_tmm<7>(b_rows + kLanes, kNRVectors * kTmmBytes);
      add_tmm_product<1, 4, 7>();
      run_share();
    }
    if (rows > kTmmRows) {
      load_tmm<5>(reinterpret_cast<const char*>(a_rows) + kTmmRows * a_bytes, a_bytes);
      add_tmm_product<2, 5, 6>();
      run_share();
      if (vectors > 1) {
        add_tmm_product<3, 5, 7>();
        run_share();
      }
    }
  }
  float* out = reinterpret_cast<float*>(sums);
  store_tmm<0>(out, kNRVectors * kTmmBytes);
  store_tmm<1>(out + kLanes, kNRVectors * kTmmBytes);
  store_tmm<2>(out + kTmmRows * kNR, kNRVectors * kTmmBytes);
  store_tmm<3>(out + kTmmRows * kNR + kLanes, kNRVectors * kTmmBytes);
}

}  // namespace gmlp::fused::GMLP_ISA
