#pragma once
// Cut loads and stores of bf16 for instruction sets without masks for halves, in terms of what
// their header has defined before it includes this one.

namespace gmlp::fused::GMLP_ISA {

GMLP_INLINE F32x16 load(const Bf16* p, int64_t count) {
  if (__builtin_expect(count == 16, 1)) return load(p);
  Bf16 whole[16] = {};
  for (int64_t i = 0; i < count; ++i) whole[i] = p[i];
  return load(whole);
}
GMLP_INLINE void store(Bf16* p, F32x16 x, int64_t count) {
  if (__builtin_expect(count == 16, 1)) {
    store(p, x);
    return;
  }
  Bf16 whole[16];
  store(whole, x);
  for (int64_t i = 0; i < count; ++i) p[i] = whole[i];
}

}  // namespace gmlp::fused::GMLP_ISA
