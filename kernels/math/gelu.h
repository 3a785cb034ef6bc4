#pragma once
// GELU and its slope over F32x16, with Φ the normal distribution function, φ its density, t = |x|:
//
//   y(x)  = x Φ(x)            = max(0, x) - t Φ(-t)
//   y'(x) = Φ(x) + x φ(x)     = D(t) for x < 0, else 1 - D(t)        D(t) = Φ(-t) - t φ(t)
//
// Both are within 4e-6 relative or 1e-7 absolute, or, where results are stored as bf16 and tables
// exist, within 4e-6 plus bf16's own rounding of 2^-9. The tails Φ(-t) and D(t) are
// approximated, so for negative x no 1 - Φ cancels.
//
// With lookups of 32 floats: tables and polynomials of degree 4. t is clamped to 7.75 and has a
// distance r of at most 1/8 from k/4, k = 0..31,
//
//     t Φ(-t) = c0[k] + r (c1[k] + ... r c4[k])        D(t) likewise
//
// 5 lookups and 4 multiply-adds for each; 3 and 2 for bf16, where the degree is 2. Without lookups
// it takes a division and some twenty instructions, half of which depend on each other:
//
//     Φ(-t) = exp(-t²/2) R(t)        φ(t) = exp(-t²/2) / √2π        R(t) = erfcx(t/√2) / 2
//
// R is fitted as 1/2 + t P(s) with s = 1/(1 + 0.35 t), which is less sensitive to the rounding of s
// than s P(s). P has degree 5 and is fitted by Lawson's iteration: within 0.4e-6 relative
// or 2.3e-8. The exponential is 2^n 2^f with n + f = -t²/2 log2(e), |f| <= 1/2. 2^f has degree 4,
// minimax in relative error: 2.6e-6. The rounding of t² adds 2^-24 t²/2.

#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

struct Gelu {
  F32x16 value;  // y(x)
  F32x16 slope;  // y'(x)
};

#if defined(GMLP_HAS_LOOKUP)

// [power][interval], so one lookup reads one row for all lanes. Fitted by Lawson's iteration for
// the bound above, of which the fit uses an eighth and a quarter. At k = 0 the tail of y has no
// constant, so results near 0 keep their digits. At k = 31 all coefficients are 0, which is right
// to 1e-11.
alignas(64) constexpr float kGeluTail[5][32] = {
#  include "kernels/math/gelu_tail.inc"
};
alignas(64) constexpr float kSlopeTail[5][32] = {
#  include "kernels/math/slope_tail.inc"
};

/// The same with degree 2, for results that are stored as bf16: on |r| <= h = 1/8 Chebyshev's
/// polynomials give r³ ~ 3/4 h² r and r⁴ ~ h² r² - h⁴/8. At k = 0 r >= 0: these powers are dropped.
struct ShortTable {
  float row[3][32];
};
constexpr ShortTable shortened(const float (&c)[5][32]) {
  constexpr float kH2 = 1.0f / 64;
  ShortTable table = {};
  for (int k = 0; k < 32; ++k) {
    const float h2 = k == 0 ? 0 : kH2;
    table.row[0][k] = c[0][k] - c[4][k] * h2 * h2 / 8;
    table.row[1][k] = c[1][k] + c[3][k] * h2 * 0.75f;
    table.row[2][k] = c[2][k] + c[4][k] * h2;
  }
  return table;
}
alignas(64) constexpr ShortTable kShortGeluTail = shortened(kGeluTail);
alignas(64) constexpr ShortTable kShortSlopeTail = shortened(kSlopeTail);

struct Interval {
  F32x16 index;  // k, in the low bits of each lane
  F32x16 r;      // t - k/4, with t = 7.75 for NaN
};
GMLP_INLINE Interval interval_of(F32x16 x) {
  // Adding 1.5 * 2^21 rounds t to a multiple of 1/4: k is in the last bits.
  const F32x16 magic = set1(3145728.0f);
  const F32x16 t = min(abs(x), set1(7.75f));
  const F32x16 shifted = t + magic;
  return {shifted, t - (shifted - magic)};
}
template <int kTerms>
GMLP_INLINE F32x16 polynomial(const float (&table)[kTerms][32], const Interval& at) {
  F32x16 p = lookup(table[kTerms - 1], at.index);
#  pragma GCC unroll 4
  for (int i = kTerms - 2; i >= 0; --i) p = fma(p, at.r, lookup(table[i], at.index));
  return p;
}
template <typename Stored>
constexpr bool kIsShort = sizeof(Stored) < sizeof(float);

template <typename Stored>
GMLP_INLINE F32x16 gelu_at(F32x16 x, const Interval& at) {
  const F32x16 positive = max(zero(), x);  // this order keeps a NaN
  if (kIsShort<Stored>) return positive - polynomial(kShortGeluTail.row, at);
  return positive - polynomial(kGeluTail, at);
}
/// GELU, to be stored as Stored.
template <typename Stored>
GMLP_INLINE F32x16 gelu(F32x16 x) {
  return gelu_at<Stored>(x, interval_of(x));
}
/// Of any x. The value of NaN is NaN.
template <typename Stored>
GMLP_INLINE Gelu gelu_and_slope(F32x16 x) {
  const Interval at = interval_of(x);
  const F32x16 tail =
      kIsShort<Stored> ? polynomial(kShortSlopeTail.row, at) : polynomial(kSlopeTail, at);
  return {gelu_at<Stored>(x, at), select_negative(x, tail, set1(1.0f) - tail)};
}

#else

struct Tail {
  F32x16 t;      // |x|, at most 13 (and 13 for NaN), where y is x or 0
  F32x16 e;      // exp(-t²/2)
  F32x16 mills;  // R(t): Φ(-t) = e R(t)
};
GMLP_INLINE Tail tail_of(F32x16 x) {
  const F32x16 t = min(abs(x), set1(13.0f));
  // -t²/2 log2(e) = n + f: adding 1.5 * 2^23 rounds it to the integer n.
  const F32x16 magic = set1(12582912.0f);
  const F32x16 scale = set1(-0.72134752f);
  const F32x16 square = t * t;
  const F32x16 shifted = fma(square, scale, magic);
  const F32x16 f = fma(square, scale, magic - shifted);
  F32x16 p = set1(0.009570102207362652f);
  p = fma(p, f, set1(0.05591786280274391f));
  p = fma(p, f, set1(0.240247443318367f));
  p = fma(p, f, set1(0.6931217908859253f));
  p = fma(p, f, set1(0.9999992847442627f));
  const F32x16 s = set1(1.0f) / fma(t, set1(0.35f), set1(1.0f));
  F32x16 r = set1(0.01942900568f);
  r = fma(r, s, set1(-0.01327720657f));
  r = fma(r, s, set1(-0.1325915605f));
  r = fma(r, s, set1(-0.08632099628f));
  r = fma(r, s, set1(-0.1877413094f));
  r = fma(r, s, set1(0.001565166283f));
  r = fma(r, t, set1(0.5f));
  return {t, times_power(p, shifted), r};
}

GMLP_INLINE F32x16 gelu_at(F32x16 x, const Tail& at) {
  const F32x16 positive = max(zero(), x);      // this order keeps a NaN
  return positive - at.e * (at.t * at.mills);  // at 13 e alone is not yet denormal
}
template <typename Stored>
GMLP_INLINE F32x16 gelu(F32x16 x) {
  return gelu_at(x, tail_of(x));
}
/// Of any x. The value of NaN is NaN.
template <typename Stored>
GMLP_INLINE Gelu gelu_and_slope(F32x16 x) {
  const Tail at = tail_of(x);
  const F32x16 tail = at.e * fma(at.t, set1(-0.398942280f), at.mills);
  return {gelu_at(x, at), select_negative(x, tail, set1(1.0f) - tail)};
}

#endif

}  // namespace gmlp::fused::GMLP_ISA
