// The named sizes of language models, their config.json, and what is allowed. In the file,
// "architecture" is ours or a named size, "model_args" has timm's names, and "gmlp" everything
// else.

#include "core/error.h"
#include "core/io/json.h"
#include "models/config_fields.h"
#include "models/language.h"

namespace gmlp {

namespace {

constexpr const char* kArchitecture = "gmlp_language";

/// A gMLP or, with attention of width A, an aMLP. The paper's full runs have a Toeplitz W.
LanguageConfig gmlp(const char* name, int64_t depth, int64_t d_model, int64_t d_ffn, int64_t tokens,
                    bool toeplitz, int64_t d_attn = 0, Gate gate = Gate::kSplit,
                    bool causal = false) {
  return {.name = name,
          .depth = depth,
          .block = {.tokens = tokens,
                    .d_model = d_model,
                    .d_ffn = d_ffn,
                    .gate = gate,
                    .toeplitz = toeplitz,
                    .causal = causal,
                    .d_attn = d_attn}};
}

LanguageConfig baseline(const char* name, Arch arch, int64_t depth, int64_t d_model, int64_t d_ffn,
                        int64_t heads, int64_t spatial_ffn = 0) {
  return {.name = name,
          .arch = arch,
          .depth = depth,
          .block = {.tokens = 128, .d_model = d_model, .d_ffn = d_ffn},
          .heads = heads,
          .spatial_ffn = spatial_ffn};
}

const std::vector<LanguageConfig>& language_sizes() {
  static const std::vector<LanguageConfig> all = {
      // The full runs (paper, Tables 5 and 6): L, D, F, N, Toeplitz, A.
      gmlp("gmlp_base", 48, 512, 3072, 512, true),
      gmlp("gmlp_large", 96, 768, 3072, 512, true),
      gmlp("gmlp_xlarge", 144, 1024, 4096, 512, true),
      gmlp("amlp_base", 36, 512, 3072, 512, true, 64),
      gmlp("amlp_large", 72, 768, 3072, 512, true, 128),
      // The ablation (Table 3): L, D, F, heads, S. The Mixer is as the paper describes it; its
      // printed 112 M would be an F of 2304.
      baseline("bert_base_128", Arch::kTransformer, 12, 768, 3072, 12),
      baseline("bert_relpos_128", Arch::kTransformerRelpos, 12, 768, 3072, 12),
      baseline("bert_relpos_only_128", Arch::kRelposOnly, 12, 768, 3072, 12),
      baseline("mixer_base_128", Arch::kMixer, 24, 768, 3072, 0, 384),
      gmlp("gmlp_linear_128", 36, 512, 2048, 128, false, 0, Gate::kLinear),
      gmlp("gmlp_additive_128", 36, 512, 2048, 128, false, 0, Gate::kAdditive),
      gmlp("gmlp_multiplicative_128", 36, 512, 2048, 128, false, 0, Gate::kMultiplicative),
      gmlp("gmlp_split_128", 36, 512, 3072, 128, false),
      // By depth (Table 4, Figure 8).
      gmlp("gmlp_l18_128", 18, 512, 3072, 128, true),
      gmlp("gmlp_l36_128", 36, 512, 3072, 128, true),
      gmlp("gmlp_l72_128", 72, 512, 3072, 128, true),
      gmlp("gmlp_l144_128", 144, 512, 3072, 128, true),
      gmlp("amlp_l18_128", 18, 512, 3072, 128, true, 64),
      gmlp("amlp_l36_128", 36, 512, 3072, 128, true, 64),
      gmlp("amlp_l72_128", 72, 512, 3072, 128, true, 64),
      gmlp("amlp_l144_128", 144, 512, 3072, 128, true, 64),
      // Ours, to train in minutes: 0.71 M with 65 characters; 0.9 M and 6 M beside the embedding;
      // and the baselines of the tiny one, with as many parameters; relpos-only lacks q and k.
      gmlp("gmlp_char", 6, 128, 512, 128, false, 0, Gate::kSplit, true),
      gmlp("gmlp_lm_tiny", 6, 128, 768, 128, true),
      gmlp("gmlp_lm_small", 8, 256, 1536, 128, true),
      gmlp("amlp_lm_tiny", 5, 128, 768, 128, true, 32),
      baseline("transformer_lm_tiny", Arch::kTransformer, 5, 128, 448, 4),
      baseline("transformer_relpos_lm_tiny", Arch::kTransformerRelpos, 5, 128, 448, 4),
      baseline("relpos_only_lm_tiny", Arch::kRelposOnly, 5, 128, 448, 4),
      baseline("mixer_lm_tiny", Arch::kMixer, 6, 128, 512, 0, 64),
  };
  return all;
}

const Choices<LanguageHead> kHeads{"\"head\"", "head", {"none", "classify", "span"}};

/// What an architecture does not have may be 0.
std::vector<ConfigField> fields_of(LanguageConfig& c) {
  const double heads = c.has_positions() ? 1 : 0;
  const double spatial = c.arch == Arch::kMixer ? 1 : 0;
  const double classes = c.head == LanguageHead::kClassify ? 1 : 0;
  constexpr double kLeastEps = 1e-30;
  return {
      {"model_args", "vocab_size", &c.vocab, "--vocab-size"},
      {"model_args", "seq_len", &c.block.tokens, "--seq-len"},
      {"model_args", "num_blocks", &c.depth, "--depth", 1, kMaxDepth},
      {"model_args", "embed_dim", &c.block.d_model, "--d-model"},
      {"model_args", "d_ffn", &c.block.d_ffn, "--d-ffn"},
      {"model_args", "num_heads", &c.heads, "--heads", heads},
      {"model_args", "spatial_ffn", &c.spatial_ffn, "--spatial-ffn", spatial},
      {"gmlp", "name", &c.name},
      {"gmlp", "arch", named_field(c.arch, kLanguageArchs)},
      {"gmlp", "gate", named_field(c.block.gate, kGates)},
      {"gmlp", "toeplitz", &c.block.toeplitz},
      {"gmlp", "causal", &c.block.causal},
      {"gmlp", "d_attn", &c.block.d_attn, "--attn-dim", 0},
      {"gmlp", "tie_embeddings", &c.tie_embeddings},
      {"gmlp", "head", named_field(c.head, kHeads)},
      {"gmlp", "classes", &c.classes, "the number of classes", classes},
      {"gmlp", "norm_eps", &c.block.norm_eps, "\"norm_eps\"", kLeastEps, 1},
      {"gmlp", "gate_eps", &c.block.gate_eps, "\"gate_eps\"", kLeastEps, 1},
      {"gmlp", "spatial_init_std", &c.block.spatial_init_std, "\"spatial_init_std\"", 0, 1},
  };
}

}  // namespace

const Choices<Arch> kLanguageArchs{
    "--arch",
    "architecture",
    {"gmlp", "transformer", "mixer", "transformer-relpos", "relpos-only"}};

std::vector<std::string> language_config_names() {
  return names_of(language_sizes());
}

LanguageConfig language_config(const std::string& name) {
  return get_size(language_sizes(), name);
}

void LanguageConfig::validate() const {
  LanguageConfig copy = *this;
  check_fields(fields_of(copy));
  refuse_if(arch == Arch::kMixer && block.causal,
            "--arch mixer cannot be causal: its MLP over tokens sees all of them; use the masked "
            "objective or another --arch");
  check_blocks(arch, depth, block, heads, spatial_ffn);
  check_product({vocab, block.d_model}, kParameterBits, "the embeddings");
  check_product({vocab, block.tokens}, kActivationBits, "the logits");
}

std::string language_config_to_json(const LanguageConfig& config,
                                    const std::string& extra_gmlp_json) {
  LanguageConfig copy = config;
  Json json;
  json["architecture"] = kArchitecture;
  json["num_features"] = config.block.d_model;
  json["model_args"] = Json::object();
  write_fields(json, fields_of(copy), extra_gmlp_json);
  return json_text(json);
}

LanguageConfig language_config_from_json(const std::string& text, const std::string& path) {
  const Json json = parse_json(text, path);
  LanguageConfig config =
      stored_size(json, language_sizes(), kArchitecture, "a language model", path);
  read_fields(json, fields_of(config), path);
  config.name = printable(config.name);
  in_file(path, [&] { config.validate(); });
  return config;
}

}  // namespace gmlp
