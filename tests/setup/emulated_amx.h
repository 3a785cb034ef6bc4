#pragma once
// The matrix registers of simd_amx.h in plain C++, on the portable vectors. As slow as it likes.

#include <assert.h>

#include "kernels/simd/simd_scalar.h"

#define GMLP_HAS_TMM

namespace gmlp::fused::GMLP_ISA {

struct TmmRegisters {
  bool exist = false;
  float row[8][16][16] = {};
};
extern constinit thread_local TmmRegisters tmm;

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

}  // namespace gmlp::fused::GMLP_ISA
