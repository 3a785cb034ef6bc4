// Products of the sizes that gMLP-S/16 at batch 8 and gMLP-Ti/16 at batch 32 have, and a large
// square. What is compared, so that nobody is favoured:
//
//   gemm           C = A B. Ours packs A and B inside the timing; oneDNN gets B in its own layout.
//   norm_fc1_gelu     C = gelu(layernorm(A) W + b), the block's first stage with the weight packed;
//                  theirs is gelu(A W + b) without the norm: no library has it in one pass.
//
// In bf16 theirs take A and B already rounded.

#include <cmath>

#include <fmt/format.h>

#include "apps/bench/baselines/baseline.h"
#include "apps/bench/cases.h"
#include "core/random.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

struct Size {
  int64_t m, n, k;
};

constexpr Size kSizes[] = {{1568, 1536, 256},  // S/16, batch 8: D to F
                           {1568, 256, 768},   // S/16, batch 8: E to D
                           {196, 768, 196},    // S/16: W over tokens, one image
                           {6272, 768, 128},   // Ti/16, batch 32: D to F
                           {2048, 2048, 2048}};

std::string shape_of(const Size& size) {
  return fmt::format("{}x{}x{}", size.m, size.n, size.k);
}

/// Rows of mean 0 and variance 1, which a norm leaves as they are: so those who have no norm can be
/// compared to ours, who has.
void normalise_rows(const Tensor& a) {
  const int64_t cols = a.shape().cols();
  for (int64_t r = 0; r < a.shape().rows(); ++r) {
    float* row = a.data<float>() + r * cols;
    double sum = 0;
    double squares = 0;
    for (int64_t c = 0; c < cols; ++c) {
      sum += static_cast<double>(row[c]);
      squares += static_cast<double>(row[c]) * static_cast<double>(row[c]);
    }
    const double mean = sum / static_cast<double>(cols);
    const double rstd = 1 / std::sqrt(squares / static_cast<double>(cols) - mean * mean);
    for (int64_t c = 0; c < cols; ++c) {
      row[c] = static_cast<float>((static_cast<double>(row[c]) - mean) * rstd);
    }
  }
}

Product make_product(const Size& size, bool bf16, bool gelu) {
  // Variances of one in A and in C, as between a norm and a nonlinearity.
  const double scale = std::sqrt(3.0 / static_cast<double>(size.k));
  Tensor a = random_numbers({size.m, size.k}, std::sqrt(3.0));
  if (gelu) normalise_rows(a);
  return {size.m,
          size.n,
          size.k,
          bf16,
          gelu,
          a,
          random_numbers({size.k, size.n}, scale),
          random_numbers({size.n}, 1.0)};
}

void add_yardsticks(Case& c, const Product& product) {
  for (const Baseline& baseline : baselines()) {
    // Shared, because a std::function is copied and what it holds must be copyable, too.
    const std::shared_ptr<Prepared> prepared = baseline.prepare(product);
    if (prepared == nullptr) continue;
    c.contenders.push_back({baseline.name, baseline.colour, [prepared] { prepared->run(); },
                            [prepared] { return prepared->result(); }});
  }
}

fused::Precision precision_of(bool bf16) {
  return bf16 ? fused::Precision::kBf16 : fused::Precision::kF32;
}

Case product_case(const char* kernel, const Size& size, bool bf16) {
  Case c;
  c.kernel = kernel;
  c.shape = shape_of(size);
  c.precision = bf16 ? "bf16" : "f32";
  c.work = 2.0 * static_cast<double>(size.m * size.n * size.k);
  return c;
}

Case gemm_case(const Size& size, bool bf16) {
  Case c = product_case("gemm", size, bf16);
  const Product product = make_product(size, bf16, false);
  const Tensor out = Tensor::zeros(DType::kF32, {size.m, size.n});
  const int64_t bytes = fused::kernels().gemm_workspace(size.m, size.n, size.k);
  const Tensor room = Tensor::zeros(DType::kF32, {bytes / 4 + 1});
  const auto run = [=] {
    fused::kernels().gemm(out.data<float>(), product.a.data<float>(), product.b.data<float>(),
                          false, false, room.raw(), size.m, size.n, size.k, precision_of(bf16));
  };
  c.contenders.push_back({kOurs, kOurColour, run, [out] { return Tensor(out); }});
  add_yardsticks(c, product);
  return c;
}

/// Our layer norm -> projection -> bias -> GELU, with a norm that scales by one and adds nothing.
class ChannelIn {
 public:
  explicit ChannelIn(const Product& product)
      : x_(product.a),
        weight_(Tensor::zeros(DType::kF32, {product.n, product.k})),
        bias_(product.bias),
        ones_(Tensor::zeros(DType::kF32, {product.k})),
        zeros_(Tensor::zeros(DType::kF32, {product.k})),
        z_(Tensor::zeros(DType::kF32, {product.m, product.n + kPad})) {
    for (int64_t i = 0; i < product.k; ++i) {
      for (int64_t j = 0; j < product.n; ++j) {
        weight_.data<float>()[j * product.k + i] = product.b.data<float>()[i * product.n + j];
      }
    }
    ones_.fill(1);
    shape_.batch = product.m / kTokens;
    shape_.tokens = kTokens;
    shape_.d_model = product.k;
    shape_.d_ffn = product.n;
    shape_.norm_eps = 1e-6F;
    shape_.gate_eps = 1e-5F;
    shape_.precision = precision_of(product.bf16);
    room_ = Tensor::zeros(DType::kF32, {fused::kernels().block_workspace(shape_) / 4 + 1});
    call(nullptr);  // packs the weight
  }
  void run() { call(z_.raw()); }
  /// The first row of z.
  Tensor result() const {
    const bool bf16 = shape_.precision == fused::Precision::kBf16 && fused::kernels().has_bf16_dot;
    Tensor row = Tensor::zeros(DType::kF32, {shape_.d_ffn});
    row.copy_from(Tensor::over(z_.raw(), bf16 ? DType::kBf16 : DType::kF32, Shape{shape_.d_ffn}));
    return row;
  }

 private:
  static constexpr int64_t kTokens = 196;  // divides the rows of all sizes
  static constexpr int64_t kPad = 64;      // more than the rows of z are apart

  void call(void* z) {
    fused::BlockWeights<const float*> weights{};
    weights.norm_weight = ones_.data<float>();
    weights.norm_bias = zeros_.data<float>();
    weights.fc1_weight = weight_.data<float>();
    weights.fc1_bias = bias_.data<float>();
    fused::kernels().norm_fc1_gelu(z, x_.data<float>(), weights, room_.raw(), shape_);
  }

  Tensor x_, weight_, bias_, ones_, zeros_, z_, room_;
  fused::BlockShape shape_{};
};

Case norm_fc1_gelu_case(const Size& size, bool bf16) {
  Case c = product_case("norm_fc1_gelu", size, bf16);
  const Product product = make_product(size, bf16, true);
  const std::shared_ptr<ChannelIn> ours = std::make_shared<ChannelIn>(product);
  c.contenders.push_back(
      {kOurs, kOurColour, [ours] { ours->run(); }, [ours] { return ours->result(); }});
  add_yardsticks(c, product);
  return c;
}

}  // namespace

Tensor random_numbers(const Shape& shape, double scale) {
  Tensor numbers = Tensor::zeros(DType::kF32, shape);
  Random random(1, Purpose::kSample, static_cast<uint64_t>(shape.elements()));
  for (int64_t i = 0; i < numbers.elements(); ++i) {
    numbers.data<float>()[i] = static_cast<float>(random.uniform(-scale, scale));
  }
  return numbers;
}

void add_product_cases(std::vector<CaseMaker>& cases) {
  for (const bool bf16 : {false, true}) {
    for (const Size& size : kSizes) cases.emplace_back([=] { return gemm_case(size, bf16); });
    for (const Size& size : kSizes) {
      if (size.m == size.n) continue;  // the square is nobody's layer
      cases.emplace_back([=] { return norm_fc1_gelu_case(size, bf16); });
    }
  }
}

}  // namespace gmlp
