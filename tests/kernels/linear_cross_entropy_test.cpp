// The fused loss without logits, and the exponential that it takes, on every instruction set that
// runs here.

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/guarded.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

/// |ours - exact| in units of the last place of an f32 near `exact`.
double ulps(float ours, long double exact) {
  int exponent = 0;
  std::frexp(exact, &exponent);
  const int last = exponent - 24 < -149 ? -149 : exponent - 24;
  return static_cast<double>(std::fabs(ours - exact) / std::ldexp(1.0L, last));
}

struct Case {
  int64_t rows, width, vocab;
  bool bias;
};

/// Inputs of a case in T, the same numbers in float and double.
template <typename T>
struct Inputs {
  explicit Inputs(const Case& c)
      : x(draw(c.rows * c.width, 1)), table(draw(c.vocab * c.width, 2)), bias(draw(c.vocab, 3)) {
    for (int64_t r = 0; r < c.rows; ++r) ids.push_back((r * 511 + r / 2) % c.vocab);
  }
  static std::vector<T> draw(int64_t n, uint64_t seed) {
    const Tensor normal = test::random_tensor(DType::kF32, {n}, seed, 0.5);
    return {normal.data<float>(), normal.data<float>() + n};
  }
  std::vector<T> x, table, bias;
  std::vector<int64_t> ids;
};

constexpr double kDloss = 0.01;

/// loss_rows, dx, dtable, dbias, in this order. The last two start from 1: gradients are added to.
std::vector<Tensor> reference_result(const Case& c) {
  const Inputs<double> in(c);
  const double* bias = c.bias ? in.bias.data() : nullptr;
  std::vector<Tensor> out;
  for (const Shape& shape :
       {Shape({c.rows}), Shape({c.rows, c.width}), Shape({c.vocab, c.width}), Shape({c.vocab})}) {
    out.push_back(Tensor::zeros(DType::kF64, shape));
    out.back().fill(1);
  }
  std::vector<double> z(static_cast<size_t>(c.rows * c.vocab));
  std::vector<double> probs(z.size());
  reference::linear_forward(z.data(), in.x.data(), in.table.data(), bias, c.rows, c.width, c.vocab);
  reference::cross_entropy_ids_forward(out[0].data<double>(), probs.data(), z.data(), in.ids.data(),
                                       c.rows, c.vocab);
  reference::cross_entropy_ids_backward(z.data(), kDloss, probs.data(), in.ids.data(), c.rows,
                                        c.vocab);  // z becomes dz
  reference::linear_backward(out[1].data<double>(), out[2].data<double>(),
                             c.bias ? out[3].data<double>() : nullptr, z.data(), in.x.data(),
                             in.table.data(), c.rows, c.width, c.vocab);
  return out;
}

/// The same on fused kernels, every output and the workspace between guards.
std::vector<Tensor> fused_result(const fused::Kernels& kernels, const Case& c) {
  const Inputs<float> in(c);
  const float* bias = c.bias ? in.bias.data() : nullptr;
  const fused::LinearShape shape{c.rows, c.width, c.vocab};
  test::Guarded workspace(kernels.linear_cross_entropy_workspace(shape) /
                          static_cast<int64_t>(sizeof(float)));
  std::vector<test::Guarded> out{test::Guarded(c.rows), test::Guarded(c.rows * c.width),
                                 test::Guarded(c.vocab * c.width), test::Guarded(c.vocab)};
  for (const size_t sums : {size_t{2}, size_t{3}}) {
    std::fill(out[sums].data(), out[sums].data() + out[sums].size(), 1.0F);
  }
  if (!c.bias) std::fill(out[3].data(), out[3].data() + c.vocab, 1.0F);
  test::Guarded top(c.rows);
  test::Guarded sum(c.rows);
  kernels.linear_cross_entropy_forward(out[0].data(), top.data(), sum.data(), in.x.data(),
                                       in.table.data(), bias, in.ids.data(), workspace.data(),
                                       shape);
  kernels.linear_cross_entropy_backward(
      out[1].data(), out[2].data(), c.bias ? out[3].data() : nullptr, static_cast<float>(kDloss),
      top.data(), sum.data(), in.x.data(), in.table.data(), bias, in.ids.data(), workspace.data(),
      shape);
  CHECK((top.intact() && sum.intact() && workspace.intact()));
  std::vector<Tensor> tensors;
  for (test::Guarded& piece : out) {
    CHECK(piece.intact());
    tensors.push_back(Tensor::zeros(DType::kF32, {piece.size()}));
    std::memcpy(tensors.back().data<float>(), piece.data(),
                static_cast<size_t>(piece.size()) * sizeof(float));
  }
  return tensors;
}

}  // namespace

TEST_CASE("exp is within 2 ulp from end to end, denormals included", "[kernels]") {
  std::vector<float> x;
  for (int64_t i = 0; i <= 400001; ++i) {  // no multiple of 16
    x.push_back(-105.0F + 194.0F * static_cast<float>(i) / 400001.0F);
    x.push_back(std::ldexp(static_cast<float>(i % 1001 - 500), static_cast<int>(i % 40) - 40));
  }
  std::vector<float> y(x.size());
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    kernels->vector_exp(y.data(), x.data(), static_cast<int64_t>(x.size()));
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const long double exact = std::exp(static_cast<long double>(x[i]));
      // Halfway between the largest f32 and what would be the next.
      if (exact > 3.40282356779733661637e38L) {
        worst = std::isinf(y[i]) ? worst : HUGE_VAL;
      } else {
        worst = test::worse(worst, ulps(y[i], exact));
      }
    }
    INFO(kernels->isa);
    CHECK(worst <= 2);
  }
}

TEST_CASE("exp of special values: NaN stays, infinities give 0 and infinity", "[kernels]") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    const float x[7] = {NAN, -kInf, kInf, 0.0F, -0.0F, -3.4e38F, 3.4e38F};
    float y[7];
    kernels->vector_exp(y, x, 7);
    INFO(kernels->isa);
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == 0.0F);
    CHECK(y[2] == kInf);
    CHECK(y[3] == 1.0F);
    CHECK(y[4] == 1.0F);
    CHECK(y[5] == 0.0F);
    CHECK(y[6] == kInf);
  }
}

TEST_CASE("the fused loss without logits equals the reference in double", "[kernels]") {
  // Around the edges of lanes and panels, tasks, bands (1024 rows) and chunks (512 ids).
  const int64_t sizes[][3] = {{1, 1, 1},     {2, 3, 2},       {3, 5, 17},     {14, 16, 32},
                              {15, 33, 511}, {97, 64, 512},   {99, 257, 513}, {300, 20, 1025},
                              {1024, 9, 40}, {1025, 30, 530}, {2050, 7, 1700}};
  for (const auto& s : sizes) {
    for (const bool bias : {false, true}) {
      const Case c{s[0], s[1], s[2], bias};
      const std::vector<Tensor> exact = reference_result(c);
      for (const fused::Kernels* kernels : fused::available_kernels()) {
        INFO(kernels->isa << " M " << c.rows << " D " << c.width << " V " << c.vocab << " bias "
                          << bias);
        const std::vector<Tensor> ours = fused_result(*kernels, c);
        for (size_t i = 0; i < exact.size(); ++i) {
          INFO("output " << i);
          CHECK(test::norm_relative(ours[i], exact[i], 1e-6) <= 2e-6);
        }
      }
    }
  }
}

TEST_CASE("the fused loss without logits has the same bits on 1 to 8 threads", "[kernels]") {
  const int threads = thread_count();
  const Case c{1100, 30, 1300, true};
  for (const fused::Kernels* kernels : fused::available_kernels()) {
    set_thread_count(1);
    const std::vector<Tensor> one = fused_result(*kernels, c);
    for (const int count : {2, 3, 8}) {
      set_thread_count(count);
      const std::vector<Tensor> many = fused_result(*kernels, c);
      INFO(kernels->isa << " on " << count << " threads");
      for (size_t i = 0; i < one.size(); ++i) {
        CHECK(std::memcmp(one[i].data<float>(), many[i].data<float>(),
                          static_cast<size_t>(one[i].elements()) * sizeof(float)) == 0);
      }
    }
  }
  set_thread_count(threads);
}

}  // namespace gmlp
