// The paper's parameter counts, to the last one (printed counts and the arithmetic behind them:
// Tables 1, 3, 4 and 5; with biases everywhere, one final norm, tied embeddings).

#include <algorithm>

#include "autograd/ops.h"
#include "core/error.h"
#include "models/language.h"
#include "models/vision.h"
#include "tests/support/catch.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

int64_t count_tensors(const std::vector<Parameter*>& parameters) {
  int64_t total = 0;
  for (const Parameter* parameter : parameters) total += parameter->value.elements();
  return total;
}

}  // namespace

TEST_CASE("vision models have the paper's parameter counts", "[counts]") {
  struct Row {
    const char* name;
    int64_t average_pool, class_token;
  };
  for (const Row& row :
       {Row{"gmlp_ti16_224", 5867328, 5895788}, Row{"gmlp_s16_224", 19422656, 19500524},
        Row{"gmlp_b16_224", 73075392, 73350380}}) {
    VisionConfig config = vision_config(row.name);
    CHECK(config.parameter_count() == row.average_pool);
    config.class_token = true;
    CHECK(config.parameter_count() == row.class_token);
  }
}

TEST_CASE("ViT and Mixer have the parameters that timm counts", "[counts]") {
  CHECK(vision_config("vit_tiny_patch16_224").parameter_count() == 5717416);
  CHECK(vision_config("vit_small_patch16_224").parameter_count() == 22050664);
  CHECK(vision_config("vit_base_patch16_224").parameter_count() == 86567656);
  CHECK(vision_config("mixer_s16_224").parameter_count() == 18528264);
  CHECK(vision_config("mixer_b16_224").parameter_count() == 59880472);
}

TEST_CASE("the small ViT and Mixer have as many parameters as the gMLP of their size", "[counts]") {
  for (const std::string size : {"pico_28", "nano_28", "micro_28"}) {
    const double gmlp = static_cast<double>(vision_config("gmlp_" + size).parameter_count());
    for (const char* arch : {"vit_", "mixer_"}) {
      const double other = static_cast<double>(vision_config(arch + size).parameter_count());
      INFO(arch << size);
      CHECK(std::abs(other / gmlp - 1) < 0.03);
    }
  }
}

TEST_CASE("a model's tensors hold as many numbers as its configuration says", "[counts]") {
  for (const bool class_token : {false, true}) {
    VisionConfig config = vision_config("gmlp_ti16_224");
    config.class_token = class_token;
    const VisionModel model(config, DType::kF32, 1);
    CHECK(count_tensors(model.parameters()) == config.parameter_count());
  }
}

TEST_CASE("language models have the paper's parameter counts", "[counts]") {
  // n = 128, Table 4: gMLP and aMLP by depth.
  struct Row {
    int64_t depth, gmlp, amlp;
  };
  for (const Row& row : {Row{18, 58997486, 62567534}, Row{36, 101609948, 108750044},
                         Row{72, 186834872, 201115064}, Row{144, 357284720, 385845104}}) {
    const std::string suffix = "_l" + std::to_string(row.depth) + "_128";
    CHECK(language_config("gmlp" + suffix).parameter_count() == row.gmlp);
    CHECK(language_config("amlp" + suffix).parameter_count() == row.amlp);
  }
}

TEST_CASE("the paper's printed millions follow from the configurations", "[counts]") {
  const auto millions = [](const LanguageConfig& config) {
    return (config.parameter_count() + 500000) / 1000000;
  };
  CHECK(millions(language_config("gmlp_base")) == 130);
  CHECK(millions(language_config("amlp_base")) == 109);
  CHECK(millions(language_config("gmlp_large")) == 365);
  CHECK(millions(language_config("amlp_large")) == 316);
  CHECK(millions(language_config("gmlp_xlarge")) == 941);
  // Table 3. The Transformers' counts fit with learned absolute positions in all three. Printed
  // are 110, 110 and 96.
  CHECK(millions(language_config("bert_base_128")) == 110);
  CHECK(millions(language_config("bert_relpos_128")) == 110);
  CHECK(millions(language_config("bert_relpos_only_128")) == 96);
  CHECK(millions(language_config("gmlp_split_128")) == 102);
  // The unsplit gates are printed as 92 M, which fits d_ffn = 2048 and a Toeplitz W; a full one
  // makes 93 M.
  for (const char* name : {"gmlp_linear_128", "gmlp_additive_128", "gmlp_multiplicative_128"}) {
    LanguageConfig config = language_config(name);
    CHECK(millions(config) == 93);
    config.block.toeplitz = true;
    CHECK(millions(config) == 92);
  }
  // The Mixer is printed as 112 M. Its printed sizes make 140 M; d_ffn = 2304 makes 112 M.
  LanguageConfig mixer = language_config("mixer_base_128");
  CHECK(millions(mixer) == 140);
  mixer.block.d_ffn = 2304;
  CHECK(millions(mixer) == 112);
}

TEST_CASE("small language models have the parameters that their page says", "[counts]") {
  LanguageConfig chars = language_config("gmlp_char");
  chars.vocab = 65;
  CHECK(chars.parameter_count() == 705920);
  // The tiny baselines are within 5 % of the tiny gMLP; relpos-only lacks q and k.
  const auto beside_embedding = [](const char* name) {
    const LanguageConfig config = language_config(name);
    return static_cast<double>(config.parameter_count() - config.vocab * config.block.d_model);
  };
  const double tiny = beside_embedding("gmlp_lm_tiny");
  for (const char* name :
       {"amlp_lm_tiny", "transformer_lm_tiny", "transformer_relpos_lm_tiny", "mixer_lm_tiny"}) {
    INFO(name);
    CHECK(beside_embedding(name) / tiny == Approx(1).epsilon(0.05));
  }
  CHECK(beside_embedding("relpos_only_lm_tiny") / tiny == Approx(0.85).epsilon(0.05));
}

TEST_CASE("a language model's tensors hold as many numbers as its configuration says", "[counts]") {
  for (const char* name : {"gmlp_char", "amlp_lm_tiny", "transformer_lm_tiny",
                           "transformer_relpos_lm_tiny", "relpos_only_lm_tiny", "mixer_lm_tiny"}) {
    LanguageConfig config = language_config(name);
    config.depth = 2;
    config.vocab = 50;
    for (const bool tied : {true, false}) {
      for (const LanguageHead head :
           {LanguageHead::kNone, LanguageHead::kClassify, LanguageHead::kSpan}) {
        config.tie_embeddings = tied;
        config.head = head;
        config.classes = 3;
        const LanguageModel model(config, DType::kF32, 1);
        INFO(name);
        CHECK(count_tensors(model.parameters()) == config.parameter_count());
      }
    }
  }
}

namespace {

/// The names and shapes of a named model's tensors.
struct TensorList {
  explicit TensorList(const char* name)
      : model(vision_config(name), DType::kF32, 0, Storage::kMeta) {}
  std::string operator()(const std::string& name) const {
    for (const Parameter* parameter : model.parameters()) {
      if (parameter->name == name) return parameter->value.shape().to_string();
    }
    return "absent";
  }
  VisionModel model;
};

}  // namespace

TEST_CASE("vit_small_patch16_224 has timm's 152 tensors, mixer_b16_224 its 150", "[counts]") {
  const TensorList vit("vit_small_patch16_224");
  CHECK(vit.model.parameters().size() == 152);
  CHECK(vit("cls_token") == "[1, 1, 384]");
  CHECK(vit("pos_embed") == "[1, 197, 384]");
  CHECK(vit("patch_embed.proj.weight") == "[384, 3, 16, 16]");
  CHECK(vit("blocks.11.norm1.bias") == "[384]");
  CHECK(vit("blocks.0.attn.qkv.weight") == "[1152, 384]");
  CHECK(vit("blocks.0.attn.proj.bias") == "[384]");
  CHECK(vit("blocks.0.mlp.fc1.weight") == "[1536, 384]");
  CHECK(vit("head.weight") == "[1000, 384]");
  const TensorList mixer("mixer_b16_224");
  CHECK(mixer.model.parameters().size() == 150);
  CHECK(mixer("stem.proj.weight") == "[768, 3, 16, 16]");
  CHECK(mixer("blocks.11.mlp_tokens.fc1.weight") == "[384, 196]");
  CHECK(mixer("blocks.0.mlp_tokens.fc2.bias") == "[196]");
  CHECK(mixer("blocks.0.mlp_channels.fc1.weight") == "[3072, 768]");
  CHECK(mixer("blocks.0.norm2.weight") == "[768]");
}

TEST_CASE("gmlp_s16_224 has timm's 306 tensors", "[counts]") {
  const TensorList shape_of("gmlp_s16_224");
  CHECK(shape_of.model.parameters().size() == 306);
  CHECK(shape_of("stem.proj.weight") == "[256, 3, 16, 16]");
  CHECK(shape_of("stem.proj.bias") == "[256]");
  CHECK(shape_of("blocks.29.norm.weight") == "[256]");
  CHECK(shape_of("blocks.0.mlp_channels.fc1.weight") == "[1536, 256]");
  CHECK(shape_of("blocks.0.mlp_channels.gate.norm.bias") == "[768]");
  CHECK(shape_of("blocks.0.mlp_channels.gate.proj.weight") == "[196, 196]");
  CHECK(shape_of("blocks.0.mlp_channels.gate.proj.bias") == "[196]");
  CHECK(shape_of("blocks.0.mlp_channels.fc2.weight") == "[256, 768]");
  CHECK(shape_of("norm.weight") == "[256]");
  CHECK(shape_of("head.weight") == "[1000, 256]");
}

TEST_CASE("every parameter of a model gets a gradient", "[gradients]") {
  for (const auto& [backend, name] : {std::pair{Backend::kReference, "gmlp_nano_28"},
                                      {Backend::kFused, "gmlp_nano_28"},
                                      {Backend::kFused, "vit_nano_28"},
                                      {Backend::kFused, "mixer_nano_28"}}) {
    VisionConfig config = vision_config(name);
    config.class_token = config.arch != Arch::kMixer;
    VisionModel model(config, DType::kF32, 1);
    // The head starts at zero, which would hide everything before it.
    for (Parameter* parameter : model.parameters()) {
      if (parameter->name == "head.weight") {
        parameter->value.copy_from(
            test::random_tensor(DType::kF32, parameter->value.shape(), 5, 0.1));
      }
    }
    Arena arena;
    Tape tape(arena, backend, true);
    const Tensor images = test::random_tensor(DType::kF32, {3, 1, 28, 28}, 1);
    const Tensor targets = Tensor::zeros(DType::kF32, {3, 10});
    for (int64_t b = 0; b < 3; ++b) targets.data<float>()[b * 10 + b] = 1;
    tape.backward(cross_entropy(tape, model.forward(tape, images, ForwardContext{}), targets, 1.0));
    for (const Parameter* parameter : model.parameters()) {
      double size = 0;
      for (int64_t i = 0; i < parameter->grad.elements(); ++i)
        size += std::abs(parameter->grad.at(i));
      INFO(parameter->name);
      CHECK(size > 0);
    }
  }
}

namespace {

VisionConfig stored_and_read(const VisionConfig& config) {
  std::vector<std::string> labels;
  const std::string text = vision_config_to_json(config, {"a", "b"}, "");
  VisionConfig back = vision_config_from_json(text, "config.json", &labels);
  CHECK(labels == std::vector<std::string>{"a", "b"});
  return back;
}

/// The configuration that another program's or an older file's text gives.
VisionConfig read_text_config(const std::string& text) {
  return vision_config_from_json(text, "some/config.json", nullptr);
}

}  // namespace

TEST_CASE("every named vision model survives its config.json, and so does a changed one",
          "[config]") {
  for (const std::string& name : vision_config_names()) {
    INFO(name);
    VisionConfig config = vision_config(name);
    CHECK(stored_and_read(config) == config);
    config.img_width += 2 * config.patch;
    config.classes = 7;
    config.class_token = config.arch == Arch::kGmlp;
    config.gate = Gate::kAdditive;
    CHECK(stored_and_read(config) == config);
    // Under timm's name, and yet not timm's model.
    config.depth = 2;
    config.d_model = 96;  // a multiple of every number of heads
    config.d_ffn = 120;
    config.patch /= 2;
    config.spatial_init_std = 0.01;
    CHECK(stored_and_read(config) == config);
  }
}

TEST_CASE("only the paper's sizes under their names are what timm makes by name", "[config]") {
  for (const std::string& name : vision_config_names()) {
    INFO(name);
    VisionConfig config = vision_config(name);
    config.classes = 7;
    config.img_height = config.img_width = 8 * config.patch;
    CHECK(is_timms(config) == name.ends_with("16_224"));
    config.depth = 2;
    CHECK_FALSE(is_timms(config));
  }
}

TEST_CASE("timm's int(embed_dim * mlp_ratio) is the width that was stored", "[config]") {
  VisionConfig config = vision_config("gmlp_nano_28");
  for (config.d_model = 8; config.d_model <= 1024; config.d_model += 8) {
    for (config.d_ffn = 8; config.d_ffn <= 6 * config.d_model; config.d_ffn += 56) {
      const std::string text = vision_config_to_json(config, {}, "");
      const std::string key = "\"mlp_ratio\": ";
      const double ratio = std::stod(text.substr(text.find(key) + key.size()));
      REQUIRE(static_cast<int64_t>(static_cast<double>(config.d_model) * ratio) == config.d_ffn);
    }
  }
}

TEST_CASE("a vision config.json without spatial_init_std has timm's", "[config]") {
  CHECK(read_text_config(R"({"architecture": "gmlp_s16_224"})").spatial_init_std == 1e-6);
}

TEST_CASE("a Mixer's two ratios, or one for both, are timm's widths", "[config]") {
  const VisionConfig two = read_text_config(
      R"({"architecture": "mixer_b16_224",
          "model_args": {"embed_dim": 512, "mlp_ratio": [0.25, 3]}})");
  CHECK(two.spatial_ffn == 128);
  CHECK(two.d_ffn == 1536);
  const VisionConfig one =
      read_text_config(R"({"architecture": "mixer_s16_224", "model_args": {"mlp_ratio": 2}})");
  CHECK(one.spatial_ffn == 1024);
  CHECK(one.d_ffn == 1024);
}

TEST_CASE("a bad vision config.json is refused by path and field", "[config]") {
  const auto refused = [](const std::string& text, const std::string& field) {
    INFO(text);
    try {
      read_text_config(text);
      FAIL("accepted");
    } catch (const InputError& error) {
      const std::string what = error.what();
      CHECK(what.starts_with("some/config.json: "));
      CHECK(what.find(field) != std::string::npos);
    }
  };
  refused("", "JSON");
  refused("[1]", "JSON");
  refused(R"({"model_args": {"patch_size": 0}})", "--patch-size");
  refused(R"({"architecture": "resnet50"})", "resnet50");
  refused(R"({"architecture": 3})", "architecture");
  refused(R"({"model_args": 3})", "model_args");
  refused(R"({"model_args": {"num_blocks": 0}})", "--depth");
  refused(R"({"model_args": {"img_size": [224]}})", "img_size");
  refused(R"({"model_args": {"img_size": "large"}})", "img_size");
  refused(R"({"model_args": {"mlp_ratio": 1e300}})", "mlp_ratio");
  refused(R"({"model_args": {"mlp_ratio": -1}})", "mlp_ratio");
  refused(R"({"num_classes": 1.5})", "num_classes");
  refused(R"({"num_classes": 29223372073709551614})", "num_classes");  // beyond 2^64
  refused(R"({"label_names": 3, "gmlp": {"gate": "golden"}})", "golden");
  refused(R"({"gmlp": {"class_token": 1}})", "class_token");
  refused(R"({"gmlp": {"norm_eps": 0.1}})", "norm_eps");
  refused(R"({"gmlp": {"gate_eps": 0.5}})", "gate_eps");
  refused(R"({"gmlp": {"spatial_init_std": -1}})", "spatial_init_std");
  // Each size is possible, their product is not: 2^48 tokens.
  refused(R"({"model_args": {"img_size": 16777216, "patch_size": 1, "mlp_ratio": 256}})",
          "such as W");
  refused(R"({"model_args": {"embed_dim": 16777216, "mlp_ratio": 1}})", "projections");
  refused(R"({"model_args": {"patch_size": 8192, "img_size": 8192, "embed_dim": 65536}})", "patch");
  refused(R"({"num_classes": 16777216, "model_args": {"embed_dim": 65536, "num_blocks": 1}})",
          "head");
  refused(
      R"({"model_args": {"img_size": 2048, "patch_size": 4, "mlp_ratio": 256, "num_blocks": 4}})",
      "activations");
}

}  // namespace gmlp
