#pragma once
// Parts of the kernels' table that not every version of it has. A command asks here and leaves out
// what is absent.

#include <functional>

#include "apps/bench/cases.h"
#include "apps/bench/yardsticks/yardstick.h"
#include "kernels/dispatch.h"

namespace gmlp {

using Burst = double (*)(int64_t iterations);

/// Dot products of bf16 pairs on registers; nullptr where the table has none.
template <typename Table>
Burst bf16_burst_of(const Table& table) {
  if constexpr (requires { table.bf16_burst; }) {
    return table.bf16_burst;
  } else {
    return nullptr;
  }
}

/// C (m,n) = A (m,k) B (k,n) on the GEMM of all kernels.
using GemmCall = std::function<void(float* c, const float* a, const float* b, void* workspace,
                                    int64_t m, int64_t n, int64_t k)>;

/// In f32 or bf16; empty where the table has no bf16.
template <typename Table, typename Shape = fused::BlockShape>
GemmCall gemm_of(const Table& table, bool bf16) {
  if constexpr (requires { Shape::precision; }) {
    using Precision = decltype(Shape::precision);
    const Precision precision = bf16 ? Precision::kBf16 : Precision::kF32;
    return [&table, precision](float* c, const float* a, const float* b, void* workspace, int64_t m,
                               int64_t n, int64_t k) {
      table.gemm(c, a, b, false, false, workspace, m, n, k, precision);
    };
  } else {
    if (bf16) return {};
    return [&table](float* c, const float* a, const float* b, void* workspace, int64_t m, int64_t n,
                    int64_t k) { table.gemm(c, a, b, false, false, workspace, m, n, k); };
  }
}

/// Adds our fused layer norm -> projection -> bias -> GELU to the case, where the table has it.
template <typename Table, typename Shape = fused::BlockShape>
void add_channel_in(const Table& table, Case& c, const Product& product) {
  if constexpr (requires { table.channel_in; }) {
    using Precision = decltype(Shape::precision);
    constexpr int64_t kTokens = 196;
    constexpr int64_t kPad = 64;  // more than the rows of z are apart
    Shape shape{};
    shape.batch = product.m / kTokens;
    shape.tokens = kTokens;
    shape.d_model = product.k;
    shape.d_ffn = product.n;
    shape.norm_eps = 1e-6F;
    shape.gate_eps = 1e-5F;
    shape.precision = product.bf16 ? Precision::kBf16 : Precision::kF32;
    const Tensor weight = Tensor::zeros(DType::kF32, {product.n, product.k});
    for (int64_t i = 0; i < product.k; ++i) {
      for (int64_t j = 0; j < product.n; ++j) {
        weight.data<float>()[j * product.k + i] = product.b.data<float>()[i * product.n + j];
      }
    }
    const Tensor ones = Tensor::zeros(DType::kF32, {product.k});
    ones.fill(1);
    const Tensor zeros = Tensor::zeros(DType::kF32, {product.k});
    const Tensor z = Tensor::zeros(DType::kF32, {product.m, product.n + kPad});
    const Tensor room = Tensor::zeros(DType::kF32, {table.block_workspace(shape) / 4 + 1});
    const Tensor x = product.a;
    const Tensor bias = product.bias;
    const auto call = [=, &table](void* out) {
      fused::BlockWeights<const float> weights{};
      weights.norm_weight = ones.data<float>();
      weights.norm_bias = zeros.data<float>();
      weights.fc1_weight = weight.data<float>();
      weights.fc1_bias = bias.data<float>();
      table.channel_in(out, x.data<float>(), weights, room.raw(), shape);
    };
    call(nullptr);  // packs the weight
    c.contenders.push_back({kOurs, kOurColour, [=] { call(z.raw()); }, nullptr});
  }
}

}  // namespace gmlp
