// The table of one instruction set, and its small entries: GELU alone, and probes for tests and
// benchmarks (the exponential, bursts of multiply-adds).

#include <type_traits>

#include "kernels/gemm/pack.h"
#include "kernels/kernels.h"
#include "kernels/math/exp.h"
#include "kernels/math/gelu.h"

namespace gmlp::fused::GMLP_ISA {

// The functions of the other sources, which the fields of Kernels document.
template <typename Field>
using Function = std::remove_pointer_t<Field>;

Function<decltype(Kernels::linear_workspace)> linear_workspace;
Function<decltype(Kernels::linear_forward)> linear_forward;
Function<decltype(Kernels::linear_backward)> linear_backward;
Function<decltype(Kernels::layernorm_workspace)> layernorm_workspace;
Function<decltype(Kernels::layernorm_forward)> layernorm_forward;
Function<decltype(Kernels::layernorm_backward)> layernorm_backward;
Function<decltype(Kernels::attention_workspace)> attention_workspace;
Function<decltype(Kernels::attention_forward)> attention_forward;
Function<decltype(Kernels::attention_backward)> attention_backward;
Function<decltype(Kernels::block_workspace)> block_workspace;
Function<decltype(Kernels::block_packed)> block_packed;
Function<decltype(Kernels::block_forward)> block_forward;
Function<decltype(Kernels::block_backward)> block_backward;
Function<decltype(Kernels::norm_fc1_gelu)> norm_fc1_gelu;
Function<decltype(Kernels::linear_cross_entropy_workspace)> linear_cross_entropy_workspace;
Function<decltype(Kernels::linear_cross_entropy_forward)> linear_cross_entropy_forward;
Function<decltype(Kernels::linear_cross_entropy_backward)> linear_cross_entropy_backward;
Function<decltype(Kernels::adamw_update)> adamw_update;

namespace {

/// y = f(i, count) of the `count` numbers from i on, n in all.
template <typename F>
GMLP_INLINE void map(float* y, int64_t n, const F& f) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t count = min(kLanes, n - i);
    store(y + i, f(i, count), count);
  }
}
void gelu_forward(float* y, const float* x, int64_t n, Precision precision) {
  map(y, n, [&](int64_t i, int64_t count) {
    const F32x16 x_i = load(x + i, count);
    return precision == Precision::kBf16 ? gelu<Bf16>(x_i) : gelu<float>(x_i);
  });
}
void gelu_backward(float* dx, const float* dy, const float* x, int64_t n, Precision precision) {
  map(dx, n, [&](int64_t i, int64_t count) {
    const F32x16 x_i = load(x + i, count);
    const bool bf16 = precision == Precision::kBf16;
    return load(dy + i, count) *
           (bf16 ? gelu_and_slope<Bf16>(x_i) : gelu_and_slope<float>(x_i)).slope;
  });
}
void vector_exp(float* y, const float* x, int64_t n) {
  map(y, n, [&](int64_t i, int64_t count) { return exp(load(x + i, count)); });
}

/// As many independent sums as the register tile has rows.
template <typename Operand>
double burst(int64_t iterations) {
  constexpr int kSums = kMR;
  F32x16 c[kSums];
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) c[i] = set1(static_cast<float>(i));
  F32x16 a = set1(0.5f);
  const F32x16 b = set1(0.25f);
  for (int64_t k = 0; k < iterations; ++k) {
    asm("" : "+m"(a));  // opaque to the compiler, which would hoist the product
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) KStep<Operand>::add_product(c[i], a, b);
  }
  F32x16 total = zero();
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) total = total + c[i];
  // Using the sum keeps the compiler from dropping the products.
  const int64_t multiply_adds = kSums * kLanes * KStep<Operand>::kElements * iterations;
  return sum(total) > 0 ? 2.0 * static_cast<double>(multiply_adds) : -1;
}

double fma_burst(int64_t iterations) {
  return burst<float>(iterations);
}
double bf16_burst(int64_t iterations) {
#if defined(GMLP_HAS_TMM)
  const int64_t rounds = ceil_div(iterations, 64);  // of four products, each of 256 vectors' work
  configure_tmm();
  for (int64_t i = 0; i < rounds; ++i) {
    add_tmm_product<0, 4, 6>();
    add_tmm_product<1, 4, 7>();
    add_tmm_product<2, 5, 6>();
    add_tmm_product<3, 5, 7>();
  }
  release_tmm();
  return 2.0 * 4 * 256 * 2 * kLanes * static_cast<double>(rounds);
#else
  return burst<Bf16Operand>(iterations);
#endif
}

}  // namespace

const Kernels& table() {
  static constexpr Kernels kTable{.isa = GMLP_ISA_NAME,
                                  .has_bf16_dot = KStep<Bf16Operand>::kElements == 2,
                                  .linear_workspace = linear_workspace,
                                  .linear_forward = linear_forward,
                                  .linear_backward = linear_backward,
                                  .layernorm_workspace = layernorm_workspace,
                                  .layernorm_forward = layernorm_forward,
                                  .layernorm_backward = layernorm_backward,
                                  .attention_workspace = attention_workspace,
                                  .attention_forward = attention_forward,
                                  .attention_backward = attention_backward,
                                  .block_workspace = block_workspace,
                                  .block_packed = block_packed,
                                  .block_forward = block_forward,
                                  .block_backward = block_backward,
                                  .adamw_update = adamw_update,
                                  .linear_cross_entropy_workspace = linear_cross_entropy_workspace,
                                  .linear_cross_entropy_forward = linear_cross_entropy_forward,
                                  .linear_cross_entropy_backward = linear_cross_entropy_backward,
                                  .gelu_forward = gelu_forward,
                                  .gelu_backward = gelu_backward,
                                  .vector_exp = vector_exp,
                                  .norm_fc1_gelu = norm_fc1_gelu,
                                  .fma_burst = fma_burst,
                                  .bf16_burst = bf16_burst};
  return kTable;
}

}  // namespace gmlp::fused::GMLP_ISA
