#pragma once
// F32x16 is one zmm register. A register tile of 14 x 32 holds 28 accumulators, 2 vectors of B and
// 1 of A in the 32 registers. The 196 = 14 * 14 tokens of an image, and widths that are multiples
// of 32, fill it without waste. With GMLP_ISA_AVX512BF16 one instruction multiplies bf16 pairs.

#include "kernels/simd/simd_avx.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kMR = 14;
constexpr int64_t kNRVectors = 2;
#if defined(GMLP_ISA_AMX)
constexpr int64_t kMC = 8 * kMR;  // whole tmm registers, too
#else
constexpr int64_t kMC = 7 * kMR;
#endif
constexpr int kUnroll = 1;               // 28 multiply-adds hide the loop's own instructions
constexpr bool kOverlapEpilogue = true;  // between k-steps those of A and B are free for it

struct F32x16 {
  __m512 v;
};

GMLP_INLINE __mmask16 first_lanes(int64_t count) {
  return static_cast<__mmask16>((1U << count) - 1U);
}

GMLP_INLINE F32x16 set1(float x) { return {_mm512_set1_ps(x)}; }
GMLP_INLINE F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
GMLP_INLINE void store(float* p, F32x16 x) { _mm512_storeu_ps(p, x.v); }
GMLP_INLINE F32x16 load_partial(const float* p, int64_t count) {
  return {_mm512_maskz_loadu_ps(first_lanes(count), p)};
}
GMLP_INLINE void store_partial(float* p, F32x16 x, int64_t count) {
  _mm512_mask_storeu_ps(p, first_lanes(count), x.v);
}
GMLP_INLINE F32x16 keep_rows(F32x16 x) { return x; }
GMLP_INLINE void store_rows(float* p, F32x16 x) { store(p, x); }
GMLP_INLINE F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
GMLP_INLINE F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
GMLP_INLINE F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
GMLP_INLINE F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
GMLP_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
/// No inline assembly as in AVX2: with it the compiler spills the sums of
/// gemm_microkernel_overlapped, which tests/setup/spilled_sums.sh detects.
GMLP_INLINE void add_fma(F32x16& sum, F32x16 a, F32x16 b) { sum = fma(a, b, sum); }
GMLP_INLINE F32x16 sqrt(F32x16 x) { return {_mm512_sqrt_ps(x.v)}; }
GMLP_INLINE F32x16 max(F32x16 x, F32x16 bound) { return {_mm512_max_ps(x.v, bound.v)}; }
GMLP_INLINE F32x16 min(F32x16 x, F32x16 bound) { return {_mm512_min_ps(x.v, bound.v)}; }
GMLP_INLINE F32x16 abs(F32x16 x) { return {_mm512_abs_ps(x.v)}; }
GMLP_INLINE F32x16 select_negative(F32x16 x, F32x16 a, F32x16 b) {
  const __mmask16 negative = _mm512_movepi32_mask(_mm512_castps_si512(x.v));
  return {_mm512_mask_blend_ps(negative, b.v, a.v)};
}
GMLP_INLINE F32x16 round(F32x16 x) {
  return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
GMLP_INLINE F32x16 exp2_integer(F32x16 n) {
  const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
}
#define GMLP_HAS_LOOKUP  // a table of 32 floats fits into two registers
GMLP_INLINE F32x16 lookup(const float* table, F32x16 index) {
  return {_mm512_permutex2var_ps(_mm512_load_ps(table), _mm512_castps_si512(index.v),
                                 _mm512_load_ps(table + 16))};
}
GMLP_INLINE float sum(F32x16 x) {
  const __m256 low = _mm512_castps512_ps256(x.v);
  return sum8(_mm256_add_ps(low, _mm512_extractf32x8_ps(x.v, 1)));
}

// ---- bf16 ----

GMLP_INLINE F32x16 widen(__m256i halves) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}
GMLP_INLINE __m256i round_to_bf16(F32x16 x) {
#if defined(GMLP_ISA_AVX512BF16)
  // This instruction flushes denormals to zero.
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v));
#else
  const __m512i bits = _mm512_castps_si512(x.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i bump = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
  const __m512i rounded = _mm512_add_epi32(bits, bump);
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
#endif
}
GMLP_INLINE F32x16 load(const Bf16* p) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
GMLP_INLINE void store(Bf16* p, F32x16 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), round_to_bf16(x));
}
GMLP_INLINE F32x16 load_partial(const Bf16* p, int64_t count) {
  return widen(_mm256_maskz_loadu_epi16(first_lanes(count), p));
}
GMLP_INLINE void store_partial(Bf16* p, F32x16 x, int64_t count) {
  _mm256_mask_storeu_epi16(p, first_lanes(count), round_to_bf16(x));
}
GMLP_INLINE F32x16 as_bf16(F32x16 x) { return widen(round_to_bf16(x)); }

#if defined(GMLP_ISA_AVX512BF16)
#  define GMLP_HAS_BF16_DOT
using Bf16Operand = Bf16;
GMLP_INLINE F32x16 pack_pairs(F32x16 even, F32x16 odd) {
  const __m512i low = _mm512_cvtepu16_epi32(round_to_bf16(even));
  const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(round_to_bf16(odd)), 16);
  return {_mm512_castsi512_ps(_mm512_or_si512(low, high))};
}
GMLP_INLINE F32x16 interleave_bf16(F32x16 even, F32x16 odd) {
  const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(even.v), 16);
  return {_mm512_castsi512_ps(_mm512_or_si512(low, _mm512_castps_si512(odd.v)))};
}
GMLP_INLINE F32x16 broadcast_pair(const Bf16* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return {_mm512_castsi512_ps(_mm512_set1_epi32(pair))};
}
GMLP_INLINE F32x16 low_half(F32x16 pairs) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs.v), 16))};
}
/// One instruction, which rounds and flushes denormals in its own way.
GMLP_INLINE void add_pair_product(F32x16& sum, F32x16 a, F32x16 b) {
  sum.v = _mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v));
}
#else
using Bf16Operand = float;
#endif

GMLP_INLINE bool try_store_nontemporal(float* p, F32x16 x) {
  if ((reinterpret_cast<uintptr_t>(p) & 63U) != 0) return false;
  _mm512_stream_ps(p, x.v);
  return true;
}
GMLP_INLINE bool try_store_nontemporal(Bf16* p, F32x16 x) {
  if ((reinterpret_cast<uintptr_t>(p) & 31U) != 0) return false;
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), round_to_bf16(x));
  return true;
}

}  // namespace gmlp::fused::GMLP_ISA
