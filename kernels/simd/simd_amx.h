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
// Vectors are those of AVX-512. With GMLP_ISA_AMX_EMULATED vectors and tmm registers are arrays, so
// that every processor can test the products on them.

#define GMLP_HAS_TMM

#if defined(GMLP_ISA_AMX)
#  define GMLP_ISA_AVX512BF16  // every processor with AMX has it
#  include "kernels/simd/simd_avx512.h"
#else
#  include <assert.h>
#  include "kernels/simd/simd_scalar.h"
#endif

namespace gmlp::fused::GMLP_ISA {

#if defined(GMLP_ISA_AMX)

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
GMLP_INLINE void release_tmm() {
  asm volatile("tilerelease");
}
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

#else

struct TmmRegisters {
  bool exist = false;
  float row[8][16][16] = {};
};
extern constinit thread_local TmmRegisters tmm;  // microkernel.cpp

GMLP_INLINE void configure_tmm() {
  assert(!tmm.exist && "tmm registers were not released");
  tmm.exist = true;
}
GMLP_INLINE void release_tmm() {
  tmm.exist = false;
}
template <int kRegister>
GMLP_INLINE void zero_tmm() {
  assert(tmm.exist);
  memset(tmm.row[kRegister], 0, sizeof tmm.row[kRegister]);
}
template <int kRegister>
GMLP_INLINE void load_tmm(const void* p, int64_t row_bytes) {
  assert(tmm.exist);
  for (int i = 0; i < 16; ++i) {
    memcpy(tmm.row[kRegister][i], static_cast<const char*>(p) + i * row_bytes, 64);
  }
}
template <int kRegister>
GMLP_INLINE void store_tmm(void* p, int64_t row_bytes) {
  assert(tmm.exist);
  for (int i = 0; i < 16; ++i) {
    memcpy(static_cast<char*>(p) + i * row_bytes, tmm.row[kRegister][i], 64);
  }
}
/// In the order of Intel's manual (TDPBF16PS): the even and the odd elements of k are summed apart.
/// But denormals are not flushed here.
template <int kSums, int kA, int kB>
GMLP_INLINE void add_tmm_product() {
  assert(tmm.exist);
  for (int i = 0; i < 16; ++i) {
    F32x16 even = set1(0);
    F32x16 odd = set1(0);
    for (int k = 0; k < 16; ++k) {
      const F32x16 a = set1(tmm.row[kA][i][k]);
      const F32x16 b = load(tmm.row[kB][k]);
      add_fma(even, low_half(a), low_half(b));
      add_fma(odd, high_half(a), high_half(b));
    }
    store(tmm.row[kSums][i], load(tmm.row[kSums][i]) + (even + odd));
  }
}

#endif

}  // namespace gmlp::fused::GMLP_ISA
