#pragma once
// Φ and φ, the normal distribution function and its density, on instruction sets that look up
// sixteen floats at once: polynomials of degree 5 between tables.
//
//   t = |x| is at most 7.5, and a half of it away from k/2, k = 0..15, by r:  t = k/2 + r
//   Φ(-t) = c0[k] + r (c1[k] + ... r c5[k])        Φ(t) = 1 - Φ(-t)        φ likewise
//
// A column of a table holds one interval's coefficients, a row one power's: a lookup takes one row
// for all lanes. Fitted by Lawson's iteration to the bound that GELU and its derivative promise,
// 4e-6 relative or 1e-7 absolute, with a fifth of it left. At k = 15 both are 0, which is right to
// 1e-13. Nothing cancels for negative x, as Φ(-t) is fitted itself.
//
// Against the exponential and the division of vector_math.h: 12 lookups and 10 multiply-adds, for
// 8 and 22 instructions that wait for each other.

#include "kernels/simd/simd.h"

#if defined(GMLP_LOOKUP)

namespace gmlp::fused::GMLP_ISA {

alignas(64) constexpr float kTail[6][16] = {
    {0.5f, 0.308537561f, 0.158655269f, 0.0668071972f, 0.0227501233f, 0.00620966145f, 0.00134989882f,
     0.000232630443f, 3.16718739e-05f, 3.39784528e-06f, 2.86683086e-07f, 1.89936482e-08f,
     9.86973185e-10f, 4.01869207e-11f, 1.28121771e-12f, 0.0f},
    {-0.398942177f, -0.35206518f, -0.241970644f, -0.129517667f, -0.0539910786f, -0.0175282976f,
     -0.00443184325f, -0.000872681688f, -0.000133830597f, -1.59839953e-05f, -1.48678907e-06f,
     -1.0770927e-07f, -6.07721488e-09f, -2.67063856e-10f, -9.14112851e-12f, 0.0f},
    {-2.88812117e-06f, 0.0880097609f, 0.120981044f, 0.0971394976f, 0.053993705f, 0.0219114983f,
     0.00664754145f, 0.00152680081f, 0.000267478392f, 3.59139139e-05f, 3.70775044e-06f,
     2.94996902e-07f, 1.81172549e-08f, 8.59909892e-10f, 3.15703019e-11f, 0.0f},
    {0.0665258192f, 0.04399822f, -3.84845635e-06f, -0.0269772258f, -0.0269883745f, -0.0153378665f,
     -0.00590960841f, -0.00163630906f, -0.000334508328f, -5.1248286e-05f, -5.93866779e-06f,
     -5.23708647e-07f, -3.52963187e-08f, -1.82365113e-09f, -7.2395906e-11f, 0.0f},
    {-0.000205122029f, -0.0198864991f, -0.0199773995f, -0.00612988111f, 0.00437675136f,
     0.00588594614f, 0.00333392838f, 0.00119406028f, 0.000297727357f, 5.38026688e-05f,
     7.19801149e-06f, 7.22128527e-07f, 5.47860351e-08f, 3.16178112e-09f, 1.3939955e-10f, 0.0f},
    {-0.00948689194f, -0.0044353819f, 0.00403219098f, 0.00575997685f, 0.00216536077f,
     -0.000641785118f, -0.00109627698f, -0.0005796142f, -0.000184318068f, -3.98933683e-05f,
     -6.17091151e-06f, -6.99662143e-07f, -5.90316473e-08f, -3.74320926e-09f, -1.7962664e-10f, 0.0f},
};
alignas(64) constexpr float kDensity[6][16] = {
    {0.398942299f, 0.352065324f, 0.241970768f, 0.129517626f, 0.0539909615f, 0.0175282887f,
     0.00443184387f, 0.000872683772f, 0.000133831579f, 1.59842616e-05f, 1.48683777e-06f,
     1.07715619e-07f, 6.07782081e-09f, 2.67106845e-10f, 9.14341814e-12f, 0.0f},
    {-1.38766971e-06f, -0.176033f, -0.241971206f, -0.194276324f, -0.107982027f, -0.0438208939f,
     -0.013295537f, -0.00305438421f, -0.000535320605f, -7.19273741e-05f, -7.43382193e-06f,
     -5.92383882e-07f, -3.64616003e-08f, -1.73579313e-09f, -6.39813656e-11f, 0.0f},
    {-0.199436286f, -0.132021618f, -1.18844303e-05f, 0.0809398923f, 0.0809880656f, 0.0460155135f,
     0.0177287022f, 0.0049085252f, 0.00100333612f, 0.000153693699f, 1.78066533e-05f,
     1.56990766e-06f, 1.05772724e-07f, 5.46270816e-09f, 2.16748575e-10f, 0.0f},
    {-0.000405839807f, 0.0807018837f, 0.0806839353f, 0.0242825978f, -0.0179893317f, -0.0237273788f,
     -0.0132966614f, -0.00470932437f, -0.00115982862f, -0.000206713379f, -2.72294028e-05f,
     -2.68482719e-06f, -1.99807794e-07f, -1.12882589e-08f, -4.86142421e-10f, 0.0f},
    {0.0522755146f, 0.0227427528f, -0.0196625086f, -0.028978156f, -0.0113211576f, 0.00316544586f,
     0.00548405786f, 0.00290666649f, 0.000925622678f, 0.000200558529f, 3.10540123e-05f,
     3.52429294e-06f, 2.97636744e-07f, 1.88918522e-08f, 9.07496667e-10f, 0.0f},
    {-0.00709346502f, -0.0185289121f, -0.0123679292f, 0.00387930854f, 0.00793970245f,
     0.00298109378f, -0.000627722501f, -0.00107198716f, -0.00049762768f, -0.000135982613f,
     -2.49950695e-05f, -3.25643513e-06f, -3.08978292e-07f, -2.17016226e-08f, -1.14051856e-09f,
     0.0f},
};

struct Interval {
  V16 index;  // k, in the low bits of each lane
  V16 t;      // |x|, at most 7.5; there for NaN too
  V16 r;      // its distance from k/2
};
GMLP_INLINE Interval interval_of(V16 x) {
  // Adding 1.5 * 2^22 leaves no room for bits below 1/2: 2 t, rounded, is in the last bits.
  const V16 magic = set1(6291456.0f);
  const V16 t = min(abs(x), set1(7.5f));
  const V16 shifted = t + magic;
  return {shifted, t, t - (shifted - magic)};
}

GMLP_INLINE V16 polynomial(const float (&table)[6][16], const Interval& at) {
  V16 p = lookup(table[5], at.index);
  p = fma(p, at.r, lookup(table[4], at.index));
  p = fma(p, at.r, lookup(table[3], at.index));
  p = fma(p, at.r, lookup(table[2], at.index));
  p = fma(p, at.r, lookup(table[1], at.index));
  return fma(p, at.r, lookup(table[0], at.index));
}

}  // namespace gmlp::fused::GMLP_ISA

#endif
