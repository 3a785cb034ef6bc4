#pragma once
// F32x16 as one zmm register. A register tile of 14 x 32 keeps 28 accumulators, 2 of B and 1 of A
// in the 32 registers; 196 = 14 * 14 tokens and widths that are multiples of 32 are covered without
// waste. With GMLP_ISA_AVX512BF16 the dot product of bf16 pairs is one instruction.

#include <immintrin.h>

#include "kernels/simd/simd_avx.h"

namespace gmlp::fused::GMLP_ISA {

#if defined(GMLP_ISA_AVX512BF16)
constexpr const char* kIsaName = "avx512bf16";
#else
constexpr const char* kIsaName = "avx512";
#endif
constexpr int64_t kMR = 14;
constexpr int64_t kNRVectors = 2;
constexpr int64_t kMCTiles = 7;
constexpr int kUnroll = 1;               // 28 multiply-adds hide the loop
constexpr bool kOverlapEpilogue = true;  // 28 sums leave it four registers

struct F32x16 {
  __m512 v;
};

GMLP_INLINE __mmask16 first_lanes(int64_t count) {
  return static_cast<__mmask16>((1U << count) - 1U);
}

GMLP_INLINE F32x16 set1(float x) {
  return {_mm512_set1_ps(x)};
}
GMLP_INLINE F32x16 zero() {
  return {_mm512_setzero_ps()};
}
GMLP_INLINE F32x16 load(const float* p) {
  return {_mm512_loadu_ps(p)};
}
GMLP_INLINE void store(float* p, F32x16 x) {
  _mm512_storeu_ps(p, x.v);
}
/// The first `count` of 16 lanes; the others load as 0 and are not stored. 0 <= count <= 16.
GMLP_INLINE F32x16 load(const float* p, int64_t count) {
  if (__builtin_expect(count == 16, 1)) return load(p);
  return {_mm512_maskz_loadu_ps(first_lanes(count), p)};
}
GMLP_INLINE void store(float* p, F32x16 x, int64_t count) {
  if (__builtin_expect(count == 16, 1)) {
    store(p, x);
    return;
  }
  _mm512_mask_storeu_ps(p, first_lanes(count), x.v);
}
/// The lanes that a tile has rows for; the others may be lost.
GMLP_INLINE F32x16 keep_rows(F32x16 x) {
  return x;
}
/// Stores them, and perhaps others behind them, sixteen at most.
GMLP_INLINE void store_rows(float* p, F32x16 x) {
  store(p, x);
}
GMLP_INLINE F32x16 operator+(F32x16 a, F32x16 b) {
  return {_mm512_add_ps(a.v, b.v)};
}
GMLP_INLINE F32x16 operator-(F32x16 a, F32x16 b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
GMLP_INLINE F32x16 operator*(F32x16 a, F32x16 b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
GMLP_INLINE F32x16 operator/(F32x16 a, F32x16 b) {
  return {_mm512_div_ps(a.v, b.v)};
}
/// a * b + c, rounded once.
GMLP_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
/// sum += a * b, rounded as fma rounds. (An instruction written out, as AVX2 has it, puts the sums
/// of `gemm_microkernel_overlapped` on the stack; spilled_sums.sh looks for that.)
GMLP_INLINE void add_fma(F32x16& sum, F32x16 a, F32x16 b) {
  sum = fma(a, b, sum);
}
GMLP_INLINE F32x16 sqrt(F32x16 x) {
  return {_mm512_sqrt_ps(x.v)};
}
/// Where x is NaN, the bound.
GMLP_INLINE F32x16 max(F32x16 x, F32x16 bound) {
  return {_mm512_max_ps(x.v, bound.v)};
}
GMLP_INLINE F32x16 min(F32x16 x, F32x16 bound) {
  return {_mm512_min_ps(x.v, bound.v)};
}
GMLP_INLINE F32x16 abs(F32x16 x) {
  return {_mm512_abs_ps(x.v)};
}
/// x < 0 ? a : b, lane by lane, by the sign bit (so -0 counts as negative).
GMLP_INLINE F32x16 select_negative(F32x16 x, F32x16 a, F32x16 b) {
  const __mmask16 negative = _mm512_movepi32_mask(_mm512_castps_si512(x.v));
  return {_mm512_mask_blend_ps(negative, b.v, a.v)};
}
/// To the nearest integer, ties to even.
GMLP_INLINE F32x16 round(F32x16 x) {
  return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
/// 2^n for integers n in [-126, 127], through the exponent's bits.
GMLP_INLINE F32x16 exp2_integer(F32x16 n) {
  const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
}
#define GMLP_LOOKUP  // thirty-two floats fit into two registers: tables are cheap
/// table[the low five bits of the lane], lane by lane; `table` is aligned.
GMLP_INLINE F32x16 lookup(const float* table, F32x16 index) {
  return {_mm512_permutex2var_ps(_mm512_load_ps(table), _mm512_castps_si512(index.v),
                                 _mm512_load_ps(table + 16))};
}
/// The sum of all lanes, in one fixed order.
GMLP_INLINE float sum(F32x16 x) {
  const __m256 low = _mm512_castps512_ps256(x.v);
  const __m256 eight = _mm256_add_ps(low, _mm512_extractf32x8_ps(x.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// ---- bf16: the upper half of an f32, rounded to nearest, ties to even; NaN stays NaN ----

GMLP_INLINE F32x16 widen(__m256i halves) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}
GMLP_INLINE __m256i round_to_bf16(F32x16 x) {
#if defined(GMLP_ISA_AVX512BF16)
  // Also flushes denormals to zero.
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
GMLP_INLINE F32x16 load(const Bf16* p, int64_t count) {
  if (__builtin_expect(count == 16, 1)) return load(p);
  return widen(_mm256_maskz_loadu_epi16(first_lanes(count), p));
}
GMLP_INLINE void store(Bf16* p, F32x16 x, int64_t count) {
  if (__builtin_expect(count == 16, 1)) {
    store(p, x);
    return;
  }
  _mm256_mask_storeu_epi16(p, first_lanes(count), round_to_bf16(x));
}
/// What a load of it would give after it was stored as bf16.
GMLP_INLINE F32x16 as_bf16(F32x16 x) {
  return widen(round_to_bf16(x));
}

// ---- pairs of bf16 ----

#if defined(GMLP_ISA_AVX512BF16)
#  define GMLP_HAS_BF16_DOT
using Bf16Operand = Bf16;
/// Sixteen words: bf16 of `even` in the low halves, of `odd` in the high halves.
GMLP_INLINE F32x16 pack_pairs(F32x16 even, F32x16 odd) {
  const __m512i low = _mm512_cvtepu16_epi32(round_to_bf16(even));
  const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(round_to_bf16(odd)), 16);
  return {_mm512_castsi512_ps(_mm512_or_si512(low, high))};
}
/// The same of values that are bf16 already: bits are only moved.
GMLP_INLINE F32x16 interleave_bf16(F32x16 even, F32x16 odd) {
  const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(even.v), 16);
  return {_mm512_castsi512_ps(_mm512_or_si512(low, _mm512_castps_si512(odd.v)))};
}
/// The word at p, two bf16, in all lanes.
GMLP_INLINE F32x16 broadcast_pair(const Bf16* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return {_mm512_castsi512_ps(_mm512_set1_epi32(word))};
}
/// The low halves of words, as f32.
GMLP_INLINE F32x16 low_half(F32x16 words) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(words.v), 16))};
}
/// sum += a.low b.low + a.high b.high, lane by lane: one instruction, which rounds and flushes
/// denormals in its own way.
GMLP_INLINE void add_pair_product(F32x16& sum, F32x16 a, F32x16 b) {
  sum.v = _mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v));
}
#else
using Bf16Operand = float;
#endif

// ---- hints ----

/// The line at p will be needed soon.
GMLP_INLINE void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}
/// The same where it will be written: no other core may keep it then.
GMLP_INLINE void prefetch_to_write(const void* p) {
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(p)));
}
/// Stores what is not read again soon, past the caches where a whole vector is aligned.
GMLP_INLINE void stream(float* p, F32x16 x, int64_t count) {
  if (count == 16 && (reinterpret_cast<uintptr_t>(p) & 63U) == 0) {
    _mm512_stream_ps(p, x.v);
  } else {
    store(p, x, count);
  }
}
GMLP_INLINE void stream(Bf16* p, F32x16 x, int64_t count) {
  if (count == 16 && (reinterpret_cast<uintptr_t>(p) & 31U) == 0) {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), round_to_bf16(x));
  } else {
    store(p, x, count);
  }
}
/// Before another thread may read what was streamed.
GMLP_INLINE void store_fence() {
  _mm_sfence();
}

}  // namespace gmlp::fused::GMLP_ISA
