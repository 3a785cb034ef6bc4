#pragma once
// GELU and exp over V16.
//
//   y = x Φ(x), with Φ the normal distribution function and φ its density. For t = |x|:
//
//     Φ(-t) = exp(-t²/2) R(t)        Φ(t) = 1 - Φ(-t)        R(t) = erfcx(t/√2) / 2
//
//   R     is fitted as s P(s) with s = 1/(1 + 0.3 t); P of degree 7, minimax in relative error by
//         Lawson's iteration on t in [0, 7]: 4.4e-8. Nothing cancels for negative x.
//   exp   is 2^n 2^f with n + f = -t²/2 log2(e), |f| <= 1/2; 2^f of degree 5, fitted the same way:
//         9.1e-8. The rounding of t² adds 2^-24 t²/2.
//
// The derivative Φ(x) + x φ(x) uses the same exponential. In all 4e-6 relative or 1e-7 absolute.
// Where sixteen floats can be looked up at once, normal_by_table.h takes the place of both.
//
//   exp(x) = 2^n exp(r) with n the integer next to x log2(e), r = x - n ln 2, |r| <= ln(2) / 2
//
//   r      n ln 2 is taken off in two parts: the first has nine bits, so its multiples are exact
//   exp(r) 1 + r + r² Q(r), Q of degree 4 fitted as above: 4.4e-9. In all within 2 ulp.

#include "kernels/fused/normal_by_table.h"
#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

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

/// Any x: inf from 88.73 on, through the denormals to 0 at -104, NaN for NaN.
GMLP_INLINE V16 exp(V16 x) {
  const V16 low = set1(-104.0f);
  const V16 high = set1(89.0f);
  const V16 n = round(min(max(x, low), high) * set1(1.44269504f));  // an integer for NaN too
  V16 r = max(low, min(high, x));  // the other way round: stays NaN
  r = fma(n, set1(-0.693359375f), r);
  r = fma(n, set1(0.0002121944417f), r);
  V16 q = set1(0.001381446724f);
  q = fma(q, r, set1(0.008368780836f));
  q = fma(q, r, set1(0.04166839272f));
  q = fma(q, r, set1(0.1666651964f));
  q = fma(q, r, set1(0.4999999404f));
  const V16 e = fma(q * r, r, r) + set1(1.0f);
  // In two steps: 2^n alone may be out of range where the product is not.
  const V16 half = round(n * set1(0.5f));
  return e * exp2_integer(half) * exp2_integer(n - half);
}

struct Normal {
  V16 cdf;  // Φ(x)
  V16 pdf;  // φ(x)
};

#if defined(GMLP_LOOKUP)
GMLP_INLINE Normal normal(V16 x) {
  const Interval at = interval_of(x);
  const V16 tail = polynomial(kTail, at);
  return {select_negative(x, tail, set1(1.0f) - tail), polynomial(kDensity, at)};
}
/// x Φ(x) = max(0, x) - |x| Φ(-|x|)
GMLP_INLINE V16 gelu(V16 x) {
  const Interval at = interval_of(x);
  return max(zero(), x) - at.t * polynomial(kTail, at);  // in this order a NaN stays
}
#else
GMLP_INLINE Normal normal(V16 x) {
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
  const V16 tail = e * (s * p);  // Φ(-|x|)
  return {select_negative(x, tail, set1(1.0f) - tail), e * set1(0.398942280f)};
}
GMLP_INLINE V16 gelu(V16 x) {
  return x * normal(x).cdf;
}
#endif

GMLP_INLINE V16 gelu_derivative(V16 x) {
  const Normal n = normal(x);
  return fma(x, n.pdf, n.cdf);
}

}  // namespace gmlp::fused::GMLP_ISA
