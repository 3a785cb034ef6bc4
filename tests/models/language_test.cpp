// The language models of every architecture: gradients, causality, dropout, heads, config.json.

#include "models/language.h"

#include <cmath>

#include "autograd/ops.h"
#include "core/error.h"
#include "core/parallel.h"
#include "models/vision.h"
#include "tests/models/perturb.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/gradient_check.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

constexpr Arch kArchs[] = {Arch::kGmlp, Arch::kTransformer, Arch::kTransformerRelpos,
                           Arch::kRelposOnly, Arch::kMixer};

LanguageConfig tiny(Arch arch) {
  LanguageConfig config;
  config.arch = arch;
  config.vocab = 7;
  config.depth = 2;
  config.heads = 2;
  config.spatial_ffn = 3;
  config.classes = 3;
  config.block.tokens = 5;
  config.block.d_model = 4;
  config.block.d_ffn = 6;
  config.block.spatial_init_std = 0.3;
  return config;
}

const std::vector<int64_t> kIds{0, 1, 2, 3, 4, 6, 6, 6, 0, 1};  // (2, 5)

ForwardContext dropping() {
  ForwardContext context;
  context.training = true;
  context.drop_rate = 0.3;
  context.seed = 5;
  context.step = 2;
  return context;
}

void expect_right(LanguageModel& model, const test::Build& build) {
  const test::GradientError result = test::check_gradients({}, model.parameters(), build);
  INFO("worst: " << result.worst);
  CHECK(result.error <= 1e-6);
}

Tensor logits_of(LanguageModel& model, const std::vector<int64_t>& ids,
                 const ExecutionOptions& execution, const ForwardContext& context = {}) {
  Arena arena;
  Tape tape(arena, execution, false);
  const int64_t batch = static_cast<int64_t>(ids.size()) / model.config().block.tokens;
  const Tensor logits = tape.value(model.forward(tape, ids, batch, context));
  Tensor copy = Tensor::zeros(logits.dtype(), logits.shape());
  copy.copy_from(logits);
  return copy;
}

}  // namespace

TEST_CASE("the gradients of a whole model of every architecture are right", "[gradients]") {
  for (const Arch arch : kArchs) {
    for (const bool causal : {false, true}) {
      if (arch == Arch::kMixer && causal) continue;
      LanguageConfig config = tiny(arch);
      config.block.causal = causal;
      config.tie_embeddings = causal;
      INFO(kLanguageArchs.name(arch) << ", causal " << causal);
      LanguageModel model(config, DType::kF64, 1);
      test::perturb(model.parameters(), 0.3);
      expect_right(model, [&](Tape& tape, const std::vector<Var>&) {
        return model.loss(tape, kIds, {1, -100, 3, 4, 5, 0, -100, 2, 1, 6}, 2, 1.0, dropping());
      });
    }
  }
}

TEST_CASE("the gradients of classification and span heads are right", "[gradients]") {
  LanguageConfig config = tiny(Arch::kGmlp);
  config.head = LanguageHead::kClassify;
  LanguageModel classifier(config, DType::kF64, 1);
  test::perturb(classifier.parameters(), 0.3);
  expect_right(classifier, [&](Tape& tape, const std::vector<Var>&) {
    return classifier.classify(tape, kIds, 2, dropping());
  });
  config.head = LanguageHead::kSpan;
  LanguageModel spans(config, DType::kF64, 1);
  test::perturb(spans.parameters(), 0.3);
  expect_right(spans, [&](Tape& tape, const std::vector<Var>&) {
    return spans.spans(tape, kIds, 2, dropping());
  });
}

TEST_CASE("every parameter of a language model gets a gradient", "[gradients]") {
  for (const Arch arch : kArchs) {
    for (const Backend backend : {Backend::kReference, Backend::kFused}) {
      LanguageConfig config = tiny(arch);
      config.tie_embeddings = false;
      LanguageModel model(config, DType::kF32, 1);
      test::perturb(model.parameters(), 0.3);
      Arena arena;
      Tape tape(arena, backend, true);
      tape.backward(model.loss(tape, kIds, {1, 2, 3, 4, 5, 0, 1, 2, 1, 6}, 2, 1.0));
      for (const Parameter* parameter : model.parameters()) {
        double size = 0;
        for (int64_t i = 0; i < parameter->grad.elements(); ++i) {
          size += std::abs(parameter->grad.at(i));
        }
        INFO(kLanguageArchs.name(arch) << " " << parameter->name);
        CHECK(size > 0);
      }
    }
  }
}

TEST_CASE("every architecture computes the same in f32 on both backends as in f64", "[agreement]") {
  for (const Arch arch : kArchs) {
    LanguageModel exact(tiny(arch), DType::kF64, 1);
    test::perturb(exact.parameters(), 0.3);
    LanguageModel single(tiny(arch), DType::kF32, 1);
    for (size_t i = 0; i < exact.parameters().size(); ++i) {
      single.parameters()[i]->value.copy_from(exact.parameters()[i]->value);
    }
    const Tensor expected = logits_of(exact, kIds, Backend::kReference);
    const BlockConfig& block = exact.config().block;
    if (arch != Arch::kGmlp || fused::bf16_fits(block.d_model, block.gate_width())) {
      ExecutionOptions bf16;
      bf16.precision = fused::Precision::kBf16;
      CHECK(test::norm_relative(logits_of(single, kIds, bf16), expected) <= 4e-2);
    }
    for (const Backend backend : {Backend::kReference, Backend::kFused}) {
      INFO(kLanguageArchs.name(arch));
      CHECK(test::norm_relative(logits_of(single, kIds, backend), expected) <= 1e-5);
      CHECK(test::norm_relative(logits_of(single, kIds, backend, dropping()),
                                logits_of(exact, kIds, Backend::kReference, dropping())) <= 1e-5);
    }
  }
}

TEST_CASE("a Transformer starts with sinusoids for positions, and its branches near zero",
          "[init]") {
  const LanguageConfig config = language_config("transformer_lm_tiny");  // five blocks
  LanguageModel model(config, DType::kF32, 1);
  int checked = 0;
  for (const Parameter* parameter : model.parameters()) {
    const Tensor& value = parameter->value;
    double squares = 0;
    for (int64_t i = 0; i < value.elements(); ++i) squares += value.at(i) * value.at(i);
    const double deviation = std::sqrt(squares / static_cast<double>(value.elements()));
    INFO(parameter->name);
    if (parameter->name == "positions.weight") {
      CHECK(deviation == Approx(0.02).epsilon(1e-6));
      CHECK(value.at(0) == 0);                                            // sin 0
      CHECK(value.at(1) == Approx(0.02 * std::sqrt(2)));                  // cos 0
      CHECK(value.at(128) == Approx(0.02 * std::sqrt(2) * std::sin(1)));  // position 1
      CHECK(value.at(130) == Approx(0.02 * std::sqrt(2) * std::sin(0.86596432)));
      ++checked;
    } else if (parameter->name.ends_with("attn.proj.weight") ||
               parameter->name.ends_with("mlp.fc2.weight")) {
      CHECK(deviation == Approx(0.02 / std::sqrt(10)).epsilon(0.03));
      ++checked;
    }
  }
  CHECK(checked == 11);
}

TEST_CASE("any number of threads gives the same bits in every architecture", "[agreement]") {
  for (const Arch arch : kArchs) {
    // Enough samples, heads and tokens for several pieces of work each.
    LanguageConfig config = tiny(arch);
    config.block.tokens = 70;
    config.block.d_model = 32;
    config.block.d_ffn = 64;
    const auto gradients = [&](int threads) {
      const int before = thread_count();
      set_thread_count(threads);
      LanguageModel model(config, DType::kF32, 1);
      test::perturb(model.parameters(), 0.3);
      std::vector<int64_t> ids(70 * 4);
      for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i * i % 7);
      Arena arena;
      Tape tape(arena, Backend::kFused, true);
      tape.backward(model.loss(tape, ids, ids, 4, 1.0, dropping()));
      set_thread_count(before);
      std::vector<Tensor> all;
      for (const Parameter* parameter : model.parameters()) all.push_back(parameter->grad);
      return all;
    };
    const std::vector<Tensor> one = gradients(1);
    for (const int threads : {2, 3, 5, 6, 12, 16}) {
      const std::vector<Tensor> several = gradients(threads);
      for (size_t i = 0; i < one.size(); ++i) {
        INFO(kLanguageArchs.name(arch) << ", " << threads << " threads, parameter " << i);
        CHECK(test::same_bits(several[i], one[i]));
      }
    }
    // One of eight begins with the last, short row block, unless another is first: many tries.
    for (int repeat = 0; repeat < 40; ++repeat) {
      const std::vector<Tensor> eight = gradients(8);
      for (size_t i = 0; i < one.size(); ++i) {
        INFO(kLanguageArchs.name(arch) << ", eight threads, parameter " << i);
        CHECK(test::same_bits(eight[i], one[i]));
      }
    }
  }
}

TEST_CASE("in a causal model a later id changes no earlier logit", "[causal]") {
  for (const Arch arch :
       {Arch::kGmlp, Arch::kTransformer, Arch::kTransformerRelpos, Arch::kRelposOnly}) {
    for (const Backend backend : {Backend::kReference, Backend::kFused}) {
      for (const bool toeplitz : {false, true}) {
        LanguageConfig config = tiny(arch);
        config.block.causal = true;
        config.block.toeplitz = toeplitz;
        config.block.d_attn = 2;
        LanguageModel model(config, DType::kF32, 1);
        test::perturb(model.parameters(), 0.3);
        const std::vector<int64_t> before{0, 1, 2, 3, 4};
        const Tensor first = logits_of(model, before, backend);
        for (int64_t changed = 1; changed < 5; ++changed) {
          std::vector<int64_t> after = before;
          after[static_cast<size_t>(changed)] = 6;
          const Tensor second = logits_of(model, after, backend);
          double later = 0;
          for (int64_t i = 0; i < first.elements(); ++i) {
            const double difference = std::abs(first.at(i) - second.at(i));
            if (i < changed * config.vocab) CHECK(difference == 0);
            if (i >= changed * config.vocab) later += difference;
          }
          INFO(kLanguageArchs.name(arch) << ", id " << changed);
          CHECK(later > 0);
        }
      }
    }
  }
}

TEST_CASE("ids, labels and images that a model does not know are refused", "[errors]") {
  LanguageConfig config;
  config.vocab = 10;
  config.depth = 1;
  config.block = {.tokens = 4, .d_model = 8, .d_ffn = 16};
  LanguageModel model(config, DType::kF32, 1);
  for (const Backend backend : {Backend::kFused, Backend::kReference}) {
    Arena arena;
    Tape tape(arena, backend, false);
    for (const int64_t wrong : {int64_t{10}, int64_t{-1}, INT64_MAX}) {
      REQUIRE_THROWS_AS(model.forward(tape, {0, 9, wrong, 1}, 1, {}), InputError);
    }
    REQUIRE_THROWS_AS(model.forward(tape, {0, 9, 1}, 1, {}), InputError);
    const Var logits = model.forward(tape, {0, 9, 1, 2}, 1, {});
    REQUIRE_THROWS_AS(cross_entropy_ids(tape, logits, {0, -1, 10, 1}, 1), InputError);
    REQUIRE_NOTHROW(cross_entropy_ids(tape, logits, {0, -1, 9, 1}, 1));
    VisionModel vision(vision_config("gmlp_pico_28"), DType::kF32, 1);
    REQUIRE_THROWS_AS(vision.forward(tape, Tensor::zeros(DType::kF32, {2, 1, 28, 32}), {}),
                      InputError);
  }
}

TEST_CASE("transposed tokens are where they belong", "[agreement]") {
  Arena arena;
  Tape tape(arena, Backend::kReference, false);
  const Tensor x = test::random_tensor(DType::kF32, {2, 3, 5}, 1);
  const Tensor y = tape.value(transpose_tokens(tape, tape.constant(x)));
  REQUIRE(y.shape() == Shape({2, 5, 3}));
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t n = 0; n < 3; ++n) {
      for (int64_t d = 0; d < 5; ++d) CHECK(y.at((b * 5 + d) * 3 + n) == x.at((b * 3 + n) * 5 + d));
    }
  }
}

TEST_CASE("dropout drops its share, keeps the mean, and depends on its key alone", "[dropout]") {
  Arena arena;
  Tape tape(arena, Backend::kReference, false);
  const Tensor ones = Tensor::zeros(DType::kF32, {1, 1000, 100});
  ones.fill(1);
  const Var x = tape.constant(ones);
  const DropoutKey key{0.1, 7, 3, 5};
  const Tensor y = tape.value(dropout(tape, x, key));
  int64_t dropped = 0;
  for (int64_t i = 0; i < y.elements(); ++i) {
    if (y.at(i) == 0) {
      ++dropped;
    } else {
      CHECK(y.at(i) == Approx(1 / 0.9));
    }
  }
  // 100,000 draws: the share's standard deviation is 0.00095.
  CHECK(static_cast<double>(dropped) / 1e5 == Approx(0.1).margin(0.004));
  CHECK(test::same_bits(tape.value(dropout(tape, x, key)), y));
  for (const DropoutKey& other :
       {DropoutKey{0.1, 8, 3, 5}, DropoutKey{0.1, 7, 4, 5}, DropoutKey{0.1, 7, 3, 6}}) {
    CHECK(!test::same_bits(tape.value(dropout(tape, x, other)), y));
  }
}

TEST_CASE("without training a model drops nothing", "[dropout]") {
  LanguageModel model(tiny(Arch::kGmlp), DType::kF64, 1);
  test::perturb(model.parameters(), 0.3);
  ForwardContext context = dropping();
  CHECK(test::max_difference(logits_of(model, kIds, Backend::kReference, context),
                             logits_of(model, kIds, Backend::kReference)) > 0);
  context.training = false;
  CHECK(test::same_bits(logits_of(model, kIds, Backend::kReference, context),
                        logits_of(model, kIds, Backend::kReference)));
}

TEST_CASE("every named language model survives its config.json", "[config]") {
  for (const std::string& name : language_config_names()) {
    LanguageConfig config = language_config(name);
    config.vocab = 321;
    config.head = LanguageHead::kClassify;
    config.classes = 3;
    config.tie_embeddings = false;
    const std::string text = language_config_to_json(config, "{\"objective\": \"mlm\"}");
    CHECK(text.find("objective") != std::string::npos);
    const LanguageConfig back = language_config_from_json(text, "config.json");
    INFO(name);
    CHECK(language_config_to_json(back, "{\"objective\": \"mlm\"}") == text);
    CHECK(back.parameter_count() == config.parameter_count());
    CHECK(back.block.gate == config.block.gate);
    CHECK(back.forward_flops() == config.forward_flops());
  }
}

TEST_CASE("a bad language config.json is refused by path and field", "[config]") {
  const auto refused = [](const std::string& text, const std::string& field) {
    INFO(text);
    try {
      language_config_from_json(text, "some/config.json");
      FAIL("accepted");
    } catch (const InputError& error) {
      CHECK(std::string(error.what()).find("some/config.json") != std::string::npos);
      CHECK(std::string(error.what()).find(field) != std::string::npos);
    }
  };
  refused("", "JSON");
  refused("[1]", "JSON");
  refused(R"({"architecture": "gmlp_s16_224"})", "architecture");
  refused(R"({"architecture": 3})", "architecture");
  refused(R"({"model_args": 3})", "model_args");
  refused(R"({"model_args": {"vocab_size": "many"}})", "vocab_size");
  refused(R"({"model_args": {"vocab_size": 1.5}})", "vocab_size");
  refused(R"({"architecture": "gmlp_lm_tiny", "model_args": {"num_blocks": 0}})", "--depth");
  refused("{}", "--seq-len");
  refused(R"({"gmlp": {"arch": "lstm"}})", "arch");
  refused(R"({"architecture": "gmlp_lm_tiny", "gmlp": {"arch": "transformer"}})", "--heads");
  refused(R"({"gmlp": {"gate": "golden"}})", "gate");
  refused(R"({"gmlp": {"toeplitz": 1}})", "toeplitz");
  refused(R"({"gmlp": {"head": "tail"}})", "head");
  refused(R"({"architecture": "gmlp_lm_tiny", "gmlp": {"norm_eps": -1}})", "norm_eps");
  refused(R"({"gmlp": {"norm_eps": "small"}})", "norm_eps");
  refused(R"({"gmlp": {"name": 1}})", "name");
  const std::string named = R"({"architecture": "gmlp_lm_tiny", "model_args": )";
  refused(named + R"({"vocab_size": 16777216, "embed_dim": 65536}})", "embeddings");
  refused(named + R"({"seq_len": 16777216}})", "weights over tokens");
  refused(named + R"({"d_ffn": 16777216, "embed_dim": 65536}})", "channel projections");
  refused(named + R"({"seq_len": 131072, "d_ffn": 65536}})", "activations");
}

TEST_CASE("a causal Mixer and heads that do not divide are refused", "[config]") {
  LanguageConfig mixer = language_config("mixer_lm_tiny");
  mixer.block.causal = true;
  CHECK_THROWS_AS(mixer.validate(), InputError);
  LanguageConfig transformer = language_config("transformer_lm_tiny");
  transformer.heads = 3;
  CHECK_THROWS_AS(transformer.validate(), InputError);
  CHECK_THROWS_AS(language_config("gmlp_huge"), InputError);
  CHECK_THROWS_AS(kLanguageArchs.from_name("lstm"), InputError);
}

}  // namespace gmlp
