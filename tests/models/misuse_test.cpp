// What a tape promises its callers, and what ops and generators refuse.

#include <stdexcept>

#include "autograd/ops.h"
#include "autograd/tape.h"
#include "core/error.h"
#include "models/decoder.h"
#include "models/layers.h"
#include "tests/support/catch.h"

using gmlp::Arena;
using gmlp::DType;
using gmlp::Tape;
using gmlp::Tensor;
using gmlp::Var;

TEST_CASE("a value stays where it is while more ops are recorded") {
  Arena arena;
  Tape tape(arena, gmlp::Backend::kFused, true);
  const Var first = tape.leaf(Tensor::zeros(DType::kF32, {2, 3}));
  const Tensor& value = tape.value(first);
  Var x = first;
  for (int i = 0; i < 1000; ++i) x = gelu(tape, x);
  CHECK(&tape.value(first) == &value);
  CHECK(value.shape() == gmlp::Shape{2, 3});
}

TEST_CASE("ops refuse inputs that do not fit, before they compute") {
  Arena arena;
  Tape tape(arena, gmlp::Backend::kFused, true);
  gmlp::ParameterList weights(DType::kF32, 1);
  const gmlp::LayerNorm narrow(weights, "norm.", 5, 1e-6);
  const Var wide = tape.leaf(Tensor::zeros(DType::kF32, {2, 4, 40}));
  CHECK_THROWS_AS(narrow(tape, wide), std::logic_error);
  CHECK_THROWS_AS(select_rows(tape, wide, {8}), gmlp::InputError);
  CHECK_THROWS_AS(select_token(tape, wide, 4), std::logic_error);
  gmlp::Parameter& table = *weights.add("table", {7, 3}, gmlp::Init::kZeros);
  CHECK_THROWS_AS(embedding(tape, {1, 2, 3}, 2, table), std::logic_error);
  CHECK_THROWS_AS(embedding(tape, {1, 2, 7}, 1, table), gmlp::InputError);
  const Var odd = tape.leaf(Tensor::zeros(DType::kF32, {2, 4, 3}));
  CHECK_THROWS_AS(split_half(tape, odd, true), std::logic_error);
  CHECK_THROWS_AS(tape.value(Var{}), std::logic_error);
  CHECK_THROWS_AS(gelu(tape, Var{1000}), std::logic_error);
}

TEST_CASE("a generator needs a prompt, and ids that it may choose") {
  gmlp::LanguageConfig config = gmlp::language_config("gmlp_char");
  config.vocab = 10;
  config.depth = 1;
  const gmlp::LanguageModel model(config, DType::kF32, 1);
  CHECK_THROWS_AS(gmlp::Generator(model, {1, 2}, {}, {}), gmlp::InputError);
  CHECK_THROWS_AS(gmlp::Generator(model, {}, {1}, {}), gmlp::InputError);
}
