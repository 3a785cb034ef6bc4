// A dry run predicts the memory of a training step.

#include "autograd/ops.h"
#include "models/language.h"
#include "models/vision.h"
#include "tests/support/catch.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

/// Reference, fused, fused in bf16, fused and checkpointed.
std::vector<ExecutionOptions> all_options() {
  std::vector<ExecutionOptions> options(4);
  options[0].backend = Backend::kReference;
  options[2].precision = fused::Precision::kBf16;
  options[3].checkpoint = true;
  return options;
}

/// Which rows are scored decides a few bytes.
bool within_one_percent(int64_t predicted, int64_t used) {
  return std::abs(predicted - used) <= used / 100;
}

void expect_predicted(const LanguageConfig& config, int64_t batch,
                      const ExecutionOptions& execution) {
  LanguageModel model(config, DType::kF32, 1);
  Arena arena;
  Tape tape(arena, execution, true);
  std::vector<int64_t> ids;
  std::vector<int64_t> targets;
  for (int64_t i = 0; i < batch * config.block.tokens; ++i) {
    ids.push_back(i * 7919 % config.vocab);
    targets.push_back(config.block.causal || i % 20 < 3 ? i % config.vocab : -100);
  }
  tape.backward(model.loss(tape, ids, targets, batch, 1.0));
  const int64_t predicted = training_memory(config, batch, DType::kF32, execution);
  CHECK(within_one_percent(predicted, arena.peak_bytes()));
}

}  // namespace

TEST_CASE("a dry run predicts a training step's memory", "[memory]") {
  const std::vector<ExecutionOptions> options = all_options();
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    for (size_t i = 0; i < options.size(); ++i) {
      VisionConfig config = vision_config("gmlp_nano_28");
      config.gate = gate;
      VisionModel model(config, DType::kF32, 1);
      Arena arena;
      Tape tape(arena, options[i], true);
      const Tensor images = test::random_tensor(DType::kF32, {16, 1, 28, 28}, 1);
      const Tensor targets = Tensor::zeros(DType::kF32, {16, 10});
      tape.backward(
          cross_entropy(tape, model.forward(tape, images, ForwardContext{}), targets, 1.0));
      INFO(kGates.name(gate) << ", options " << i);
      CHECK(training_memory(config, 16, DType::kF32, options[i]) == arena.peak_bytes());
    }
  }
}

TEST_CASE("a dry run predicts a language model's training step's memory", "[memory]") {
  const std::vector<ExecutionOptions> options = all_options();
  for (const char* name : {"gmlp_char", "gmlp_lm_tiny", "amlp_lm_tiny", "transformer_lm_tiny",
                           "transformer_relpos_lm_tiny", "relpos_only_lm_tiny", "mixer_lm_tiny"}) {
    LanguageConfig config = language_config(name);
    for (const int64_t vocab : {65, 4000}) {
      config.vocab = vocab;
      for (size_t i = 0; i < options.size(); ++i) {
        INFO(name << ", vocabulary " << vocab << ", options " << i);
        expect_predicted(config, 8, options[i]);
      }
    }
  }
  for (const Gate gate : {Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    LanguageConfig config = language_config("gmlp_lm_tiny");
    config.block.gate = gate;
    config.vocab = 1000;
    for (size_t i = 0; i < options.size(); ++i) {
      INFO(kGates.name(gate) << ", options " << i);
      expect_predicted(config, 4, options[i]);
    }
  }
}

}  // namespace gmlp
