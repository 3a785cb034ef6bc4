// The fused attention of every instruction set that runs here, against the definition in double.

#include "kernels/reference/attention.h"

#include <vector>

#include "kernels/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/guarded.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

using fused::AttentionShape;

Tensor doubles(const Tensor& source) {
  Tensor copy = Tensor::zeros(DType::kF64, source.shape());
  copy.copy_from(source);
  return copy;
}

/// A copy in guarded memory.
test::Guarded guarded(const Tensor& source) {
  test::Guarded copy(source.elements());
  std::copy_n(source.data<float>(), source.elements(), copy.data());
  return copy;
}
Tensor tensor_of(test::Guarded& memory, const Shape& shape) {
  Tensor copy = Tensor::zeros(DType::kF32, shape);
  std::copy_n(memory.data(), shape.elements(), copy.data<float>());
  return copy;
}

/// Compares forward and backward; memory is guarded, and NaN at first.
void check(const fused::Kernels& kernels, const AttentionShape& shape, bool with_bias) {
  const int64_t n = shape.tokens;
  const Shape in{shape.batch, n, shape.parts() * shape.width};
  const Shape out{shape.batch, n, shape.width};
  const Tensor qkv = test::random_tensor(DType::kF32, in, 1);
  const Tensor bias = test::random_tensor(DType::kF32, {shape.heads, 2 * n - 1}, 2);
  const Tensor dy = test::random_tensor(DType::kF32, out, 3);
  const float* bias_data = with_bias ? bias.data<float>() : nullptr;

  test::Guarded y(out.elements());
  test::Guarded lse(shape.batch * shape.heads * n);
  test::Guarded dqkv(in.elements());
  test::Guarded dbias = guarded(bias);  // gradients are added
  test::Guarded workspace(kernels.attention_workspace(shape) / int64_t{sizeof(float)});
  kernels.attention_forward(y.data(), lse.data(), qkv.data<float>(), bias_data, workspace.data(),
                            shape);
  CHECK(workspace.intact());
  test::Guarded again(workspace.size());
  kernels.attention_backward(dqkv.data(), with_bias ? dbias.data() : nullptr, dy.data<float>(),
                             y.data(), lse.data(), qkv.data<float>(), bias_data, again.data(),
                             shape);
  CHECK((again.intact() && y.intact() && lse.intact() && dqkv.intact() && dbias.intact()));

  const Tensor y64 = Tensor::zeros(DType::kF64, out);
  const Tensor p64 = Tensor::zeros(DType::kF64, {shape.batch, shape.heads, n, n});
  const Tensor dp64 = Tensor::zeros(DType::kF64, p64.shape());
  const Tensor dqkv64 = Tensor::zeros(DType::kF64, in);
  const Tensor qkv64 = doubles(qkv);
  const Tensor bias64 = doubles(bias);
  const Tensor dbias64 = doubles(bias);
  const double* bias64_data = with_bias ? bias64.data<double>() : nullptr;
  reference::head_attention_forward<double>(y64.data<double>(), p64.data<double>(),
                                            qkv64.data<double>(), bias64_data, shape);
  reference::head_attention_backward<double>(
      dqkv64.data<double>(), with_bias ? dbias64.data<double>() : nullptr, dp64.data<double>(),
      doubles(dy).data<double>(), p64.data<double>(), qkv64.data<double>(), shape);
  const double bound = shape.precision == fused::Precision::kBf16 ? 1e-2 : 2e-6;
  CHECK(test::norm_relative(tensor_of(y, out), y64) <= bound);
  CHECK(test::norm_relative(tensor_of(dqkv, in), dqkv64) <= bound);
  CHECK(test::norm_relative(tensor_of(dbias, bias.shape()), dbias64) <= bound);
}

}  // namespace

TEST_CASE("fused attention equals the reference in double", "[kernels]") {
  // B, N, D, H: a token, a head a number wide, odd widths, more rows than a task of the GEMM, rows
  // whose stride would be a multiple of 2 KB.
  const int64_t sizes[][4] = {{1, 1, 1, 1},   {2, 5, 6, 2},    {3, 17, 21, 3},
                              {1, 50, 64, 4}, {2, 131, 32, 1}, {1, 509, 40, 2}};
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    for (const auto& s : sizes) {
      for (int form = 0; form < 6; ++form) {
        const bool content = form % 3 != 0;
        const bool with_bias = form % 3 != 1;
        for (const auto precision : {fused::Precision::kF32, fused::Precision::kBf16}) {
          const AttentionShape shape{s[0], s[1], s[2], s[3], content, form % 2 != 0, precision};
          INFO(kernels->isa << ": B " << s[0] << " N " << s[1] << " D " << s[2] << " H " << s[3]
                            << " content " << content << " bias " << with_bias << " causal "
                            << shape.causal << " bf16 " << (precision != fused::Precision::kF32));
          check(*kernels, shape, with_bias);
        }
      }
    }
  }
}

TEST_CASE("a sample's attention has the same bits in any batch", "[kernels]") {
  const Tensor qkv = test::random_tensor(DType::kF32, {5, 33, 3 * 24}, 1);
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    const auto outputs = [&](int64_t batch) {
      const AttentionShape shape{batch, 33, 24, 3};
      const Tensor y = Tensor::zeros(DType::kF32, {batch, 33, 24});
      std::vector<float> lse(static_cast<size_t>(batch * 3 * 33));
      std::vector<char> workspace(static_cast<size_t>(kernels->attention_workspace(shape)));
      const int64_t sample = 5 - batch;  // the last ones
      kernels->attention_forward(y.data<float>(), lse.data(),
                                 qkv.data<float>() + sample * 33 * 3 * 24, nullptr,
                                 workspace.data(), shape);
      return std::vector<float>(y.data<float>() + (batch - 1) * 33 * 24,
                                y.data<float>() + batch * 33 * 24);
    };
    INFO(kernels->isa);
    CHECK(outputs(1) == outputs(5));
  }
}

}  // namespace gmlp
