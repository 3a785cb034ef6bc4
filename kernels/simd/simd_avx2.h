#pragma once
// F32x16 is two ymm registers, with FMA. A register tile of 6 x 16 holds 12 accumulators, 2 vectors
// of B and 1 of A in the 16 registers. 12 independent sums hide a latency of 4 at 2 FMA per cycle.

#include "kernels/simd/simd_avx.h"

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kMR = 6;
constexpr int64_t kNRVectors = 1;
constexpr int64_t kMC = 6 * kMR;          // few rows of A share a small L2 with panels of B
constexpr int kUnroll = 4;                // else 6 of 26 instructions per k-step only run the loop
constexpr bool kOverlapEpilogue = false;  // the product uses 15 of 16 registers

struct F32x16 {
  __m256 lo;
  __m256 hi;
};

// kLaneMasks + 16 - n: n lanes on, the rest off.
alignas(64) static constexpr int32_t kLaneMasks[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                                       -1, -1, -1, -1, -1, 0,  0,  0,  0,  0,  0,
                                                       0,  0,  0,  0,  0,  0,  0,  0,  0,  0};

GMLP_INLINE __m256i lane_mask(int64_t count, int64_t first) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLaneMasks + 16 - count + first));
}

GMLP_INLINE F32x16 set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
GMLP_INLINE F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
GMLP_INLINE void store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
GMLP_INLINE F32x16 load_partial(const float* p, int64_t count) {
  return {_mm256_maskload_ps(p, lane_mask(count, 0)),
          _mm256_maskload_ps(p + 8, lane_mask(count, 8))};
}
GMLP_INLINE void store_partial(float* p, F32x16 x, int64_t count) {
  _mm256_maskstore_ps(p, lane_mask(count, 0), x.lo);
  _mm256_maskstore_ps(p + 8, lane_mask(count, 8), x.hi);
}
static_assert(kMR <= 8);
GMLP_INLINE F32x16 keep_rows(F32x16 x) { return {x.lo, _mm256_setzero_ps()}; }
GMLP_INLINE void store_rows(float* p, F32x16 x) { _mm256_storeu_ps(p, x.lo); }
GMLP_INLINE F32x16 operator+(F32x16 a, F32x16 b) { return {a.lo + b.lo, a.hi + b.hi}; }
GMLP_INLINE F32x16 operator-(F32x16 a, F32x16 b) { return {a.lo - b.lo, a.hi - b.hi}; }
GMLP_INLINE F32x16 operator*(F32x16 a, F32x16 b) { return {a.lo * b.lo, a.hi * b.hi}; }
GMLP_INLINE F32x16 operator/(F32x16 a, F32x16 b) { return {a.lo / b.lo, a.hi / b.hi}; }
GMLP_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
/// Inline assembly keeps `sum` in its registers. In an unrolled product the compiler would move it.
GMLP_INLINE void add_fma(F32x16& sum, F32x16 a, F32x16 b) {
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum.lo) : "x"(a.lo), "x"(b.lo));
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum.hi) : "x"(a.hi), "x"(b.hi));
}
GMLP_INLINE F32x16 sqrt(F32x16 x) { return {_mm256_sqrt_ps(x.lo), _mm256_sqrt_ps(x.hi)}; }
GMLP_INLINE F32x16 max(F32x16 x, F32x16 bound) {
  return {_mm256_max_ps(x.lo, bound.lo), _mm256_max_ps(x.hi, bound.hi)};
}
GMLP_INLINE F32x16 min(F32x16 x, F32x16 bound) {
  return {_mm256_min_ps(x.lo, bound.lo), _mm256_min_ps(x.hi, bound.hi)};
}
GMLP_INLINE F32x16 abs(F32x16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.lo), _mm256_andnot_ps(sign, x.hi)};
}
GMLP_INLINE F32x16 select_negative(F32x16 x, F32x16 a, F32x16 b) {
  return {_mm256_blendv_ps(b.lo, a.lo, x.lo), _mm256_blendv_ps(b.hi, a.hi, x.hi)};
}
GMLP_INLINE F32x16 round(F32x16 x) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.lo, kMode), _mm256_round_ps(x.hi, kMode)};
}
GMLP_INLINE F32x16 exp2_integer(F32x16 n) {
  const __m256i bias = _mm256_set1_epi32(127);
  const auto exp2 = [&](__m256 x) {
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(x), bias), 23));
  };
  return {exp2(n.lo), exp2(n.hi)};
}
GMLP_INLINE F32x16 times_power(F32x16 x, F32x16 shifted) {
  const auto scale = [](__m256 y, __m256 n) {
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(y), _mm256_slli_epi32(_mm256_castps_si256(n), 23)));
  };
  return {scale(x.lo, shifted.lo), scale(x.hi, shifted.hi)};
}
GMLP_INLINE float sum(F32x16 x) { return sum8(_mm256_add_ps(x.lo, x.hi)); }

// ---- bf16 ----

GMLP_INLINE __m256i round_to_bf16(__m256 x) {  // in the upper halves of the lanes
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, quiet, nan);
}
GMLP_INLINE F32x16 load(const Bf16* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const __m256i lo = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(bits));
  const __m256i hi = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(bits, 1));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16))};
}
GMLP_INLINE void store(Bf16* p, F32x16 x) {
  const __m256i lo = _mm256_srli_epi32(round_to_bf16(x.lo), 16);
  const __m256i hi = _mm256_srli_epi32(round_to_bf16(x.hi), 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(lo, hi), 0xD8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}
GMLP_INLINE F32x16 as_bf16(F32x16 x) {
  const __m256 high = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int32_t>(0xFFFF0000U)));
  return {_mm256_and_ps(_mm256_castsi256_ps(round_to_bf16(x.lo)), high),
          _mm256_and_ps(_mm256_castsi256_ps(round_to_bf16(x.hi)), high)};
}
using Bf16Operand = float;

GMLP_INLINE bool try_store_nontemporal(float* p, F32x16 x) {
  if ((reinterpret_cast<uintptr_t>(p) & 31U) != 0) return false;
  _mm256_stream_ps(p, x.lo);
  _mm256_stream_ps(p + 8, x.hi);
  return true;
}

}  // namespace gmlp::fused::GMLP_ISA
