// Gradients of the block in every variant and of whole tiny models, against central differences in
// double.

#include "autograd/ops.h"
#include "models/language.h"
#include "models/vision.h"
#include "tests/models/perturb.h"
#include "tests/support/catch.h"
#include "tests/support/gradient_check.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

constexpr double kTolerance = 1e-6;

BlockConfig tiny_block(Gate gate, bool toeplitz, bool causal, int64_t d_attn) {
  BlockConfig config;
  config.tokens = 5;
  config.d_model = 3;
  config.d_ffn = 6;
  config.gate = gate;
  config.toeplitz = toeplitz;
  config.causal = causal;
  config.d_attn = d_attn;
  return config;
}

void check_block(const BlockConfig& config) {
  ParameterList list(DType::kF64, 1);
  GmlpBlock block(list, "block.", config);
  const std::vector<Parameter*>& parameters = list.all();
  test::perturb(parameters, 0.3);
  const test::GradientError result = test::check_gradients(
      {test::random_tensor(DType::kF64, {2, config.tokens, config.d_model}, 1)}, parameters,
      [&](Tape& tape, const std::vector<Var>& in) {
        return block.forward(tape, in[0], {0.0, 1.5});
      });
  INFO("worst: " << result.worst);
  CHECK(result.error <= kTolerance);
}

}  // namespace

TEST_CASE("the block's gradients are right for every gate, Toeplitz, causal and aMLP",
          "[gradients]") {
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    for (const bool toeplitz : {false, true}) {
      for (const bool causal : {false, true}) {
        for (const int64_t d_attn : {0, 2}) {
          INFO(kGates.name(gate) << " toeplitz " << toeplitz << " causal " << causal
                                 << " attention " << d_attn);
          check_block(tiny_block(gate, toeplitz, causal, d_attn));
        }
      }
    }
  }
}

TEST_CASE("a whole vision model's gradients are right in every architecture", "[gradients]") {
  for (const auto& [arch, class_token] : {std::pair{Arch::kGmlp, false},
                                          {Arch::kGmlp, true},
                                          {Arch::kTransformer, false},
                                          {Arch::kTransformer, true},
                                          {Arch::kMixer, false}}) {
    INFO(kVisionArchs.name(arch) << ", class token " << class_token);
    VisionConfig config;
    config.arch = arch;
    config.heads = 3;
    config.spatial_ffn = 5;
    config.img_height = 4;
    config.img_width = 6;
    config.patch = 2;
    config.chans = 2;
    config.classes = 3;
    config.depth = 2;
    config.d_model = 3;
    config.d_ffn = 4;
    config.class_token = class_token;
    VisionModel model(config, DType::kF64, 1);
    test::perturb(model.parameters(), 0.3);
    const Tensor images = test::random_tensor(DType::kF64, {2, 2, 4, 6}, 1);
    ForwardContext context;
    context.training = true;
    context.drop_rate = 0.3;
    const test::GradientError result = test::check_gradients(
        {}, model.parameters(),
        [&](Tape& tape, const std::vector<Var>&) { return model.forward(tape, images, context); });
    INFO("worst: " << result.worst);
    CHECK(result.error <= kTolerance);
  }
}

TEST_CASE("a whole language model's gradients are right, tied embedding included", "[gradients]") {
  LanguageConfig config;
  config.vocab = 7;
  config.depth = 2;
  config.block = tiny_block(Gate::kSplit, true, true, 2);
  LanguageModel model(config, DType::kF64, 1);
  test::perturb(model.parameters(), 0.3);
  const std::vector<int64_t> ids{0, 1, 2, 3, 4, 6, 6, 6, 0, 1};
  const test::GradientError result =
      test::check_gradients({}, model.parameters(), [&](Tape& tape, const std::vector<Var>&) {
        return model.loss(tape, ids, {1, -100, 3, 4, 5, 0, -100, 2, 1, 6}, 2, 1.0);
      });
  INFO("worst: " << result.worst);
  CHECK(result.error <= kTolerance);
}

}  // namespace gmlp
