#pragma once
// `./dev avx512` includes this before every source, for a processor with AVX-512 but without bf16
// instructions. It emulates the two that we use. They round differently and keep denormals, within
// the tests' tolerances. Everything around them is the code of a processor that has them.

#if defined(__AVX512BF16__)
#  include <immintrin.h>

/// sum + a.high b.high + a.low b.low, lane by lane.
static inline __m512 emulated_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  const __m512i a_bits = reinterpret_cast<__m512i>(a);
  const __m512i b_bits = reinterpret_cast<__m512i>(b);
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
  const __m512 highs = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(a_bits, high)),
                                       _mm512_castsi512_ps(_mm512_and_si512(b_bits, high)), sum);
  return _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(a_bits, 16)),
                         _mm512_castsi512_ps(_mm512_slli_epi32(b_bits, 16)), highs);
}

/// To the nearest bf16, ties to even; NaN stays NaN.
static inline __m256bh emulated_cvtneps_pbh(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i bump = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i words = _mm512_mask_mov_epi32(_mm512_add_epi32(bits, bump), nan, quiet);
  return reinterpret_cast<__m256bh>(_mm512_cvtepi32_epi16(_mm512_srli_epi32(words, 16)));
}

#  define _mm512_dpbf16_ps emulated_dpbf16_ps
#  define _mm512_cvtneps_pbh emulated_cvtneps_pbh
#endif

// Makes dispatch.cpp offer avx512bf16 on any AVX-512 processor.
#define __builtin_cpu_supports(feature) (__builtin_cpu_supports("avx512f"))
