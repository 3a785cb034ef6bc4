// The language model's loss: the same number and gradients as from its logits, in a fraction of
// their memory.

#include "autograd/ops.h"
#include "models/language.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"

namespace gmlp {

namespace {

LanguageConfig config(int64_t vocab, bool causal) {
  LanguageConfig config;
  config.vocab = vocab;
  config.depth = 1;
  config.block.tokens = 32;
  config.block.d_model = 16;
  config.block.d_ffn = 32;
  config.block.causal = causal;
  return config;
}

/// `count` ids that wander through the vocabulary.
std::vector<int64_t> ids(int64_t count, int64_t vocab) {
  std::vector<int64_t> made;
  for (int64_t i = 0; i < count; ++i) made.push_back(i * 7919 % vocab);
  return made;
}

/// Every seventh position, as masked models score about 15 %.
std::vector<int64_t> masked(std::vector<int64_t> targets) {
  for (size_t i = 0; i < targets.size(); ++i) {
    if (i % 7 != 0) targets[i] = -1;
  }
  return targets;
}

struct Run {
  double loss;
  int64_t peak_bytes;
  Tensor dembed;
};

Run run(const LanguageConfig& config, const std::vector<int64_t>& targets, int64_t batch,
        Backend backend, bool from_logits) {
  LanguageModel model(config, DType::kF32, 1);
  const std::vector<int64_t> input = ids(batch * config.block.tokens, config.vocab);
  Arena arena;
  Tape tape(arena, backend, true);
  const Var loss = from_logits
                       ? cross_entropy_ids(tape, model.forward(tape, input, batch), targets, 1.0)
                       : model.loss(tape, input, targets, batch, 1.0);
  tape.backward(loss);
  return {tape.value(loss).at(0), arena.peak_bytes(), model.parameters().front()->grad};
}

}  // namespace

TEST_CASE("the language model's loss is that of its logits", "[agreement]") {
  for (const bool causal : {false, true}) {
    const LanguageConfig small = config(1500, causal);
    const std::vector<int64_t> next = ids(4 * 32, small.vocab);
    const std::vector<int64_t> targets = causal ? next : masked(next);
    const Run from_logits = run(small, targets, 4, Backend::kReference, true);
    for (const Backend backend : {Backend::kReference, Backend::kFused}) {
      const Run streamed = run(small, targets, 4, backend, false);
      CHECK(streamed.loss == Approx(from_logits.loss).epsilon(1e-5).margin(0));
      CHECK(test::norm_relative(streamed.dembed, from_logits.dembed) <= 1e-5);
    }
  }
}

TEST_CASE("on the fused kernels 30,000 ids are scored without memory for their logits",
          "[memory]") {
  constexpr int64_t kBatch = 32;
  const LanguageConfig large = config(30000, true);
  const int64_t rows = kBatch * large.block.tokens;
  const int64_t logits_bytes = rows * large.vocab * static_cast<int64_t>(sizeof(float));
  const std::vector<int64_t> next = ids(rows, large.vocab);
  for (const std::vector<int64_t>& targets : {next, masked(next)}) {
    const Run streamed = run(large, targets, kBatch, Backend::kFused, false);
    CHECK(streamed.peak_bytes < logits_bytes / 8);
    // An untrained model knows nothing: log V.
    CHECK(streamed.loss == Approx(10.309).margin(0.05));
  }
}

}  // namespace gmlp
