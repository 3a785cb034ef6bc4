#pragma once
// F32x16 is an array: portable, and the vocabulary's definition in plain C++. The compiler
// vectorizes it for the baseline instruction set. fma() rounds twice here.

#include <math.h>
#include <string.h>

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kMR = 4;
constexpr int64_t kMC = 24 * kMR;
constexpr int kUnroll = 1;
#if defined(GMLP_ISA_AMX_EMULATED)
constexpr int64_t kNRVectors = 2;  // as in AMX
constexpr bool kOverlapEpilogue = true;
#else
constexpr int64_t kNRVectors = 1;
constexpr bool kOverlapEpilogue = false;  // nothing to hide
#endif

struct F32x16 {
  float lane[16];
};

template <typename F>
GMLP_INLINE F32x16 each(const F& f) {
  F32x16 y;
  for (int i = 0; i < 16; ++i) y.lane[i] = f(i);
  return y;
}

GMLP_INLINE F32x16 set1(float x) {
  return each([&](int) { return x; });
}
GMLP_INLINE F32x16 load(const float* p) {
  return each([&](int i) { return p[i]; });
}
GMLP_INLINE void store(float* p, F32x16 x) {
  for (int i = 0; i < 16; ++i) p[i] = x.lane[i];
}
GMLP_INLINE F32x16 keep_rows(F32x16 x) { return x; }
GMLP_INLINE void store_rows(float* p, F32x16 x) { store(p, x); }
GMLP_INLINE F32x16 operator+(F32x16 a, F32x16 b) {
  return each([&](int i) { return a.lane[i] + b.lane[i]; });
}
GMLP_INLINE F32x16 operator-(F32x16 a, F32x16 b) {
  return each([&](int i) { return a.lane[i] - b.lane[i]; });
}
GMLP_INLINE F32x16 operator*(F32x16 a, F32x16 b) {
  return each([&](int i) { return a.lane[i] * b.lane[i]; });
}
GMLP_INLINE F32x16 operator/(F32x16 a, F32x16 b) {
  return each([&](int i) { return a.lane[i] / b.lane[i]; });
}
GMLP_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return a * b + c; }
GMLP_INLINE void add_fma(F32x16& sum, F32x16 a, F32x16 b) { sum = fma(a, b, sum); }
GMLP_INLINE F32x16 sqrt(F32x16 x) {
  return each([&](int i) { return ::sqrtf(x.lane[i]); });
}
GMLP_INLINE F32x16 max(F32x16 x, F32x16 bound) {
  return each([&](int i) { return x.lane[i] > bound.lane[i] ? x.lane[i] : bound.lane[i]; });
}
GMLP_INLINE F32x16 min(F32x16 x, F32x16 bound) {
  return each([&](int i) { return x.lane[i] < bound.lane[i] ? x.lane[i] : bound.lane[i]; });
}
GMLP_INLINE F32x16 abs(F32x16 x) {
  return each([&](int i) { return ::fabsf(x.lane[i]); });
}
GMLP_INLINE F32x16 select_negative(F32x16 x, F32x16 a, F32x16 b) {
  return each([&](int i) { return __builtin_signbit(x.lane[i]) ? a.lane[i] : b.lane[i]; });
}
GMLP_INLINE F32x16 round(F32x16 x) {
  return each([&](int i) { return ::rintf(x.lane[i]); });
}
GMLP_INLINE uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }
GMLP_INLINE float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }
GMLP_INLINE F32x16 exp2_integer(F32x16 n) {
  return each([&](int i) {
    return float_of(static_cast<uint32_t>(static_cast<int32_t>(n.lane[i]) + 127) << 23);
  });
}
GMLP_INLINE F32x16 times_power(F32x16 x, F32x16 shifted) {
  return each(
      [&](int i) { return float_of(bits_of(x.lane[i]) + (bits_of(shifted.lane[i]) << 23)); });
}
GMLP_INLINE float sum(F32x16 x) {
  for (int width = 8; width >= 1; width /= 2) {
    for (int i = 0; i < width; ++i) x.lane[i] += x.lane[i + width];
  }
  return x.lane[0];
}

// ---- bf16 ----

GMLP_INLINE uint16_t round_to_bf16(float x) {
  const uint32_t bits = bits_of(x);
  if (x != x) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}
GMLP_INLINE F32x16 load(const Bf16* p) {
  return each([&](int i) { return float_of(static_cast<uint32_t>(p[i].bits) << 16); });
}
GMLP_INLINE void store(Bf16* p, F32x16 x) {
  for (int i = 0; i < 16; ++i) p[i].bits = round_to_bf16(x.lane[i]);
}
GMLP_INLINE F32x16 as_bf16(F32x16 x) {
  return each(
      [&](int i) { return float_of(static_cast<uint32_t>(round_to_bf16(x.lane[i])) << 16); });
}

#define GMLP_HAS_BF16_DOT
using Bf16Operand = Bf16;
GMLP_INLINE F32x16 pack_pairs(F32x16 even, F32x16 odd) {
  return each([&](int i) {
    return float_of(round_to_bf16(even.lane[i]) | static_cast<uint32_t>(round_to_bf16(odd.lane[i]))
                                                      << 16);
  });
}
GMLP_INLINE F32x16 interleave_bf16(F32x16 even, F32x16 odd) {
  return each([&](int i) { return float_of(bits_of(even.lane[i]) >> 16 | bits_of(odd.lane[i])); });
}
GMLP_INLINE F32x16 broadcast_pair(const Bf16* p) {
  float pair;
  memcpy(&pair, p, sizeof pair);
  return set1(pair);
}
GMLP_INLINE F32x16 low_half(F32x16 pairs) {
  return each([&](int i) { return float_of(bits_of(pairs.lane[i]) << 16); });
}
GMLP_INLINE F32x16 high_half(F32x16 pairs) {
  return each([&](int i) { return float_of(bits_of(pairs.lane[i]) & 0xFFFF0000U); });
}
GMLP_INLINE void add_pair_product(F32x16& sum, F32x16 a, F32x16 b) {
  add_fma(sum, low_half(a), low_half(b));
  add_fma(sum, high_half(a), high_half(b));
}

GMLP_INLINE void prefetch(const void* /*p*/) {}
GMLP_INLINE void prefetch_to_write(const void* /*p*/) {}
GMLP_INLINE void store_fence() {}

GMLP_INLINE void transpose8(float* out, int64_t out_stride, const float* in, int64_t in_stride) {
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) memcpy(out + j * out_stride + i, in + i * in_stride + j, 4);
  }
}

}  // namespace gmlp::fused::GMLP_ISA
