#pragma once
// Matrix registers beside the vectors: eight tmm registers of 16 rows x 64 bytes, which Intel calls
// tiles. A row holds sixteen f32 sums, or sixteen pairs of bf16.
//
//   configure_tmm(), release_tmm()    a thread's registers exist between these two calls
//   zero_tmm<r>()                     register r, 0 to 7
//   load_tmm<r>(p, row_bytes)         16 rows of 64 bytes, row_bytes apart
//   store_tmm<r>(p, row_bytes)
//   add_tmm_product<c, a, b>()        c (16 sums x 16) += a (16 x 16 pairs) b (16 pairs x 16)
//
// Vectors are those of AVX-512. tests/setup/emulated_amx.h defines the same in plain C++, so
// that every processor tests the products.

#define GMLP_ISA_AVX512BF16  // every processor with AMX has it
#include "kernels/simd/simd_avx512.h"

#define GMLP_HAS_TMM

namespace gmlp::fused::GMLP_ISA {

/// Assembly, because gcc's intrinsics take no template argument as a register, and gcc 12's
/// _tile_loadconfig tells the compiler that it reads 8 of the 64 bytes.
GMLP_INLINE void configure_tmm() {
  struct alignas(64) Config {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };
  static constexpr Config kConfig;
  asm volatile("ldtilecfg %0" : : "m"(kConfig));
}
/// Released registers need not be saved when the system switches threads.
GMLP_INLINE void release_tmm() { asm volatile("tilerelease"); }
template <int kRegister>
GMLP_INLINE void zero_tmm() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kRegister));
}
template <int kRegister>
GMLP_INLINE void load_tmm(const void* p, int64_t row_bytes) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0"
               :
               : "i"(kRegister), "r"(p), "r"(row_bytes)
               : "memory");
}
template <int kRegister>
GMLP_INLINE void store_tmm(void* p, int64_t row_bytes) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)"
               :
               : "i"(kRegister), "r"(p), "r"(row_bytes)
               : "memory");
}
template <int kSums, int kA, int kB>
GMLP_INLINE void add_tmm_product() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSums), "i"(kA), "i"(kB));
}

}  // namespace gmlp::fused::GMLP_ISA
