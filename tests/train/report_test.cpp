// What report.html shows of a model, as numbers.

#include "apps/report/report.h"

#include <cmath>

#include "autograd/ops.h"
#include "tests/models/perturb.h"
#include "tests/support/catch.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

TEST_CASE("base64 encodes any number of bytes with padding") {
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe\xfd") == "//79");
}

TEST_CASE("the page has all of W, or as many blocks as fit") {
  const Tensor weight = Tensor::zeros(DType::kF64, {2, 2});
  weight.data<double>()[1] = -2;
  weight.data<double>()[2] = 0.5;  // half of the bytes' range, at a quarter of the largest weight
  const Json all = inspect_weights({weight, weight}, 1, 2);
  CHECK(all.at("layers").size() == 2);
  CHECK(all.at("layers")[1].at("block") == 1);
  CHECK(all.at("layers")[0].at("scale") == 2);
  CHECK(all.at("layers")[0].at("roots") == base64({"\0\x81\x40\0", 4}));
  const Tensor large = Tensor::zeros(DType::kF64, {512, 512});
  const Json some = inspect_weights(std::vector<Tensor>(12, large), 1, 512);
  CHECK(some.at("blocks") == 12);
  CHECK(some.at("layers").size() == 6);
  CHECK(some.at("layers")[5].at("block") == 11);
}

TEST_CASE("the gates of a page are the gate's output in every kind of block") {
  const Gate gate = GENERATE(Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear);
  const int64_t d_attn = GENERATE(0, 4);
  const BlockConfig config{.tokens = 5, .d_model = 6, .d_ffn = 8, .gate = gate, .d_attn = d_attn};
  ParameterList list(DType::kF64, 1);
  GmlpBlock first(list, "0.", config);
  GmlpBlock second(list, "1.", config);
  test::perturb(list.all(), 0.3);
  Arena arena;
  Tape tape(arena, Backend::kReference, false);
  const Tensor x = test::random_tensor(DType::kF64, {1, 5, 6}, 2);
  const Var middle = first.forward(tape, tape.constant(x), {});
  second.forward(tape, middle, {});
  const Json gates = inspect_gates(tape, config);
  REQUIRE(gates.size() == 2);
  REQUIRE(gates[1].size() == 5);
  const GmlpBlock::Layers& layers = second.layers();
  Var z = gelu(tape, layers.fc1(tape, layers.norm(tape, middle)));
  const bool split = gate == Gate::kSplit;
  const Var u = split ? split_half(tape, z, false) : z;
  Var v = layers.gate_norm(tape, split ? split_half(tape, z, true) : z);
  v = spatial_project(tape, v, *layers.spatial.weight, *layers.spatial.bias, false);
  if (d_attn > 0) {
    const Var qkv = layers.qkv(tape, layers.norm(tape, middle));
    v = add(tape, v, layers.attn_out(tape, head_attention(tape, qkv, nullptr, 1, false)));
  }
  if (gate == Gate::kAdditive) v = add(tape, u, v);
  if (gate == Gate::kSplit || gate == Gate::kMultiplicative) v = multiply(tape, u, v);
  const Tensor expected = tape.value(v);
  const int64_t width = config.gate_width();
  for (int64_t token = 0; token < 5; ++token) {
    double sum = 0;
    for (int64_t e = 0; e < width; ++e) sum += std::abs(expected.at(token * width + e));
    CHECK(gates[1][static_cast<size_t>(token)].get<double>() ==
          Approx(sum / static_cast<double>(width)).margin(1e-4));
  }
}

}  // namespace gmlp
