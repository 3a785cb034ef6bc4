// Decoding with cached tokens gives forward()'s logits at every position.

#include "models/decoder.h"

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "tests/models/perturb.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

constexpr int64_t kWindow = 9;

LanguageConfig causal(Arch arch, Gate gate, bool toeplitz, int64_t d_attn) {
  LanguageConfig config;
  config.arch = arch;
  config.vocab = 11;
  config.depth = 3;
  config.heads = 3;
  config.tie_embeddings = !toeplitz;
  config.block.tokens = kWindow;
  config.block.d_model = 6;
  config.block.d_ffn = 10;
  config.block.gate = gate;
  config.block.toeplitz = toeplitz;
  config.block.causal = true;
  config.block.d_attn = d_attn;
  return config;
}

void expect_forward_logits(const LanguageConfig& config, DType dtype, Backend backend,
                           double tolerance) {
  LanguageModel model(config, dtype, 1);
  test::perturb(model.parameters(), 0.5);
  Decoder decoder(model);
  // Twice, so that the second text finds the caches of the first.
  for (const std::vector<int64_t>& ids :
       {std::vector<int64_t>{1, 5, 10, 0, 0, 7, 3, 9, 2}, {4, 4, 8, 1, 6, 10, 2, 0, 5}}) {
    Arena arena;
    Tape tape(arena, backend, false);
    const Tensor expected = tape.value(model.forward(tape, ids, 1));
    decoder.reset();
    for (int64_t t = 0; t < kWindow; ++t) {
      REQUIRE(decoder.position() == t);
      const std::vector<double>& logits = decoder.feed(ids[static_cast<size_t>(t)]);
      double worst = 0;
      for (int64_t v = 0; v < config.vocab; ++v) {
        const double difference =
            logits[static_cast<size_t>(v)] - expected.at(t * config.vocab + v);
        worst = test::worse(worst, std::fabs(difference));
      }
      INFO("position " << t);
      CHECK(worst <= tolerance);
    }
  }
}

void expect_in_all_precisions(const LanguageConfig& config) {
  expect_forward_logits(config, DType::kF64, Backend::kReference, 1e-10);
  expect_forward_logits(config, DType::kF32, Backend::kReference, 1e-4);
  expect_forward_logits(config, DType::kF32, Backend::kFused, 1e-4);
}

}  // namespace

TEST_CASE("a decoder gives the logits of the whole window for every gate, Toeplitz and aMLP",
          "[decoder]") {
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    for (const bool toeplitz : {false, true}) {
      for (const int64_t d_attn : {0, 4}) {
        INFO(kGates.name(gate) << ", Toeplitz " << toeplitz << ", attention " << d_attn);
        expect_in_all_precisions(causal(Arch::kGmlp, gate, toeplitz, d_attn));
      }
    }
  }
}

TEST_CASE("a decoder gives the logits of the whole window for causal Transformers", "[decoder]") {
  for (const Arch arch : {Arch::kTransformer, Arch::kTransformerRelpos, Arch::kRelposOnly}) {
    INFO(kLanguageArchs.name(arch));
    expect_in_all_precisions(causal(arch, Gate::kSplit, false, 0));
  }
}

TEST_CASE("a prompt that fits the window is read whole", "[decoder]") {
  const LanguageModel model(causal(Arch::kGmlp, Gate::kSplit, false, 0), DType::kF32, 1);
  std::vector<int64_t> prompt;
  for (int64_t t = 0; t < kWindow; ++t) prompt.push_back(t * 7 % 11);
  Decoder decoder(model);
  std::vector<double> logits;
  for (const int64_t id : prompt) logits = decoder.feed(id);
  std::vector<int64_t> allowed(11);
  std::iota(allowed.begin(), allowed.end(), int64_t{0});
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const SamplingOptions sampling = {.temperature = 1, .seed = seed};
    Generator generator(model, allowed, prompt, sampling);
    CHECK(generator.next() == sample(logits, allowed, sampling, 0));
  }
}

TEST_CASE("a decoder refuses models that cannot write, and a token too many", "[decoder]") {
  LanguageConfig config = causal(Arch::kGmlp, Gate::kSplit, false, 0);
  LanguageModel model(config, DType::kF32, 1);
  Decoder decoder(model);
  for (int64_t t = 0; t < kWindow; ++t) decoder.feed(0);
  CHECK_THROWS_AS(decoder.feed(0), std::logic_error);
  decoder.reset();
  CHECK_THROWS_AS(decoder.feed(11), std::logic_error);
  CHECK(decoder.feed(0).size() == 11);

  config.block.causal = false;
  LanguageModel masked(config, DType::kF32, 1);
  CHECK_THROWS_AS(Decoder(masked), InputError);
}

}  // namespace gmlp
