// What a training step takes of memory is known before it runs.

#include "autograd/ops.h"
#include "models/language.h"
#include "models/vision.h"
#include "tests/support/catch.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

/// Reference, fused, fused in bf16, fused and checkpointed.
std::vector<ExecutionOptions> all_ways() {
  std::vector<ExecutionOptions> ways(4);
  ways[0].backend = Backend::kReference;
  ways[2].precision = fused::Precision::kBf16;
  ways[3].checkpoint = true;
  return ways;
}

/// Which rows are scored decides a few bytes.
bool within_one_percent(int64_t predicted, int64_t used) {
  return std::abs(predicted - used) <= used / 100;
}

void expect_predicted(const LanguageConfig& config, int64_t batch, const ExecutionOptions& way) {
  LanguageModel model(config, DType::kF32, 1);
  Arena arena;
  Tape tape(arena, way, true);
  std::vector<int64_t> ids;
  std::vector<int64_t> targets;
  for (int64_t i = 0; i < batch * config.block.tokens; ++i) {
    ids.push_back(i * 7919 % config.vocab);
    targets.push_back(config.block.causal || i % 20 < 3 ? i % config.vocab : -100);
  }
  tape.backward(model.loss(tape, ids, targets, batch, 1.0));
  const int64_t predicted = training_memory(config, batch, DType::kF32, way);
  CHECK(within_one_percent(predicted, arena.peak_bytes()));
}

}  // namespace

TEST_CASE("a dry run predicts a training step's memory", "[memory]") {
  const std::vector<ExecutionOptions> ways = all_ways();
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    for (size_t way = 0; way < ways.size(); ++way) {
      VisionConfig config = vision_config("gmlp_nano_28");
      config.gate = gate;
      VisionModel model(config, DType::kF32, 1);
      Arena arena;
      Tape tape(arena, ways[way], true);
      const Tensor images = test::random_tensor(DType::kF32, {16, 1, 28, 28}, 1);
      const Tensor targets = Tensor::zeros(DType::kF32, {16, 10});
      tape.backward(
          cross_entropy(tape, model.forward(tape, images, ForwardContext{}), targets, 1.0));
      INFO(gate_name(gate) << ", way " << way);
      CHECK(training_memory(config, 16, DType::kF32, ways[way]) == arena.peak_bytes());
    }
  }
}

TEST_CASE("a dry run predicts a language model's training step's memory", "[memory]") {
  const std::vector<ExecutionOptions> ways = all_ways();
  for (const char* name : {"gmlp_char", "gmlp_lm_tiny", "amlp_lm_tiny", "transformer_lm_tiny",
                           "transformer_relpos_lm_tiny", "relpos_only_lm_tiny", "mixer_lm_tiny"}) {
    LanguageConfig config = language_config(name);
    for (const int64_t vocab : {65, 4000}) {
      config.vocab = vocab;
      for (size_t way = 0; way < ways.size(); ++way) {
        INFO(name << ", vocabulary " << vocab << ", way " << way);
        expect_predicted(config, 8, ways[way]);
      }
    }
  }
  for (const Gate gate : {Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    LanguageConfig config = language_config("gmlp_lm_tiny");
    config.block.gate = gate;
    config.vocab = 1000;
    for (size_t way = 0; way < ways.size(); ++way) {
      INFO(gate_name(gate) << ", way " << way);
      expect_predicted(config, 4, ways[way]);
    }
  }
}

}  // namespace gmlp
