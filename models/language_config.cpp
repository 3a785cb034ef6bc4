// The named sizes of language models (language_sizes.txt), their config.json, and what is allowed.
// In the file, "architecture" is ours or a named size, "model_args" has timm's names, and "gmlp"
// everything else.

#include "core/error.h"
#include "core/io/json.h"
#include "models/config_fields.h"
#include "models/language.h"
#include "models/language_sizes.h"

namespace gmlp {

namespace {

constexpr const char* kArchitecture = "gmlp_language";

/// A row of language_sizes.txt.
LanguageConfig read_language_size(std::istream& row) {
  LanguageConfig size;
  BlockConfig& block = size.block;
  std::string arch, gate;
  row >> size.name >> arch >> size.depth >> block.d_model >> block.d_ffn >> block.tokens >> gate >>
      block.toeplitz >> block.causal >> block.d_attn >> size.heads >> size.spatial_ffn;
  size.arch = kLanguageArchs.from_name(arch);
  block.gate = kGates.from_name(gate);
  return size;
}

const std::vector<LanguageConfig>& language_sizes() {
  static const std::vector<LanguageConfig> all = read_sizes(kLanguageSizes, read_language_size);
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
