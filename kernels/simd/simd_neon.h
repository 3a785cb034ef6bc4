#pragma once
// F32x16 is four NEON registers. A register tile of 6 x 16 holds 24 accumulators, 4 vectors of B
// and 1 of A in the 32 registers. 24 independent sums hide a latency of 4 at 4 FMA per cycle.
// Integer instructions round bf16, because few Arm processors have instructions for it.

#include <arm_neon.h>

namespace gmlp::fused::GMLP_ISA {

constexpr int64_t kMR = 6;
constexpr int64_t kNRVectors = 1;
constexpr int64_t kMC = 16 * kMR;
constexpr int kUnroll = 1;                // not measured
constexpr bool kOverlapEpilogue = false;  // not measured

// Compilers keep four members in registers more reliably than an array.
struct F32x16 {
  float32x4_t q0;
  float32x4_t q1;
  float32x4_t q2;
  float32x4_t q3;
};

/// f on each quarter of the operands.
template <typename F, typename... V>
GMLP_INLINE F32x16 each(const F& f, V... x) {
  return {f(x.q0...), f(x.q1...), f(x.q2...), f(x.q3...)};
}
GMLP_INLINE uint32x4_t bits_of(float32x4_t x) { return vreinterpretq_u32_f32(x); }
GMLP_INLINE float32x4_t float_of(uint32x4_t bits) { return vreinterpretq_f32_u32(bits); }

GMLP_INLINE F32x16 set1(float x) {
  const float32x4_t all = vdupq_n_f32(x);
  return {all, all, all, all};
}
GMLP_INLINE F32x16 load(const float* p) {
  return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
GMLP_INLINE void store(float* p, F32x16 x) {
  vst1q_f32(p, x.q0);
  vst1q_f32(p + 4, x.q1);
  vst1q_f32(p + 8, x.q2);
  vst1q_f32(p + 12, x.q3);
}
GMLP_INLINE F32x16 keep_rows(F32x16 x) { return x; }
GMLP_INLINE void store_rows(float* p, F32x16 x) { store(p, x); }
GMLP_INLINE F32x16 operator+(F32x16 a, F32x16 b) {
  return each([](float32x4_t x, float32x4_t y) { return vaddq_f32(x, y); }, a, b);
}
GMLP_INLINE F32x16 operator-(F32x16 a, F32x16 b) {
  return each([](float32x4_t x, float32x4_t y) { return vsubq_f32(x, y); }, a, b);
}
GMLP_INLINE F32x16 operator*(F32x16 a, F32x16 b) {
  return each([](float32x4_t x, float32x4_t y) { return vmulq_f32(x, y); }, a, b);
}
GMLP_INLINE F32x16 operator/(F32x16 a, F32x16 b) {
  return each([](float32x4_t x, float32x4_t y) { return vdivq_f32(x, y); }, a, b);
}
GMLP_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {vfmaq_f32(c.q0, a.q0, b.q0), vfmaq_f32(c.q1, a.q1, b.q1), vfmaq_f32(c.q2, a.q2, b.q2),
          vfmaq_f32(c.q3, a.q3, b.q3)};
}
GMLP_INLINE void add_fma(F32x16& sum, F32x16 a, F32x16 b) { sum = fma(a, b, sum); }
GMLP_INLINE F32x16 sqrt(F32x16 x) {
  return each([](float32x4_t v) { return vsqrtq_f32(v); }, x);
}
/// NEON's own max and min return NaN if either operand is.
GMLP_INLINE F32x16 max(F32x16 x, F32x16 bound) {
  return each([](float32x4_t v, float32x4_t b) { return vbslq_f32(vcgtq_f32(v, b), v, b); }, x,
              bound);
}
GMLP_INLINE F32x16 min(F32x16 x, F32x16 bound) {
  return each([](float32x4_t v, float32x4_t b) { return vbslq_f32(vcltq_f32(v, b), v, b); }, x,
              bound);
}
GMLP_INLINE F32x16 abs(F32x16 x) {
  return each([](float32x4_t v) { return vabsq_f32(v); }, x);
}
GMLP_INLINE F32x16 select_negative(F32x16 x, F32x16 a, F32x16 b) {
  const auto quarter = [](float32x4_t v, float32x4_t negative, float32x4_t other) {
    const int32x4_t sign = vshrq_n_s32(vreinterpretq_s32_f32(v), 31);
    return vbslq_f32(vreinterpretq_u32_s32(sign), negative, other);
  };
  return each(quarter, x, a, b);
}
GMLP_INLINE F32x16 round(F32x16 x) {
  return each([](float32x4_t v) { return vrndnq_f32(v); }, x);
}
GMLP_INLINE F32x16 exp2_integer(F32x16 n) {
  const auto quarter = [](float32x4_t v) {
    const int32x4_t biased = vaddq_s32(vcvtq_s32_f32(v), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(biased, 23));
  };
  return each(quarter, n);
}
GMLP_INLINE F32x16 times_power(F32x16 x, F32x16 shifted) {
  const auto quarter = [](float32x4_t y, float32x4_t n) {
    return float_of(vaddq_u32(bits_of(y), vshlq_n_u32(bits_of(n), 23)));
  };
  return each(quarter, x, shifted);
}
GMLP_INLINE float sum(F32x16 x) {
  const float32x4_t four = vaddq_f32(vaddq_f32(x.q0, x.q2), vaddq_f32(x.q1, x.q3));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

// ---- bf16 ----

GMLP_INLINE uint32x4_t round_to_bf16(float32x4_t x) {  // in the upper halves of the lanes
  const uint32x4_t bits = bits_of(x);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  return vbslq_u32(vceqq_f32(x, x), rounded, quiet);
}
GMLP_INLINE F32x16 load(const Bf16* p) {
  const uint16x8_t lo = vld1q_u16(&p->bits);
  const uint16x8_t hi = vld1q_u16(&p->bits + 8);
  return {float_of(vshll_n_u16(vget_low_u16(lo), 16)), float_of(vshll_high_n_u16(lo, 16)),
          float_of(vshll_n_u16(vget_low_u16(hi), 16)), float_of(vshll_high_n_u16(hi, 16))};
}
GMLP_INLINE void store(Bf16* p, F32x16 x) {
  const auto eight = [](float32x4_t low, float32x4_t high) {
    return vshrn_high_n_u32(vshrn_n_u32(round_to_bf16(low), 16), round_to_bf16(high), 16);
  };
  vst1q_u16(&p->bits, eight(x.q0, x.q1));
  vst1q_u16(&p->bits + 8, eight(x.q2, x.q3));
}
GMLP_INLINE F32x16 as_bf16(F32x16 x) {
  return each(
      [](float32x4_t v) { return float_of(vandq_u32(round_to_bf16(v), vdupq_n_u32(0xFFFF0000U))); },
      x);
}
using Bf16Operand = float;

GMLP_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }
GMLP_INLINE void prefetch_to_write(const void* p) { __builtin_prefetch(p, 1); }
GMLP_INLINE void store_fence() {}

/// The same of 4 x 4 numbers.
GMLP_INLINE void transpose4(float* out, int64_t out_stride, const float* in, int64_t in_stride) {
  const float32x4x2_t top = vtrnq_f32(vld1q_f32(in), vld1q_f32(in + in_stride));
  const float32x4x2_t bottom =
      vtrnq_f32(vld1q_f32(in + 2 * in_stride), vld1q_f32(in + 3 * in_stride));
  for (int i = 0; i < 2; ++i) {
    const float32x4_t a = top.val[i];
    const float32x4_t b = bottom.val[i];
    vst1q_f32(out + i * out_stride, vcombine_f32(vget_low_f32(a), vget_low_f32(b)));
    vst1q_f32(out + (i + 2) * out_stride, vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
  }
}
GMLP_INLINE void transpose8(float* out, int64_t out_stride, const float* in, int64_t in_stride) {
  for (int64_t i = 0; i < 8; i += 4) {
    for (int64_t j = 0; j < 8; j += 4) {
      transpose4(out + j * out_stride + i, out_stride, in + i * in_stride + j, in_stride);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
