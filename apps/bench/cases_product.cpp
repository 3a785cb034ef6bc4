// Products of the sizes that gMLP-S/16 at batch 8 and gMLP-Ti/16 at batch 32 have, and a large
// square. What is compared, so that nobody is favoured:
//
//   gemm           C = A B. Ours packs A and B inside the timing; oneDNN gets B in its own layout.
//   channel_in     C = gelu(layernorm(X) W + b), the block's first stage with the weight packed;
//                  theirs is gelu(A W + b) without the norm: no library has it in one pass.
//
// In bf16 theirs take A and B already rounded.

#include <cmath>

#include <fmt/format.h>

#include "apps/bench/cases.h"
#include "apps/bench/table.h"
#include "apps/bench/yardsticks/yardstick.h"
#include "core/random.h"
#include "kernels/dispatch.h"

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

Product make_product(const Size& size, bool bf16, bool gelu) {
  // Variances of one in A and in C, as between a norm and a nonlinearity.
  const double scale = std::sqrt(3.0 / static_cast<double>(size.k));
  return {size.m,
          size.n,
          size.k,
          bf16,
          gelu,
          random_numbers({size.m, size.k}, std::sqrt(3.0)),
          random_numbers({size.k, size.n}, scale),
          random_numbers({size.n}, 1.0)};
}

void add_yardsticks(Case& c, const Product& product) {
  for (const Yardstick& yardstick : yardsticks()) {
    // Shared, because a std::function is copied and what it holds must be copyable, too.
    const std::shared_ptr<Prepared> prepared = yardstick.prepare(product);
    if (prepared == nullptr) continue;
    c.contenders.push_back({yardstick.name, yardstick.colour, [prepared] { prepared->run(); },
                            [prepared] { return prepared->result(); }});
  }
}

Case gemm_case(const Size& size, bool bf16) {
  Case c;
  c.kernel = "gemm";
  c.shape = shape_of(size);
  c.precision = bf16 ? "bf16" : "f32";
  c.work = 2.0 * static_cast<double>(size.m * size.n * size.k);
  const Product product = make_product(size, bf16, false);
  const GemmCall call = gemm_of(fused::kernels(), bf16);
  if (call) {
    Tensor out = Tensor::zeros(DType::kF32, {size.m, size.n});
    const int64_t bytes = fused::kernels().gemm_workspace(size.m, size.n, size.k);
    const Tensor room = Tensor::zeros(DType::kF32, {bytes / 4 + 1});
    c.contenders.push_back({kOurs, kOurColour,
                            [=] {
                              call(out.data<float>(), product.a.data<float>(),
                                   product.b.data<float>(), room.raw(), size.m, size.n, size.k);
                            },
                            [=] { return out; }});
  }
  add_yardsticks(c, product);
  return c;
}

Case channel_in_case(const Size& size, bool bf16) {
  Case c;
  c.kernel = "channel_in";
  c.shape = shape_of(size);
  c.precision = bf16 ? "bf16" : "f32";
  c.work = 2.0 * static_cast<double>(size.m * size.n * size.k);
  const Product product = make_product(size, bf16, true);
  add_channel_in(fused::kernels(), c, product);
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
      cases.emplace_back([=] { return channel_in_case(size, bf16); });
    }
  }
}

}  // namespace gmlp
