#pragma once
// V16 as two ymm registers, with FMA. A register tile of 6 x 16 keeps 12 accumulators, 2 of B and 1
// of A in the 16 registers; 12 independent chains cover 2 FMA a cycle at latency 4.

#include <immintrin.h>

namespace gmlp::fused::GMLP_ISA {

constexpr const char* kIsaName = "avx2";
constexpr int64_t kTileRows = 6;

struct V16 {
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

GMLP_INLINE V16 set1(float x) {
  return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
GMLP_INLINE V16 zero() {
  return {_mm256_setzero_ps(), _mm256_setzero_ps()};
}
GMLP_INLINE V16 load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
GMLP_INLINE void store(float* p, V16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
/// The first `count` of 16 lanes; the others load as 0 and are not stored. 0 <= count <= 16. A
/// masked store is microcode on AMD's AVX2 cores, so whole vectors branch around it.
GMLP_INLINE V16 load(const float* p, int64_t count) {
  if (__builtin_expect(count == 16, 1)) return load(p);
  return {_mm256_maskload_ps(p, lane_mask(count, 0)),
          _mm256_maskload_ps(p + 8, lane_mask(count, 8))};
}
GMLP_INLINE void store(float* p, V16 x, int64_t count) {
  if (__builtin_expect(count == 16, 1)) {
    store(p, x);
    return;
  }
  _mm256_maskstore_ps(p, lane_mask(count, 0), x.lo);
  _mm256_maskstore_ps(p + 8, lane_mask(count, 8), x.hi);
}
GMLP_INLINE V16 operator+(V16 a, V16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
GMLP_INLINE V16 operator-(V16 a, V16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
GMLP_INLINE V16 operator*(V16 a, V16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
GMLP_INLINE V16 operator/(V16 a, V16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
/// a * b + c, rounded once.
GMLP_INLINE V16 fma(V16 a, V16 b, V16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
GMLP_INLINE V16 sqrt(V16 x) {
  return {_mm256_sqrt_ps(x.lo), _mm256_sqrt_ps(x.hi)};
}
/// Where x is NaN, the bound.
GMLP_INLINE V16 max(V16 x, V16 bound) {
  return {_mm256_max_ps(x.lo, bound.lo), _mm256_max_ps(x.hi, bound.hi)};
}
GMLP_INLINE V16 min(V16 x, V16 bound) {
  return {_mm256_min_ps(x.lo, bound.lo), _mm256_min_ps(x.hi, bound.hi)};
}
GMLP_INLINE V16 abs(V16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.lo), _mm256_andnot_ps(sign, x.hi)};
}
/// x < 0 ? a : b, lane by lane, by the sign bit (so -0 counts as negative).
GMLP_INLINE V16 select_negative(V16 x, V16 a, V16 b) {
  return {_mm256_blendv_ps(b.lo, a.lo, x.lo), _mm256_blendv_ps(b.hi, a.hi, x.hi)};
}
/// To the nearest integer, ties to even.
GMLP_INLINE V16 round(V16 x) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.lo, kMode), _mm256_round_ps(x.hi, kMode)};
}
/// 2^n for integers n in [-126, 127], through the exponent's bits.
GMLP_INLINE V16 exp2_integer(V16 n) {
  const __m256i bias = _mm256_set1_epi32(127);
  const auto half = [&](__m256 x) {
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(x), bias), 23));
  };
  return {half(n.lo), half(n.hi)};
}
/// The sum of all lanes, in one fixed order.
GMLP_INLINE float sum(V16 x) {
  const __m256 eight = _mm256_add_ps(x.lo, x.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/// Rows of an 8 x 8 block become its columns; both with strides in floats.
GMLP_INLINE void transpose8(float* out, int64_t out_stride, const float* in, int64_t in_stride) {
  __m256 r[8];
  __m256 t[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(in + i * in_stride);
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
    r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

}  // namespace gmlp::fused::GMLP_ISA
