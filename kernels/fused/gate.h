#pragma once
// The gate's output and its derivative, for the four gates of the paper's Table 3:
//
//   split, multiplicative   s = u * g      dg = ds * u    du = ds * g
//   additive                s = u + g      dg = ds        du = ds
//   linear                  s = g          dg = ds        du = 0
//
// Only the split gate's u = gelu(h_u) is independent of v: its du goes on to h at once,
// dh_u = du * gelu'(h_u). The others wait for v's share in z (spatial_gate.h).

#include "kernels/kernels.h"
#include "kernels/math/gelu.h"

namespace gmlp::fused::GMLP_ISA {

GMLP_INLINE F32x16 gate_forward(Gate gate, F32x16 u, F32x16 g) {
  if (gate == Gate::kLinear) return g;
  return gate == Gate::kAdditive ? u + g : u * g;
}

struct GateGradients {
  F32x16 dg;
  F32x16 du;  // of h_u for the split gate
  F32x16 s;   // recomputed
};
/// Operand is the type of u and s in memory.
template <typename Operand>
GMLP_INLINE GateGradients gate_backward(Gate gate, F32x16 ds, F32x16 g, F32x16 h) {
  const Gelu u = gelu_and_slope<Operand>(h);
  switch (gate) {
    case Gate::kSplit:
      return {ds * u.value, ds * g * u.slope, u.value * g};
    case Gate::kMultiplicative:
      return {ds * u.value, ds * g, u.value * g};
    case Gate::kAdditive:
      return {ds, ds, u.value + g};
    case Gate::kLinear:
      break;
  }
  return {ds, zero(), g};
}

}  // namespace gmlp::fused::GMLP_ISA
