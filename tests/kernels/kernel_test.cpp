// The fused kernels of every instruction set that runs here, against the definition.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/guarded.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

/// Small integers, so that every sum is exact in f32 whatever the order.
std::vector<float> small_integers(int64_t n, uint64_t seed) {
  Random random(seed, Purpose::kSample);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(random.below(15) - 7);
  return values;
}

std::vector<float> exact_product(const std::vector<float>& a, const std::vector<float>& b, bool at,
                                 bool bt, int64_t m, int64_t n, int64_t k) {
  std::vector<float> c(static_cast<size_t>(m * n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      int64_t total = 0;
      for (int64_t p = 0; p < k; ++p) {
        const float x = a[static_cast<size_t>(at ? p * m + i : i * k + p)];
        const float y = b[static_cast<size_t>(bt ? j * k + p : p * n + j)];
        total += static_cast<int64_t>(x) * static_cast<int64_t>(y);
      }
      c[static_cast<size_t>(i * n + j)] = static_cast<float>(total);
    }
  }
  return c;
}

/// One way to multiply, and how many of its products were wrong or overwrote a guard.
struct Multiplier {
  const fused::Kernels* kernels;
  fused::Precision precision;
  int wrong = 0;
};

/// The three products of a linear layer: y = A Bᵀ, dx = A B, and dW = Aᵀ B.
enum class Form { kOutput, kInputGradient, kWeightGradient };

/// Whether C (m,n) is as expected, and nothing beyond it or the workspace was overwritten.
bool multiplies(const Multiplier& by, Form form, const std::vector<float>& expected,
                const std::vector<float>& a, const std::vector<float>& b, int64_t m, int64_t n,
                int64_t k) {
  const fused::Kernels& kernels = *by.kernels;
  fused::LinearShape shape{m, k, n, by.precision};
  if (form == Form::kInputGradient) shape = {m, n, k, by.precision};
  if (form == Form::kWeightGradient) shape = {k, n, m, by.precision};
  test::Guarded c(m * n);
  test::Guarded workspace(kernels.linear_workspace(shape) / static_cast<int64_t>(sizeof(float)));
  if (form == Form::kOutput) {
    kernels.linear_forward(c.data(), a.data(), b.data(), nullptr, workspace.data(), shape);
  } else if (form == Form::kInputGradient) {
    const std::vector<float> x(expected.size());
    std::vector<float> dweight(b.size());
    kernels.linear_backward(c.data(), dweight.data(), nullptr, a.data(), x.data(), b.data(),
                            workspace.data(), shape);
  } else {
    std::fill(c.data(), c.data() + c.size(), 0.0F);
    kernels.linear_backward(nullptr, c.data(), nullptr, a.data(), b.data(), nullptr,
                            workspace.data(), shape);
  }
  return std::memcmp(c.data(), expected.data(), expected.size() * sizeof(float)) == 0 &&
         c.intact() && workspace.intact();
}

void count_wrong_products(std::vector<Multiplier>& multipliers, const std::vector<int64_t>& sizes,
                          const std::vector<int64_t>& depths) {
  for (const int64_t m : sizes) {
    for (const int64_t n : sizes) {
      for (const int64_t k : depths) {
        const std::vector<float> a = small_integers(m * k, 1);
        const std::vector<float> b = small_integers(k * n, 2);
        for (const Form form : {Form::kOutput, Form::kInputGradient, Form::kWeightGradient}) {
          const std::vector<float> expected =
              exact_product(a, b, form == Form::kWeightGradient, form == Form::kOutput, m, n, k);
          for (Multiplier& by : multipliers) {
            by.wrong += multiplies(by, form, expected, a, b, m, n, k) ? 0 : 1;
          }
        }
      }
    }
  }
}

/// The value of saved bf16 bits.
double widened(uint16_t bits) {
  const uint32_t whole = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &whole, sizeof value);
  return value;
}

struct MathResult {
  std::vector<float> x, gelu, dgelu;
};

MathResult gelu_of(const fused::Kernels& kernels, float low, float high,
                   fused::Precision precision) {
  MathResult r;
  constexpr int64_t kPoints = 200003;  // no multiple of 16
  r.x.resize(kPoints);
  for (int64_t i = 0; i < kPoints; ++i) {
    r.x[static_cast<size_t>(i)] =
        low + (high - low) * static_cast<float>(i) / static_cast<float>(kPoints - 1);
  }
  r.gelu.resize(r.x.size());
  r.dgelu.resize(r.x.size());
  const std::vector<float> ones(r.x.size(), 1.0F);
  kernels.gelu_forward(r.gelu.data(), r.x.data(), kPoints, precision);
  kernels.gelu_backward(r.dgelu.data(), ones.data(), r.x.data(), kPoints, precision);
  return r;
}

}  // namespace

TEST_CASE("the GEMM is exact on small integers at every awkward size", "[kernels]") {
  std::vector<int64_t> sizes;
  for (int64_t s = 1; s <= 17; ++s) sizes.push_back(s);
  for (const int64_t s : {31, 32, 33, 63, 64, 65}) sizes.push_back(s);
  std::vector<Multiplier> multipliers;
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    multipliers.push_back({kernels, fused::Precision::kF32});
    multipliers.push_back({kernels, fused::Precision::kBf16});
  }
  set_thread_count(1);  // thousands of tiny products
  count_wrong_products(multipliers, sizes, sizes);
  // Long k with remainders of unrolled loops; in dW beyond kKC = 800 k-steps, which are 1600
  // elements of bf16.
  count_wrong_products(multipliers, {1, 6, 7, 17, 33, 65}, {255, 256, 257, 513, 700, 801, 1601});
  set_thread_count(2);
  count_wrong_products(multipliers, {5, 100, 129}, {5, 100, 129});
  for (const Multiplier& by : multipliers) {
    INFO(by.kernels->isa << (by.precision == fused::Precision::kBf16 ? " in bf16" : " in f32"));
    CHECK(by.wrong == 0);
  }
}

TEST_CASE("GELU and its derivative are within 4e-6 relative or 1e-7 absolute", "[kernels]") {
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    for (const int round : {0, 1, 2, 3}) {
      const float range = round % 2 == 0 ? 1.0F : 14.0F;
      const bool bf16 = round >= 2;
      const MathResult r =
          gelu_of(*kernels, -range, range, bf16 ? fused::Precision::kBf16 : fused::Precision::kF32);
      int wrong = 0;
      for (size_t i = 0; i < r.x.size(); ++i) {
        const long double x = r.x[i];
        const long double cdf = 0.5L * std::erfc(-x / std::sqrt(2.0L));
        const long double pdf = std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846L);
        const auto right = [&](float ours, long double exact) {
          const long double error = std::fabs(ours - exact);
          if (bf16) return error <= 4e-6L + 0x1p-9L * std::fabs(exact);
          return error <= 1e-7L || error <= 4e-6L * std::fabs(exact);
        };
        wrong += right(r.gelu[i], x * cdf) && right(r.dgelu[i], cdf + x * pdf) ? 0 : 1;
      }
      INFO(kernels->isa << " on +-" << range << (bf16 ? " in bf16" : ""));
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("GELU of special values: NaN stays, zero is zero, large values are x and 0",
          "[kernels]") {
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    const float x[6] = {NAN, 0.0F, -0.0F, 100.0F, -100.0F, 1e-30F};
    const float dy[6] = {1, 1, 1, 2, 1, 1};
    float g[6];
    float d[6];
    kernels->gelu_forward(g, x, 6, fused::Precision::kF32);
    kernels->gelu_backward(d, dy, x, 6, fused::Precision::kF32);
    CHECK(std::isnan(g[0]));
    CHECK(g[1] == 0.0F);
    CHECK(g[2] == 0.0F);
    CHECK(g[3] == 100.0F);
    CHECK(std::fabs(g[4]) < 1e-30F);
    CHECK(g[5] == Approx(5e-31F));
    CHECK(d[3] == 2.0F);
  }
}

TEST_CASE("in bf16 the forward computes with the h and t that it saved", "[kernels]") {
  constexpr int64_t kTokens = 5;
  constexpr int64_t kWidth = 6;  // D, and E
  constexpr int64_t kRows = 3 * kTokens;
  const fused::BlockShape shape{.batch = 3,
                                .tokens = kTokens,
                                .d_model = kWidth,
                                .d_ffn = 2 * kWidth,
                                .norm_eps = 1e-6F,
                                .gate_eps = 1e-5F,
                                .precision = fused::Precision::kBf16};
  const auto random = [](const Shape& dims, uint64_t seed) {
    return test::random_tensor(DType::kF32, dims, seed);
  };
  const Tensor x = random({kRows, kWidth}, 1);
  const Tensor w1 = random({2 * kWidth, kWidth}, 2);
  const Tensor w = random({kTokens, kTokens}, 3);
  const Tensor w2 = random({kWidth, kWidth}, 4);
  const Tensor b = random({kTokens}, 5);
  const Tensor others = random({2 * kWidth}, 6);  // biases and norms
  const float* any = others.data<float>();
  const fused::BlockWeights<const float*> weights{.norm = {any, any},
                                                  .fc1 = {w1.data<float>(), any},
                                                  .gate_norm = {any, any},
                                                  .spatial = {w.data<float>(), b.data<float>()},
                                                  .fc2 = {w2.data<float>(), any}};
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    if (kernels->has_bf16_dot) continue;  // rounds operands, too
    std::vector<float> statistics(4 * kRows);
    std::vector<uint16_t> h(kRows * 2 * kWidth);
    std::vector<uint16_t> t(kRows * kWidth);
    const fused::BlockSaved saved{
        statistics.data(), statistics.data() + kRows,     h.data(),
        t.data(),          statistics.data() + 2 * kRows, statistics.data() + 3 * kRows};
    const Tensor y = Tensor::zeros(DType::kF32, {kRows, kWidth});
    fused::BlockData data{};
    data.x = x.data<float>();
    data.y = y.data<float>();
    std::vector<char> workspace(static_cast<size_t>(kernels->block_workspace(shape)) + 64, '\xFF');
    kernels->block_forward(data, saved, weights, workspace.data(), shape);
    double worst = 0;
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t d = 0; d < kWidth; ++d) {
        double expected = x.data<float>()[r * kWidth + d] + static_cast<double>(any[d]);
        for (int64_t e = 0; e < kWidth; ++e) {
          const double h_u = widened(h[static_cast<size_t>(r * 2 * kWidth + e)]);
          const double g = widened(t[static_cast<size_t>(r * kWidth + e)]) +
                           static_cast<double>(b.data<float>()[r % kTokens]);
          const double u = h_u * 0.5 * std::erfc(-h_u / std::sqrt(2.0));
          expected += u * g * w2.data<float>()[d * kWidth + e];
        }
        worst = test::worse(worst, std::fabs(y.data<float>()[r * kWidth + d] - expected));
      }
    }
    INFO(kernels->isa);
    CHECK(worst < 5e-6);
  }
}

TEST_CASE("the fused linear layer equals the reference in double", "[kernels]") {
  const int64_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {16, 16, 16}, {97, 33, 65}, {200, 300, 10}};
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    for (size_t i = 0; i < 2 * std::size(sizes); ++i) {
      const auto& s = sizes[i / 2];
      const bool bf16 = i % 2 != 0;
      const fused::LinearShape shape{s[0], s[1], s[2],
                                     bf16 ? fused::Precision::kBf16 : fused::Precision::kF32};
      const auto f32 = [&](const Shape& dims, uint64_t seed) {
        return test::random_tensor(DType::kF32, dims, seed);
      };
      const auto f64 = [&](const Tensor& source) {
        Tensor copy = Tensor::zeros(DType::kF64, source.shape());
        copy.copy_from(source);
        return copy;
      };
      const Tensor x = f32({s[0], s[1]}, 1);
      const Tensor w = f32({s[2], s[1]}, 2);
      const Tensor b = f32({s[2]}, 3);
      const Tensor dy = f32({s[0], s[2]}, 4);
      const Tensor y = Tensor::zeros(DType::kF32, {s[0], s[2]});
      const Tensor dx = Tensor::zeros(DType::kF32, x.shape());
      const Tensor dw = Tensor::zeros(DType::kF32, w.shape());
      const Tensor db = Tensor::zeros(DType::kF32, b.shape());
      std::vector<char> workspace(static_cast<size_t>(kernels->linear_workspace(shape)) + 64,
                                  '\xFF');
      kernels->linear_forward(y.data<float>(), x.data<float>(), w.data<float>(), b.data<float>(),
                              workspace.data(), shape);
      kernels->linear_backward(dx.data<float>(), dw.data<float>(), db.data<float>(),
                               dy.data<float>(), x.data<float>(), w.data<float>(), workspace.data(),
                               shape);
      const Tensor ey = f64(y);
      const Tensor edx = f64(dx);
      const Tensor edw = Tensor::zeros(DType::kF64, w.shape());
      const Tensor edb = Tensor::zeros(DType::kF64, b.shape());
      const Tensor x64 = f64(x);
      const Tensor w64 = f64(w);
      reference::linear_forward(ey.data<double>(), x64.data<double>(), w64.data<double>(),
                                f64(b).data<double>(), s[0], s[1], s[2]);
      reference::linear_backward(edx.data<double>(), edw.data<double>(), edb.data<double>(),
                                 f64(dy).data<double>(), x64.data<double>(), w64.data<double>(),
                                 s[0], s[1], s[2]);
      INFO(kernels->isa << " " << s[0] << " " << s[1] << " " << s[2] << " bf16 " << bf16);
      const double bound = bf16 ? 5e-3 : 1e-6;
      CHECK(test::norm_relative(y, ey) <= bound);
      CHECK(test::norm_relative(dx, edx) <= bound);
      CHECK(test::norm_relative(dw, edw) <= bound);
      CHECK(test::norm_relative(db, edb) <= bound);
    }
  }
}

TEST_CASE("the fused AdamW equals the reference in double", "[kernels]") {
  constexpr int64_t kSize = 1003;
  const fused::AdamWStep<double> step64{.decay_factor = 1 - 1e-2 * 0.05,
                                        .beta1 = 0.9,
                                        .beta2 = 0.999,
                                        .one_minus_beta1 = 0.1,
                                        .one_minus_beta2 = 0.001,
                                        .step_size = 1e-2 / 0.1,
                                        .sqrt_bias_correction2 = std::sqrt(0.001),
                                        .inv_sqrt_bias_correction2 = 1 / std::sqrt(0.001),
                                        .eps = 1e-6,
                                        .grad_scale = 0.5};
  const auto f = [](double factor) { return static_cast<float>(factor); };
  const fused::AdamWStep<float> step{f(step64.decay_factor),
                                     f(step64.beta1),
                                     f(step64.beta2),
                                     f(step64.one_minus_beta1),
                                     f(step64.one_minus_beta2),
                                     f(step64.step_size),
                                     f(step64.sqrt_bias_correction2),
                                     f(step64.inv_sqrt_bias_correction2),
                                     f(step64.eps),
                                     f(step64.grad_scale)};
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    const auto make = [&](DType dtype, uint64_t seed, bool positive) {
      const Tensor source = test::random_tensor(DType::kF32, {kSize}, seed);
      if (positive) {
        for (int64_t i = 0; i < kSize; ++i) source.data<float>()[i] *= source.data<float>()[i];
      }
      Tensor tensor = Tensor::zeros(dtype, {kSize});
      tensor.copy_from(source);
      return tensor;
    };
    const Tensor w = make(DType::kF32, 1, false);
    const Tensor m = make(DType::kF32, 2, false);
    const Tensor v = make(DType::kF32, 3, true);
    const Tensor w64 = make(DType::kF64, 1, false);
    const Tensor m64 = make(DType::kF64, 2, false);
    const Tensor v64 = make(DType::kF64, 3, true);
    const Tensor grad = make(DType::kF32, 4, false);
    const Tensor grad64 = make(DType::kF64, 4, false);
    kernels->adamw_update(w.data<float>(), m.data<float>(), v.data<float>(), grad.data<float>(),
                          kSize, step);
    reference::adamw_update(w64.data<double>(), m64.data<double>(), v64.data<double>(),
                            grad64.data<double>(), kSize, step64);
    CHECK(test::max_difference(grad, Tensor::zeros(DType::kF32, {kSize})) == 0);  // used up
    CHECK(test::max_difference(grad64, Tensor::zeros(DType::kF64, {kSize})) == 0);
    CHECK(test::norm_relative(w, w64) <= 1e-6);
    CHECK(test::norm_relative(m, m64) <= 1e-6);
    CHECK(test::norm_relative(v, v64) <= 1e-6);
  }
}

}  // namespace gmlp
