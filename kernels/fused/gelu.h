#pragma once
// GELU and its slope over V16, with Φ the normal distribution function, φ its density, t = |x|:
//
//   y(x)  = x Φ(x)            = max(0, x) - t Φ(-t)
//   y'(x) = Φ(x) + x φ(x)     = D(t) for x < 0, else 1 - D(t)        D(t) = Φ(-t) - t φ(t)
//
// Both within 4e-6 relative or 1e-7 absolute. Nothing cancels for negative x, as it is the tails
// that are fitted, in one of two ways.
//
// Where thirty-two floats can be looked up at once, by tables (gelu_tables.h) and polynomials of
// degree 4 between them: t, at most 7.75, is an eighth or less away from k/4, k = 0..31, by r,
//
//     t Φ(-t) = c0[k] + r (c1[k] + ... r c4[k])        D(t) likewise
//
// 5 lookups and 4 multiply-adds for each, where the other way takes 8 and 22 instructions that wait
// for each other:
//
//     Φ(-t) = exp(-t²/2) R(t)        φ(t) = exp(-t²/2) / √2π        R(t) = erfcx(t/√2) / 2
//
// R is fitted as s P(s) with s = 1/(1 + 0.3 t); P of degree 7, minimax in relative error by
// Lawson's iteration on t in [0, 7]: 4.4e-8. The exponential is 2^n 2^f with n + f = -t²/2 log2(e),
// |f| <= 1/2; 2^f of degree 5, fitted the same way: 9.1e-8. The rounding of t² adds 2^-24 t²/2.

#include "kernels/fused/gelu_tables.h"
#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

struct Gelu {
  V16 value;  // y(x)
  V16 slope;  // y'(x)
};

#if defined(GMLP_LOOKUP)

struct Interval {
  V16 index;  // k, in the low bits of each lane
  V16 r;      // the distance of |x|, at most 7.75 and there for NaN too, from k/4
};
GMLP_INLINE Interval interval_of(V16 x) {
  // Adding 1.5 * 2^21 leaves no room for bits below 1/4: 4 t, rounded, is in the last bits.
  const V16 magic = set1(3145728.0f);
  const V16 t = min(abs(x), set1(7.75f));
  const V16 shifted = t + magic;
  return {shifted, t - (shifted - magic)};
}
GMLP_INLINE V16 polynomial(const float (&table)[5][32], const Interval& at) {
  V16 p = lookup(table[4], at.index);
  p = fma(p, at.r, lookup(table[3], at.index));
  p = fma(p, at.r, lookup(table[2], at.index));
  p = fma(p, at.r, lookup(table[1], at.index));
  return fma(p, at.r, lookup(table[0], at.index));
}

GMLP_INLINE V16 gelu_at(V16 x, const Interval& at) {
  const V16 positive = max(zero(), x);  // in this order a NaN stays
  return positive - polynomial(kGeluTail, at);
}
GMLP_INLINE V16 gelu(V16 x) {
  return gelu_at(x, interval_of(x));
}
/// Both, of any x: NaN for NaN.
GMLP_INLINE Gelu gelu_and_slope(V16 x) {
  const Interval at = interval_of(x);
  const V16 tail = polynomial(kSlopeTail, at);
  return {gelu_at(x, at), select_negative(x, tail, set1(1.0f) - tail)};
}

#else

/// exp(-x²/2); from |x| = 13.2 on it stays at 2^-126.
GMLP_INLINE V16 exp_minus_half_square(V16 x) {
  const V16 y = max(x * x * set1(-0.72134752f), set1(-126.0f));
  const V16 n = round(y);
  const V16 f = y - n;
  V16 p = set1(0.001326472731307149f);
  p = fma(p, f, set1(0.009671512991189957f));
  p = fma(p, f, set1(0.05550733581185341f));
  p = fma(p, f, set1(0.24022242426872253f));
  p = fma(p, f, set1(0.6931470036506653f));
  p = fma(p, f, set1(1.0f));
  return p * exp2_integer(n);
}

GMLP_INLINE Gelu gelu_and_slope(V16 x) {
  const V16 s = set1(1.0f) / fma(abs(x), set1(0.3f), set1(1.0f));
  V16 p = set1(0.03701014071702957f);
  p = fma(p, s, set1(-0.16252700984477997f));
  p = fma(p, s, set1(0.21500353515148163f));
  p = fma(p, s, set1(-0.061017222702503204f));
  p = fma(p, s, set1(0.1319952756166458f));
  p = fma(p, s, set1(0.09905996918678284f));
  p = fma(p, s, set1(0.12084813416004181f));
  p = fma(p, s, set1(0.1196272000670433f));
  const V16 e = exp_minus_half_square(x);
  const V16 tail = e * (s * p);  // Φ(-t)
  const V16 cdf = select_negative(x, tail, set1(1.0f) - tail);
  return {x * cdf, fma(x, e * set1(0.398942280f), cdf)};
}
GMLP_INLINE V16 gelu(V16 x) {
  return gelu_and_slope(x).value;
}

#endif

}  // namespace gmlp::fused::GMLP_ISA
