#pragma once
// exp over F32x16.
//
//   exp(x) = 2^n exp(r) with n the integer nearest to x log2(e), r = x - n ln 2, |r| <= ln(2) / 2
//
//   r       n ln 2 is subtracted in two parts; the first has nine bits, so its multiples are exact
//   exp(r)  1 + r + r² Q(r), Q of degree 4, minimax in relative error by Lawson's iteration: 4.4e-9
//
// The result is within 2 ulp.

#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

/// Of any x: infinity from 88.73 on, denormals down to 0 at -104, NaN for NaN.
GMLP_INLINE F32x16 exp(F32x16 x) {
  const F32x16 low = set1(-104.0f);
  const F32x16 high = set1(89.0f);
  const F32x16 n = round(min(max(x, low), high) * set1(1.44269504f));  // an integer for NaN too
  F32x16 r = max(low, min(high, x));                                   // this order keeps a NaN
  r = fma(n, set1(-0.693359375f), r);
  r = fma(n, set1(0.0002121944417f), r);
  F32x16 q = set1(0.001381446724f);
  q = fma(q, r, set1(0.008368780836f));
  q = fma(q, r, set1(0.04166839272f));
  q = fma(q, r, set1(0.1666651964f));
  q = fma(q, r, set1(0.4999999404f));
  const F32x16 e = fma(q * r, r, r) + set1(1.0f);
  // In two steps, because 2^n alone may overflow when the product does not.
  const F32x16 half = round(n * set1(0.5f));
  return e * exp2_integer(half) * exp2_integer(n - half);
}

}  // namespace gmlp::fused::GMLP_ISA
