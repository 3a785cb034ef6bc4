// The loss without logits equals the two ops that it replaces: linear, then cross_entropy_ids.

#include <cmath>
#include <cstring>

#include "autograd/ops.h"
#include "core/parallel.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

struct Sizes {
  int64_t batch, tokens, width, vocab;
};

/// The inputs of one case; every run starts from the same numbers.
struct Case {
  Sizes sizes{};
  bool bias = true;
  std::vector<int64_t> ids;
  double spread = 1;  // of x; logits are about spread * sqrt(width) / 2
  double scale = 0.75;
};

struct Result {
  double loss = 0;
  Tensor dx, dtable, dbias;
};

Parameter parameter(const std::string& name, DType dtype, const Shape& shape, uint64_t seed) {
  Parameter made{name, Tensor::zeros(dtype, shape), Tensor::zeros(dtype, shape), true};
  made.value.copy_from(test::random_tensor(DType::kF32, shape, seed, 0.5));
  return made;
}

Tensor copy_of(const Tensor& tensor) {
  Tensor copy = Tensor::zeros(tensor.dtype(), tensor.shape());
  copy.copy_from(tensor);
  return copy;
}

Result run(const Case& c, DType dtype, Backend backend, bool projected) {
  const Sizes& s = c.sizes;
  Parameter table = parameter("table", dtype, {s.vocab, s.width}, 2);
  Parameter bias = parameter("bias", dtype, {s.vocab}, 3);
  Parameter* b = c.bias ? &bias : nullptr;
  const Tensor input = Tensor::zeros(dtype, {s.batch, s.tokens, s.width});
  input.copy_from(test::random_tensor(DType::kF32, input.shape(), 1, c.spread));
  Arena arena;
  Tape tape(arena, backend, true);
  const Var x = tape.leaf(input);
  const Var loss = projected ? linear_cross_entropy(tape, x, table, b, c.ids, c.scale)
                             : cross_entropy_ids(tape, linear(tape, x, table, b), c.ids, c.scale);
  tape.backward(loss);
  return {tape.value(loss).at(0), copy_of(tape.grad(x)), table.grad, bias.grad};
}

/// Ids that come upon every edge: 0, the last, either side of multiples of 512, and every
/// `step`th row's only.
std::vector<int64_t> edge_ids(const Sizes& s, int64_t step) {
  std::vector<int64_t> ids(static_cast<size_t>(s.batch * s.tokens), -1);
  for (size_t r = 0; r < ids.size(); r += static_cast<size_t>(step)) {
    const int64_t round = static_cast<int64_t>(r) / step;
    const int64_t edge = round / 2 * 512 - round % 2;
    ids[r] = ((edge % s.vocab) + s.vocab) % s.vocab;
  }
  return ids;
}

void expect_equal(const Case& c, DType dtype, Backend backend, double tolerance) {
  INFO("B " << c.sizes.batch << " N " << c.sizes.tokens << " D " << c.sizes.width << " V "
            << c.sizes.vocab << " bias " << c.bias << " "
            << (dtype == DType::kF64 ? "f64" : "f32"));
  const Result ours = run(c, dtype, backend, true);
  const Result unfused = run(c, dtype, Backend::kReference, false);
  CHECK(ours.loss == Approx(unfused.loss).epsilon(tolerance).margin(0));
  CHECK(test::norm_relative(ours.dx, unfused.dx) <= tolerance);
  CHECK(test::norm_relative(ours.dtable, unfused.dtable) <= tolerance);
  CHECK(test::norm_relative(ours.dbias, unfused.dbias) <= tolerance);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const size_t bytes = static_cast<size_t>(a.elements() * dtype_size(a.dtype()));
  return std::memcmp(a.data<float>(), b.data<float>(), bytes) == 0;
}

// Around the tiles' edges: rows of 64 and 1024, ids of 16, 512 and 1024.
const Sizes kSizes[] = {{1, 1, 1, 1},     {1, 1, 3, 2},      {2, 3, 7, 11},    {2, 5, 16, 1023},
                        {1, 64, 9, 1024}, {3, 43, 33, 1025}, {2, 7, 300, 517}, {5, 205, 6, 2500}};

}  // namespace

TEST_CASE("the loss without logits equals linear and cross_entropy_ids", "[loss]") {
  for (const Sizes& sizes : kSizes) {
    for (const int64_t step : {1, 7}) {
      for (const bool bias : {false, true}) {
        const Case c{sizes, bias, edge_ids(sizes, step)};
        expect_equal(c, DType::kF64, Backend::kReference, 1e-12);
        expect_equal(c, DType::kF32, Backend::kReference, 1e-5);
        expect_equal(c, DType::kF32, Backend::kFused, 1e-5);
      }
    }
  }
}

TEST_CASE("with no row scored the loss is 0 and so are all gradients", "[loss]") {
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    const Case c{{2, 3, 7, 11}, true, std::vector<int64_t>(6, -1)};
    const Result r = run(c, dtype, Backend::kFused, true);
    CHECK(r.loss == 0);
    for (const Tensor& gradient : {r.dx, r.dtable, r.dbias}) {
      REQUIRE(gradient.defined());
      for (int64_t i = 0; i < gradient.elements(); ++i) CHECK(gradient.at(i) == 0);
    }
  }
}

TEST_CASE("logits of ten thousand neither overflow nor lose the gradient", "[loss]") {
  // x of spread 5000 and a table of spread 0.5 make logits of 5000 sqrt(16) / 2 = 10,000.
  const Sizes sizes{2, 40, 16, 1500};
  const Case c{sizes, true, edge_ids(sizes, 1), 5000};
  const Result exact = run(c, DType::kF64, Backend::kReference, false);
  REQUIRE(exact.loss > 5000);
  expect_equal(c, DType::kF64, Backend::kReference, 1e-12);
  for (const Backend backend : {Backend::kReference, Backend::kFused}) {
    const Result ours = run(c, DType::kF32, backend, true);
    CHECK(ours.loss == Approx(exact.loss).epsilon(1e-5));
    CHECK(test::norm_relative(ours.dx, exact.dx) <= 1e-2);
    CHECK(test::norm_relative(ours.dtable, exact.dtable) <= 1e-2);
  }
}

TEST_CASE("a logit that is not a number makes the loss not a number", "[loss]") {
  for (const Backend backend : {Backend::kReference, Backend::kFused}) {
    for (const double bad : {std::nan(""), HUGE_VAL}) {
      Parameter table = parameter("table", DType::kF32, {1100, 3}, 2);
      const Tensor input = Tensor::zeros(DType::kF32, {1, 2, 3});
      input.fill(1.0);
      table.value.data<float>()[3 * 1090] = static_cast<float>(bad);
      Arena arena;
      Tape tape(arena, backend, true);
      const Var loss = linear_cross_entropy(tape, tape.leaf(input), table, nullptr, {5, 1099}, 1.0);
      CHECK_FALSE(std::isfinite(tape.value(loss).at(0)));
    }
  }
}

TEST_CASE("the loss without logits has the same bits on 1 to 8 threads and again", "[loss]") {
  const int threads = thread_count();
  const Sizes sizes{5, 300, 33, 2500};
  for (const Backend backend : {Backend::kReference, Backend::kFused}) {
    for (const int64_t step : {1, 7}) {
      const Case c{sizes, true, edge_ids(sizes, step)};
      set_thread_count(1);
      const Result one = run(c, DType::kF32, backend, true);
      for (const int count : {1, 2, 3, 5, 8}) {
        set_thread_count(count);
        const Result r = run(c, DType::kF32, backend, true);
        INFO(count << " threads");
        CHECK(r.loss == one.loss);
        CHECK(same_bits(r.dx, one.dx));
        CHECK(same_bits(r.dtable, one.dtable));
        CHECK(same_bits(r.dbias, one.dbias));
      }
    }
  }
  set_thread_count(threads);
}

}  // namespace gmlp
