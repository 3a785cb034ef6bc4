// Sizes are those of gMLP-S/16 at batch 8 and gMLP-Ti/16 at batch 32. No library is favored:
// print_header() in kernels.cpp tells what each one computes. No library has the norm in the same
// pass, so theirs is gelu(A W + b). The block runs through the tape, as in training.

#include "apps/bench/cases.h"

#include <cmath>
#include <memory>

#include <Eigen/src/Core/util/Macros.h>  // the version only
#include <fmt/format.h>

#include "apps/bench/ladder/rungs.h"
#include "autograd/tape.h"
#include "core/parallel.h"
#include "core/random.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"
#include "models/gmlp_block.h"

namespace gmlp {

namespace {

constexpr int64_t kTokens = 196;  // divides the rows of all products but the square

constexpr struct ProductSize {
  int64_t m, n, k;
} kProducts[] = {{1568, 1536, 256},  // S/16, batch 8: D to F
                 {1568, 256, 768},   // S/16, batch 8: E to D
                 {196, 768, 196},    // S/16: W over tokens, one image
                 {6272, 768, 128},   // Ti/16, batch 32: D to F
                 {2048, 2048, 2048}};

// A block of each model whose speed is promised, at the batch of the promise.
constexpr struct BlockSize {
  const char* model;
  int64_t batch, tokens, d_model, d_ffn;
} kBlocks[] = {{"S/16", 8, 196, 256, 1536},
               {"Ti/16", 16, 196, 128, 768},
               {"micro", 128, 49, 128, 512},
               {"language", 16, 128, 512, 3072}};

constexpr struct LinearSize {
  const char* layer;
  fused::LinearShape shape;  // rows, in, out
} kLinears[] = {{"stem S/16 B8", {1568, 768, 256}},
                {"head S/16 B8", {8, 256, 1000}},
                {"vocabulary d512", {2048, 512, 1024}}};

fused::Precision precision_of(bool bf16) {
  return bf16 ? fused::Precision::kBf16 : fused::Precision::kF32;
}

Tensor ones(int64_t n) {
  Tensor result = zeros({n});
  result.fill(1);
  return result;
}
Tensor workspace_of(int64_t bytes) {
  return zeros({bytes / 4 + 1});
}

/// Rows of mean 0 and variance 1. A norm keeps them, so that contenders without one can be
/// compared.
Tensor normalized_rows(const Tensor& x) {
  const int64_t rows = x.shape().rows(), cols = x.shape().cols();
  Tensor y = zeros(x.shape());
  const Tensor stats = zeros({2, rows});
  reference::layernorm_forward(floats(y), floats(stats), floats(stats) + rows, floats(x),
                               floats(ones(cols)), floats(zeros({cols})), rows, cols, 0.0);
  return y;
}

Case product_case(const ProductSize& size, bool bf16, bool gelu) {
  const int64_t m = size.m, n = size.n, k = size.k;
  // A and C have variance 1, as between a norm and a nonlinearity.
  const Tensor a = random_numbers({m, k}, std::sqrt(3.0));
  const Tensor b = random_numbers({k, n}, std::sqrt(3.0 / static_cast<double>(k)));
  const Product product{
      m, n, k, bf16, gelu, gelu ? normalized_rows(a) : a, b, random_numbers({n}, 1.0)};
  Case c{gelu ? "norm_fc1_gelu" : "gemm", fmt::format("{}x{}x{}", m, n, k), bf16 ? "bf16" : "f32",
         2.0 * static_cast<double>(m * n * k)};
  if (gelu) {
    c.contenders.push_back(norm_fc1_gelu(product.a, ones(k), zeros({k}), transposed(product.b),
                                         product.bias, bf16, 1, 0));
  } else {
    Tensor out = zeros({m, n});
    const fused::LinearShape shape{m, k, n, precision_of(bf16)};
    const Tensor workspace = workspace_of(fused::kernels().linear_workspace(shape));
    const auto run = [=, weight = transposed(product.b)] {
      fused::kernels().linear_forward(floats(out), floats(product.a), floats(weight), nullptr,
                                      workspace.raw(), shape);
    };
    c.contenders.push_back({kOurs, run, [out] { return out; }});
  }
  for (const Baseline& baseline : baselines()) {
    const Contender contender = baseline.prepare(product);
    if (contender.run) c.contenders.push_back({baseline.name, contender.run, contender.result});
  }
  return c;
}

/// A case that only we can run, so that there is no result to compare.
Case own_case(const std::string& kernel, const std::string& shape, bool bf16, double flops,
              const std::function<void()>& run) {
  return {kernel, shape, bf16 ? "bf16" : "f32", flops, {{kOurs, run, nullptr}}};
}

Case block_case(const BlockSize& size, bool backward, bool bf16) {
  const BlockConfig config{.tokens = size.tokens, .d_model = size.d_model, .d_ffn = size.d_ffn};
  ExecutionOptions execution;
  execution.precision = precision_of(bf16);
  const auto parameters = std::make_shared<ParameterList>(DType::kF32, 1);
  const auto block = std::make_shared<GmlpBlock>(*parameters, "blocks.0.", config);
  const auto arena = std::make_shared<Arena>();
  const Tensor x = random_numbers({size.batch, size.tokens, size.d_model}, 1.7);
  const Tensor dy = random_numbers({size.batch, size.tokens, size.d_model}, 1e-3);
  const auto run = [=] {  // the copy of `parameters` keeps the block's weights
    arena->reset();
    Tape tape(*arena, execution, backward);
    // A leaf, so that dx is computed, too.
    const Var y = block->forward(tape, backward ? tape.leaf(x) : tape.constant(x), {});
    if (backward) tape.backward(y, dy);
  };
  const double flops = static_cast<double>(size.batch) * config.forward_flops();
  return own_case(backward ? "block forward + backward" : "block forward",
                  fmt::format("{} B{}", size.model, size.batch), bf16, (backward ? 3 : 1) * flops,
                  run);
}

Case linear_case(const LinearSize& size, bool backward) {
  const fused::LinearShape s = size.shape;
  const Tensor x = random_numbers({s.rows, s.in}, 1.7), weight = random_numbers({s.out, s.in}, 0.1);
  const Tensor y = random_numbers({s.rows, s.out}, 1e-3);  // the backward reads it as dy
  const Tensor dx = zeros({s.rows, s.in}), dweight = zeros({s.out, s.in});
  const Tensor bias = zeros({s.out}), dbias = zeros({s.out});
  const Tensor workspace = workspace_of(fused::kernels().linear_workspace(s));
  const auto run = [=] {
    if (backward) {
      fused::kernels().linear_backward(floats(dx), floats(dweight), floats(dbias), floats(y),
                                       floats(x), floats(weight), workspace.raw(), s);
    } else {
      fused::kernels().linear_forward(floats(y), floats(x), floats(weight), floats(bias),
                                      workspace.raw(), s);
    }
  };
  return own_case(backward ? "linear backward" : "linear forward", size.layer, false,
                  (backward ? 4.0 : 2.0) * static_cast<double>(s.rows * s.in * s.out), run);
}

/// Reads and writes the weight, both moments and the gradient, which it zeroes.
Case adamw_case() {
  constexpr int64_t kElements = 19'500'000;  // gMLP-S/16
  const Tensor weight = random_numbers({kElements}, 1.0), grad = random_numbers({kElements}, 1e-3);
  const Tensor m = zeros({kElements}), v = zeros({kElements});
  Case c = own_case("adamw", "S/16 19.5 M", false, 8.0 * sizeof(float) * kElements, [=] {
    fused::kernels().adamw_update(floats(weight), floats(m), floats(v), floats(grad), kElements,
                                  {1e-3, 0.9, 0.999, 1e-6, 0, 1, 1, 1});
  });
  c.counts_bytes = true;
  return c;
}

/// On one thread: inside the fused kernels each thread computes its own.
Case gelu_case() {
  constexpr int64_t kElements = 1568 * 1536;
  const Tensor x = random_numbers({kElements}, 4.0), dy = random_numbers({kElements}, 1.0);
  const Tensor y = zeros({kElements}), dx = zeros({kElements});
  const auto run = [=] {
    fused::kernels().gelu_forward(floats(y), floats(x), kElements, fused::Precision::kF32);
    fused::kernels().gelu_backward(floats(dx), floats(dy), floats(x), kElements,
                                   fused::Precision::kF32);
  };
  Case c = own_case("gelu forward + backward", "1568x1536 1 thread", false,
                    5.0 * sizeof(float) * kElements, run);
  c.counts_bytes = c.one_thread = true;
  return c;
}

/// One expression, compiled for the instruction set in use, as the ladder's rungs are.
Contender prepare_eigen(const Product& p) {
  if (p.bf16 || p.gelu) return {};
  Tensor c = zeros({p.m, p.n});
  const auto run = [p, c] {
    ladder::rungs_in_use().eigen(floats(c), floats(p.a), floats(p.b), p.m, p.n, p.k,
                                 thread_count());
  };
  return {"", run, [c] { return c; }};
}

}  // namespace

const std::vector<Baseline>& baselines() {
  static const std::vector<Baseline> kFound = {
#if defined(GMLP_HAVE_ONEDNN)
    onednn_baseline(),
#endif
#if defined(GMLP_HAVE_OPENBLAS)
    openblas_baseline(),
#endif
    {"Eigen",
     fmt::format("{}.{}.{}, {}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION,
                 fused::kernels().isa),
     prepare_eigen},
  };
  return kFound;
}

Tensor zeros(const Shape& shape) {
  return Tensor::zeros(DType::kF32, shape);
}

Tensor random_numbers(const Shape& shape, double scale) {
  Tensor numbers = zeros(shape);
  Random random(1, Purpose::kSample, static_cast<uint64_t>(shape.elements()));
  for (int64_t i = 0; i < numbers.elements(); ++i) {
    floats(numbers)[i] = static_cast<float>(random.uniform(-scale, scale));
  }
  return numbers;
}

Tensor transposed(const Tensor& a) {
  const int64_t rows = a.shape().rows(), cols = a.shape().cols();
  Tensor result = zeros({cols, rows});
  for (int64_t i = 0; i < rows * cols; ++i) {
    floats(result)[i % cols * rows + i / cols] = floats(a)[i];
  }
  return result;
}

Contender norm_fc1_gelu(const Tensor& x, const Tensor& norm_weight, const Tensor& norm_bias,
                        const Tensor& weight, const Tensor& bias, bool bf16, int64_t rows,
                        int64_t stride) {
  constexpr int64_t kPadding = 64;  // per row of z, at least what the kernel adds
  const fused::BlockShape shape{.batch = x.shape().rows() / kTokens,
                                .tokens = kTokens,
                                .d_model = x.shape().cols(),
                                .d_ffn = weight.shape().rows(),
                                .norm_eps = 1e-6F,
                                .gate_eps = 1e-6F,
                                .precision = precision_of(bf16)};
  const Tensor z = zeros({x.shape().rows(), shape.d_ffn + kPadding});
  const Tensor workspace = workspace_of(fused::kernels().block_workspace(shape));
  const auto call = [=](void* out) {
    const fused::BlockWeights<const float*> weights{.norm_weight = floats(norm_weight),
                                                    .norm_bias = floats(norm_bias),
                                                    .fc1_weight = floats(weight),
                                                    .fc1_bias = floats(bias)};
    fused::kernels().norm_fc1_gelu(out, floats(x), weights, workspace.raw(), shape);
  };
  call(nullptr);  // packs the weight
  const DType dtype = bf16 && fused::kernels().has_bf16_dot ? DType::kBf16 : DType::kF32;
  const auto result = [=] {
    Tensor dense = zeros({rows, shape.d_ffn});
    for (int64_t r = 0; r < rows; ++r) {
      char* row = static_cast<char*>(z.raw()) + r * stride * dtype_size(dtype);
      dense.rows(r, r + 1).copy_from(Tensor::over(row, dtype, {shape.d_ffn}));
    }
    return dense;
  };
  return {kOurs, [=] { call(z.raw()); }, result};
}

std::vector<CaseMaker> all_cases() {
  std::vector<CaseMaker> cases;
  for (const int i : {0, 1, 2, 3}) {
    const bool bf16 = i >= 2, second = i % 2 == 1;  // second: with GELU, or the backward
    for (const ProductSize& size : kProducts) {
      if (second && size.m == size.n) continue;  // the square is no layer
      cases.emplace_back([=] { return product_case(size, bf16, second); });
    }
    for (const BlockSize& size : kBlocks) {
      cases.emplace_back([=] { return block_case(size, second, bf16); });
    }
  }
  for (const LinearSize& size : kLinears) {
    for (const bool backward : {false, true}) {
      cases.emplace_back([=] { return linear_case(size, backward); });
    }
  }
  cases.insert(cases.end(), {adamw_case, gelu_case});
  return cases;
}

}  // namespace gmlp
