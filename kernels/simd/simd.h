#pragma once
// The vector vocabulary of the fused kernels. F32x16 is sixteen f32 lanes: one zmm, two ymm or four
// NEON registers, or a plain array. Every simd_<isa>.h defines the names below, but for those that
// follow from others (at the end of this file, and in simd_avx.h), and comments only on what is
// special there. Loads and stores take a count, so no kernel has a tail loop.
//
//   set1(a), zero()                     one value in all lanes
//   load(p), store(p, x)                of f32, or of bf16: the upper 16 bits of an f32, rounded to
//                                       nearest, ties to even; NaN stays NaN
//   load(p, count), store(p, x, count)  the first `count` lanes, 0 to 16; the others load as 0
//   store_nontemporal(p, x, count)      past the caches if possible, for data not read soon
//   store_fence()                       makes nontemporal stores visible to other threads
//   store_rows(p, x), keep_rows(x)      of the first kMR lanes; other lanes may be stored or lost
//   + - * /, sqrt, abs, fma(a, b, c)    fma is a b + c
//   add_fma(sum, a, b)                  sum += a b, rounded as fma rounds
//   max(x, bound), min(x, bound)        `bound` if x is NaN
//   select_negative(x, a, b)            a if x has its sign bit set (so -0 does), else b
//   round(x), as_bf16(x)                to the nearest integer, ties to even; to bf16
//   exp2_integer(n)                     2^n of an integer n in [-126, 127]
//   times_power(x, shifted)             x 2^n, n in the last bits of `shifted`; or instead of it,
//   lookup(table, index)                with GMLP_HAS_LOOKUP: table[index % 32], `table` aligned
//   sum(x)                              of all lanes, in one fixed order
//   transpose8(out, out_stride, in, in_stride)  8 x 8 numbers of 32 bits; only bits are moved
//   prefetch(p), prefetch_to_write(p)   the cache line at p; to write takes it from other cores
//
// With GMLP_HAS_BF16_DOT products multiply pairs of bf16, and a lane may hold such a pair.
// Bf16Operand is then Bf16, else float: bf16 precision stores bf16 but multiplies f32.
//
//   pack_pairs(even, odd)               rounds `even` into the low halves, `odd` into the high ones
//   interleave_bf16(even, odd)          the same of values that are bf16 already
//   broadcast_pair(p)                   the pair at p in all lanes
//   low_half(pairs)                     their low halves as f32
//   add_pair_product(sum, a, b)         sum += a.low b.low + a.high b.high
//
// With GMLP_HAS_TMM these products use matrix registers instead (simd_amx.h).
//
// Constants: the register tile of kMR rows x kNRVectors vectors; kMC, the rows of A per task;
// kUnroll, the k-steps between two tests of a product's loop; kOverlapEpilogue, whether a tile's
// epilogue runs interleaved with the next tile's product.
//
// A kernel source is compiled once per instruction set, into the namespace GMLP_ISA. Everything is
// static, because the linker would keep one copy of a shared function for all instruction sets.

#include <cstdint>

#include "core/bf16.h"

#define GMLP_INLINE static inline __attribute__((always_inline))

#if defined(GMLP_ISA_AVX512) || defined(GMLP_ISA_AVX512BF16)
#  include "kernels/simd/simd_avx512.h"
#elif defined(GMLP_ISA_AVX2)
#  include "kernels/simd/simd_avx2.h"
#elif defined(GMLP_ISA_NEON)
#  include "kernels/simd/simd_neon.h"
#elif defined(GMLP_ISA_AMX)
#  include "kernels/simd/simd_amx.h"
#elif defined(GMLP_SIMD_HEADER)
#  include GMLP_SIMD_HEADER  // an emulation for tests
#elif defined(GMLP_ISA_SCALAR)
#  include "kernels/simd/simd_scalar.h"
#else
#  error "kernels/isas.cmake compiles a kernel source once per instruction set"
#endif

namespace gmlp::fused::GMLP_ISA {

#if !defined(GMLP_HAS_TMM)
GMLP_INLINE void configure_tmm() {}
GMLP_INLINE void release_tmm() {}
#endif

constexpr int64_t kLanes = 16;
constexpr int64_t kNR = kLanes * kNRVectors;

GMLP_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
GMLP_INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
GMLP_INLINE int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

GMLP_INLINE F32x16 zero() { return set1(0.0f); }

/// What an instruction set without masks or nontemporal stores does: partial vectors go through the
/// stack. Overloads in simd_<isa>.h come first.
template <typename T>
GMLP_INLINE F32x16 load_partial(const T* p, int64_t count) {
  T whole[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) whole[i] = p[i];
  return load(whole);
}
template <typename T>
GMLP_INLINE void store_partial(T* p, F32x16 x, int64_t count) {
  T whole[kLanes];
  store(whole, x);
  for (int64_t i = 0; i < count; ++i) p[i] = whole[i];
}
template <typename T>
GMLP_INLINE bool try_store_nontemporal(T* /*p*/, F32x16 /*x*/) {
  return false;
}

/// Whole vectors branch around a masked access, which is microcode on some processors.
template <typename T>
GMLP_INLINE F32x16 load(const T* p, int64_t count) {
  return __builtin_expect(count == kLanes, 1) ? load(p) : load_partial(p, count);
}
template <typename T>
GMLP_INLINE void store(T* p, F32x16 x, int64_t count) {
  __builtin_expect(count == kLanes, 1) ? store(p, x) : store_partial(p, x, count);
}
template <typename T>
GMLP_INLINE void store_nontemporal(T* p, F32x16 x, int64_t count) {
  if (count != kLanes || !try_store_nontemporal(p, x)) store(p, x, count);
}

/// The largest of all lanes.
GMLP_INLINE float reduce_max(F32x16 x) {
  float lanes[kLanes];
  store(lanes, x);
  for (int64_t i = 1; i < kLanes; ++i) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
  return lanes[0];
}

/// Calls body(c, count) for each sixteen of `cols`. In all calls but a last partial one `count` is
/// a constant, so the branches on it disappear when the body is inlined.
template <typename Body>
GMLP_INLINE void for_each_vector(int64_t cols, const Body& body) {
  int64_t c = 0;
  for (; c + kLanes <= cols; c += kLanes) body(c, kLanes);
  if (c < cols) body(c, cols - c);
}

}  // namespace gmlp::fused::GMLP_ISA
