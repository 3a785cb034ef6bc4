// Layer normalization: the fused kernels against the definition, and the definition's own promise.

#include <vector>

#include "kernels/kernels.h"
#include "kernels/reference/reference.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/guarded.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

TEST_CASE("the fused layer norm equals the reference in double", "[kernels]") {
  const int64_t sizes[][2] = {{1, 1}, {3, 5}, {7, 16}, {97, 33}, {200, 300}};
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    for (const auto& s : sizes) {
      const fused::LayerNormShape shape{s[0], s[1], 1e-3F};
      const Tensor of[] = {test::random_tensor(DType::kF32, {s[0], s[1]}, 1),  // x
                           test::random_tensor(DType::kF32, {s[0], s[1]}, 2),  // dy
                           test::random_tensor(DType::kF32, {s[1]}, 3),        // gamma
                           test::random_tensor(DType::kF32, {s[1]}, 4)};       // beta
      Tensor of64[4];
      for (int i = 0; i < 4; ++i) {
        of64[i] = Tensor::zeros(DType::kF64, of[i].shape());
        of64[i].copy_from(of[i]);
      }
      const auto results = [&](DType dtype) {  // y, dx, dgamma, dbeta, mean, rstd
        return std::vector<Tensor>{
            Tensor::zeros(dtype, {s[0], s[1]}), Tensor::zeros(dtype, {s[0], s[1]}),
            Tensor::zeros(dtype, {s[1]}),       Tensor::zeros(dtype, {s[1]}),
            Tensor::zeros(dtype, {s[0]}),       Tensor::zeros(dtype, {s[0]})};
      };
      const std::vector<Tensor> r = results(DType::kF32);
      const std::vector<Tensor> e = results(DType::kF64);
      test::Guarded workspace(kernels->layernorm_workspace(shape) / int64_t{sizeof(float)});
      const auto f = [](const Tensor& t) { return t.data<float>(); };
      const auto d = [](const Tensor& t) { return t.data<double>(); };
      kernels->layernorm_forward(f(r[0]), f(r[4]), f(r[5]), f(of[0]), f(of[2]), f(of[3]), shape);
      kernels->layernorm_backward(f(r[1]), f(r[2]), f(r[3]), f(of[1]), f(of[0]), f(r[4]), f(r[5]),
                                  f(of[2]), workspace.data(), shape);
      reference::layernorm_forward(d(e[0]), d(e[4]), d(e[5]), d(of64[0]), d(of64[2]), d(of64[3]),
                                   s[0], s[1], static_cast<double>(shape.eps));
      reference::layernorm_backward(d(e[1]), d(e[2]), d(e[3]), d(of64[1]), d(of64[0]), d(e[4]),
                                    d(e[5]), d(of64[2]), s[0], s[1]);
      INFO(kernels->isa << " " << s[0] << " " << s[1]);
      CHECK(workspace.intact());
      // Of one column y is beta and dx is 0, up to the rounding of x - mean(x).
      for (size_t i = 0; i < r.size(); ++i) CHECK(test::norm_relative(r[i], e[i], 1e-3) <= 2e-6);
    }
  }
}

TEST_CASE("the reference layer norm of a row does not depend on the row's address", "[kernels]") {
  constexpr int64_t kRows = 17, kCols = 33;  // rows lie at all kinds of addresses
  const Tensor x = test::random_tensor(DType::kF32, {kRows, kCols}, 1);
  const std::vector<float> gamma(kCols, 1), beta(kCols, 0);
  const auto norm = [&](const float* in, int64_t rows) {
    Tensor y = Tensor::zeros(DType::kF32, {rows, kCols});
    std::vector<float> mean(kRows), rstd(kRows);
    reference::layernorm_forward(y.data<float>(), mean.data(), rstd.data(), in, gamma.data(),
                                 beta.data(), rows, kCols, 1e-6);
    return y;
  };
  const Tensor whole = norm(x.data<float>(), kRows);
  for (int64_t r = 0; r < kRows; ++r) {
    const Tensor alone = Tensor::zeros(DType::kF32, {1, kCols});  // at an aligned address
    alone.copy_from(x.rows(r, r + 1));
    CHECK(test::same_bits(norm(alone.data<float>(), 1), whole.rows(r, r + 1)));
  }
}

}  // namespace gmlp
