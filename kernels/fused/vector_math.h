#pragma once
// exp and GELU over V16.
//
//   exp     x = n ln 2 + r, |r| <= ln 2 / 2; exp(x) = 2^n p(r), p of degree 7. At most 2 ulp; below
//           -87.3 the result is 2^-126, above 88.3 it is 2^127 or so: nothing here comes near
//           either.
//   GELU    y = x Φ(x). For t = |x|:  Φ(-t) = exp(-t²/2) R(t),  Φ(t) = 1 - Φ(-t), where R(t) is
//           erfcx(t/√2)/2, fitted as s P(s) with s = 1/(1 + 0.3 t) (P of degree 7, minimax in
//           relative error by Lawson's iteration on [0, 7]: 4.4e-8). No cancellation for negative
//           x, and the derivative Φ(x) + x φ(x) uses the same exponential.

#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

GMLP_INLINE V16 exp(V16 x) {
  x = min(max(x, set1(-87.3f)), set1(88.3f));
  const V16 n = round(x * set1(1.44269504f));
  // ln 2 in two parts, the first with few bits, so that n times it is exact.
  V16 r = fma(n, set1(-0.693359375f), x);
  r = fma(n, set1(2.12194440e-4f), r);
  V16 p = set1(1.0f / 5040);
  p = fma(p, r, set1(1.0f / 720));
  p = fma(p, r, set1(1.0f / 120));
  p = fma(p, r, set1(1.0f / 24));
  p = fma(p, r, set1(1.0f / 6));
  p = fma(p, r, set1(0.5f));
  p = fma(p, r * r, r);  // exp(r) - 1, so that the largest term is added last
  return (p + set1(1.0f)) * exp2_integer(n);
}

struct Normal {
  V16 cdf;  // Φ(x)
  V16 pdf;  // φ(x)
};

GMLP_INLINE Normal normal(V16 x) {
  const V16 t = abs(x);
  const V16 s = set1(1.0f) / fma(t, set1(0.3f), set1(1.0f));
  V16 p = set1(0.03701014071702957f);
  p = fma(p, s, set1(-0.16252700984477997f));
  p = fma(p, s, set1(0.21500353515148163f));
  p = fma(p, s, set1(-0.061017222702503204f));
  p = fma(p, s, set1(0.1319952756166458f));
  p = fma(p, s, set1(0.09905996918678284f));
  p = fma(p, s, set1(0.12084813416004181f));
  p = fma(p, s, set1(0.1196272000670433f));
  const V16 e = exp(x * x * set1(-0.5f));
  const V16 tail = e * (s * p);  // Φ(-t)
  return {select_negative(x, tail, set1(1.0f) - tail), e * set1(0.398942280f)};
}

GMLP_INLINE V16 gelu(V16 x) {
  return x * normal(x).cdf;
}

GMLP_INLINE V16 gelu_derivative(V16 x) {
  const Normal n = normal(x);
  return fma(x, n.pdf, n.cdf);
}

}  // namespace gmlp::fused::GMLP_ISA
