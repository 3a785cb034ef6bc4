// A block is written twice, on purpose: composed from primitive ops, and fused. Here they are held
// equal, and the fused one against the composition in double, for every instruction set by way of
// GMLP_ISA (see tests/CMakeLists.txt).

#include "kernels/kernels.h"
#include "models/gmlp_block.h"
#include "models/vision.h"
#include "tests/models/perturb.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

struct Result {
  Tensor y, dx;
  std::vector<Tensor> gradients;
  std::vector<std::string> names, ops;
};

Result run(const BlockConfig& config, int64_t batch, const std::vector<double>& drop_scales,
           DType dtype, const ExecutionOptions& execution) {
  ParameterList list(dtype, 3);
  GmlpBlock block(list, "b.", config);
  const std::vector<Parameter*>& parameters = list.all();
  uint64_t seed = 10;
  for (Parameter* parameter : parameters) {
    const double scale = parameter->value.shape().rank() == 2 ? 0.2 : 0.5;
    parameter->value.copy_from(
        test::random_tensor(DType::kF32, parameter->value.shape(), ++seed, scale));
  }
  Arena arena;
  Tape tape(arena, execution, true);
  const Shape shape{batch, config.tokens, config.d_model};
  const Tensor input = Tensor::zeros(dtype, shape);
  input.copy_from(test::random_tensor(DType::kF32, shape, 1));
  const Tensor dy = Tensor::zeros(dtype, shape);
  dy.copy_from(test::random_tensor(DType::kF32, shape, 2));
  const Var x = tape.leaf(input);
  const Var y = block.forward(tape, x, drop_scales);
  tape.backward(y, dy);

  Result result;
  const auto keep = [](const Tensor& tensor) {
    Tensor copy = Tensor::zeros(tensor.dtype(), tensor.shape());
    copy.copy_from(tensor);
    return copy;
  };
  result.y = keep(tape.value(y));
  result.dx = keep(tape.grad(x));
  for (const Parameter* parameter : parameters) {
    result.gradients.push_back(parameter->grad);
    result.names.push_back(parameter->name);
  }
  result.ops = tape.op_names();
  return result;
}

BlockConfig block(int64_t tokens, int64_t d_model, int64_t d_ffn) {
  BlockConfig config;
  config.tokens = tokens;
  config.d_model = d_model;
  config.d_ffn = d_ffn;
  return config;
}

void expect_equal(const BlockConfig& config, int64_t batch, const std::vector<double>& scales) {
  INFO("N " << config.tokens << " D " << config.d_model << " F " << config.d_ffn << " B " << batch
            << " on " << isa_name());
  const Result exact = run(config, batch, scales, DType::kF64, Backend::kReference);
  const Result fused = run(config, batch, scales, DType::kF32, Backend::kFused);
  REQUIRE(fused.ops.back() == "fused_block");  // or this would compare the composition with itself
  CHECK(test::norm_relative(fused.y, exact.y) <= 2e-6);
  CHECK(test::norm_relative(fused.dx, exact.dx) <= 1e-5);
  for (size_t i = 0; i < exact.gradients.size(); ++i) {
    INFO(exact.names[i]);
    CHECK(test::norm_relative(fused.gradients[i], exact.gradients[i]) <= 1e-5);
  }
}

/// Block and gradients in bf16 beside those in double.
void expect_bf16_near(int64_t batch, BlockConfig config) {
  ExecutionOptions bf16;
  bf16.precision = fused::Precision::kBf16;
  config.causal = config.tokens == 31;
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative}) {
    config.gate = gate;
    INFO("N " << config.tokens << " D " << config.d_model << " F " << config.d_ffn << " B " << batch
              << " on " << isa_name());
    const Result exact = run(config, batch, {}, DType::kF64, Backend::kReference);
    const Result rounded = run(config, batch, {}, DType::kF32, bf16);
    // Rounding to bf16 is 2^-9 relative at most; a few of them meet in each number.
    CHECK(test::norm_relative(rounded.y, exact.y) <= 0.01);
    CHECK(test::norm_relative(rounded.y, exact.y) > 1e-5);  // or nothing was rounded
    CHECK(test::norm_relative(rounded.dx, exact.dx) <= 0.02);
    for (size_t i = 0; i < exact.gradients.size(); ++i) {
      INFO(exact.names[i]);
      CHECK(test::norm_relative(rounded.gradients[i], exact.gradients[i]) <= 0.04);
    }
  }
}

}  // namespace

TEST_CASE("the fused block equals the composed one at awkward sizes", "[agreement]") {
  const int64_t sizes[][4] = {// B, N, D, F
                              {1, 1, 1, 2},     {2, 2, 3, 2},     {3, 5, 7, 10},
                              {1, 6, 16, 32},   {2, 7, 17, 34},   {5, 13, 15, 30},
                              {2, 49, 64, 96},  {3, 31, 33, 66},  {2, 65, 63, 130},
                              {1, 300, 20, 24}, {2, 16, 270, 40}, {2, 9, 24, 1100}};
  for (const auto& s : sizes) expect_equal(block(s[1], s[2], s[3]), s[0], {});
}

TEST_CASE("the fused block equals the composed one when the batch is cut into chunks",
          "[agreement]") {
  // 5 MB of the widest activation make a chunk: at 196 tokens x 384 x 4 bytes, 17 samples.
  expect_equal(block(196, 24, 384), 19, {});
}

TEST_CASE("the fused block equals the composed one with stochastic depth", "[agreement]") {
  expect_equal(block(13, 15, 30), 4, {0.0, 1.25, 0.0, 1.25});
}

TEST_CASE("the fused block equals the composed one with Toeplitz and causal W", "[agreement]") {
  for (const bool toeplitz : {false, true}) {
    for (const bool causal : {false, true}) {
      BlockConfig config = block(13, 15, 30);
      config.toeplitz = toeplitz;
      config.causal = causal;
      expect_equal(config, 3, {});
    }
  }
}

TEST_CASE("the fused block equals the composed one for every gate, with and without attention",
          "[agreement]") {
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    for (const int64_t d_attn : {0, 5}) {
      for (const bool causal : {false, true}) {
        BlockConfig config = block(17, 15, 34);
        config.gate = gate;
        config.d_attn = d_attn;
        config.causal = causal;
        INFO(kGates.name(gate) << ", attention " << d_attn << ", causal " << causal);
        expect_equal(config, 3, {0.0, 1.25, 1.25});
      }
    }
  }
}

TEST_CASE("a checkpointed block computes the same bits in less memory", "[agreement]") {
  const BlockConfig config = block(49, 16, 64);
  ExecutionOptions checkpoint;
  checkpoint.checkpoint = true;
  const Result kept = run(config, 4, {}, DType::kF32, Backend::kFused);
  const Result again = run(config, 4, {}, DType::kF32, checkpoint);
  CHECK(test::same_bits(kept.y, again.y));
  CHECK(test::same_bits(kept.dx, again.dx));
  for (size_t i = 0; i < kept.gradients.size(); ++i) {
    CHECK(test::same_bits(kept.gradients[i], again.gradients[i]));
  }
}

TEST_CASE("bf16 is the f32 block within a bf16 operand's rounding, gradients too", "[agreement]") {
  const int64_t sizes[][4] = {// B, N, D, F
                              {1, 1, 2, 4},     {3, 5, 8, 12},   {2, 7, 18, 36},
                              {2, 49, 64, 96},  {3, 31, 34, 68}, {2, 65, 62, 132},
                              {2, 16, 270, 40}, {2, 9, 24, 1100}};
  for (const auto& s : sizes) expect_bf16_near(s[0], block(s[1], s[2], s[3]));
}

TEST_CASE("bf16 is the f32 block when the batch is cut into chunks", "[agreement]") {
  expect_bf16_near(37, block(196, 24, 384));
}

TEST_CASE("a fused prediction does not depend on the batch it is in", "[agreement]") {
  ParameterList list(DType::kF32, 3);
  GmlpBlock model(list, "b.", block(49, 33, 66));
  const Tensor images = test::random_tensor(DType::kF32, {64, 49, 33}, 1);
  const auto predict = [&](int64_t batch) {
    Tensor all = Tensor::zeros(DType::kF32, images.shape());
    for (int64_t b = 0; b < 64; b += batch) {
      const int64_t end = std::min<int64_t>(b + batch, 64);
      Arena arena;
      Tape tape(arena, Backend::kFused, false);
      all.rows(b, end).copy_from(
          tape.value(model.forward(tape, tape.constant(images.rows(b, end)), {})));
    }
    return all;
  };
  const Tensor whole = predict(64);
  CHECK(test::same_bits(predict(1), whole));
  CHECK(test::same_bits(predict(7), whole));
}

TEST_CASE("a whole model's fused prediction does not depend on the batch it is in", "[agreement]") {
  VisionConfig config = vision_config("gmlp_nano_28");
  config.depth = 2;
  config.d_model = 33;  // no multiple of a vector: rows lie at all kinds of addresses
  config.d_ffn = 66;
  config.classes = 7;
  config.class_token = true;
  VisionModel model(config, DType::kF32, 3);
  test::perturb(model.parameters(), 0.3);  // a head begins as zeros, and so do all its logits
  const int64_t batch = 32;
  const Tensor images = test::random_tensor(DType::kF32, {batch, 1, 28, 28}, 1);
  const auto predict = [&](int64_t first, int64_t end) {
    Arena arena;
    Tape tape(arena, Backend::kFused, false);
    const Var logits = model.forward(tape, images.rows(first, end), {});
    Tensor kept = Tensor::zeros(DType::kF32, {end - first, config.classes});
    kept.copy_from(tape.value(logits));
    return kept;
  };
  const Tensor whole = predict(0, batch);
  for (int64_t b = 0; b < batch; ++b) {
    CHECK(test::same_bits(predict(b, b + 1), whole.rows(b, b + 1)));
  }
}

TEST_CASE("a prepacked block gives the same bits pass after pass in both precisions",
          "[agreement]") {
  BlockConfig config = block(49, 34, 68);
  config.causal = true;  // then W is made dense anew for each pass
  ParameterList list(DType::kF32, 3);
  GmlpBlock plain(list, "b.", config);
  ParameterList same_list(DType::kF32, 3);
  GmlpBlock prepacked(same_list, "b.", config);
  Arena packed;
  prepacked.prepack_weights(packed);
  const Tensor input = test::random_tensor(DType::kF32, {3, 49, 34}, 1);
  const auto pass = [&](GmlpBlock& model, fused::Precision precision, bool recording) {
    ExecutionOptions execution;
    execution.precision = precision;
    Arena arena;
    Tape tape(arena, execution, recording);
    Tensor y = Tensor::zeros(DType::kF32, input.shape());
    y.copy_from(tape.value(model.forward(tape, tape.constant(input), {})));
    return y;
  };
  for (const fused::Precision precision :
       {fused::Precision::kF32, fused::Precision::kBf16, fused::Precision::kF32}) {
    const Tensor expected = pass(plain, precision, false);
    for (const bool recording : {false, false, true, false}) {
      CHECK(test::same_bits(pass(prepacked, precision, recording), expected));
    }
  }
  // A forward that records may be a step of training, after which the weights are packed anew.
  const int64_t used = packed.used_bytes();
  CHECK(used > 0);
  for (ParameterList* weights : {&list, &same_list}) {
    for (Parameter* parameter : weights->all()) {
      if (parameter == weights->all().front()) pass(prepacked, fused::Precision::kF32, true);
      Tensor& value = parameter->value;
      for (int64_t i = 0; i < value.elements(); ++i) value.data<float>()[i] *= 1.5F;
    }
  }
  CHECK(test::same_bits(pass(prepacked, fused::Precision::kF32, false),
                        pass(plain, fused::Precision::kF32, false)));
  CHECK(packed.used_bytes() == used);
}

}  // namespace gmlp
