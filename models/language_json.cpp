// A language model's config.json: "architecture", what timm calls "model_args", and a "gmlp" object
// with everything else. What is missing in a file is as in LanguageConfig, or as in the named size
// that "architecture" names.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/json.h"
#include "models/config_json.h"
#include "models/language.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kArchitecture = "gmlp_language";

const char* head_name(LanguageHead head) {
  switch (head) {
    case LanguageHead::kNone:
      return "none";
    case LanguageHead::kClassify:
      return "classify";
    case LanguageHead::kSpan:
      return "span";
  }
  return "?";
}

LanguageHead head_from_name(const std::string& name, const std::string& path) {
  for (const LanguageHead head :
       {LanguageHead::kNone, LanguageHead::kClassify, LanguageHead::kSpan}) {
    if (name == head_name(head)) return head;
  }
  fail_input("{}: \"head\" is \"{}\"; it must be none, classify or span", path, name);
}

/// "architecture" is ours or one of our named sizes; what else has a config.json is another's.
LanguageConfig starting_point(const Json& json, const std::string& path) {
  std::string architecture = kArchitecture;
  read_member(json, "architecture", architecture, path);
  if (architecture == kArchitecture) return {};
  const std::vector<std::string> names = language_config_names();
  if (std::find(names.begin(), names.end(), architecture) != names.end()) {
    return language_config(architecture);
  }
  fail_input(
      "{}: \"architecture\" is \"{}\", which is not a language model; give a folder or file that "
      "gmlp-language wrote",
      path, architecture);
}

void read_block(const Json& args, const Json& gmlp, LanguageConfig& config,
                const std::string& path) {
  BlockConfig& block = config.block;
  read_member(args, "seq_len", block.tokens, path);
  read_member(args, "embed_dim", block.d_model, path);
  read_member(args, "d_ffn", block.d_ffn, path);
  std::string gate = gate_name(block.gate);
  read_member(gmlp, "gate", gate, path);
  try {
    block.gate = gate_from_name(gate);
  } catch (const InputError&) {
    fail_input(
        "{}: \"gate\" is \"{}\"; it must be split, multiplicative, additive or "
        "linear",
        path, gate);
  }
  read_member(gmlp, "toeplitz", block.toeplitz, path);
  read_member(gmlp, "causal", block.causal, path);
  read_member(gmlp, "d_attn", block.d_attn, path);
  read_member(gmlp, "norm_eps", block.norm_eps, path);
  read_member(gmlp, "gate_eps", block.gate_eps, path);
  read_member(gmlp, "spatial_init_std", block.spatial_init_std, path);
}

LanguageConfig read_config(const Json& json, const std::string& path) {
  LanguageConfig config = starting_point(json, path);
  const Json& args = json_object(json, "model_args", path);
  const Json& gmlp = json_object(json, "gmlp", path);
  read_member(args, "vocab_size", config.vocab, path);
  read_member(args, "num_blocks", config.depth, path);
  read_member(args, "num_heads", config.heads, path);
  read_member(args, "spatial_ffn", config.spatial_ffn, path);
  read_block(args, gmlp, config, path);
  std::string arch = arch_name(config.arch);
  read_member(gmlp, "arch", arch, path);
  try {
    config.arch = arch_from_name(arch);
  } catch (const InputError&) {
    fail_input(
        "{}: \"arch\" is \"{}\"; it must be gmlp, transformer, transformer-relpos, relpos-only or "
        "mixer",
        path, arch);
  }
  read_member(gmlp, "tie_embeddings", config.tie_embeddings, path);
  std::string head = head_name(config.head);
  read_member(gmlp, "head", head, path);
  config.head = head_from_name(head, path);
  read_member(gmlp, "classes", config.classes, path);
  read_member(gmlp, "name", config.name, path);
  return config;
}

}  // namespace

std::string language_config_to_json(const LanguageConfig& config,
                                    const std::string& extra_gmlp_json) {
  const BlockConfig& block = config.block;
  Json args;
  args["vocab_size"] = config.vocab;
  args["seq_len"] = block.tokens;
  args["num_blocks"] = config.depth;
  args["embed_dim"] = block.d_model;
  args["d_ffn"] = block.d_ffn;
  args["num_heads"] = config.heads;
  args["spatial_ffn"] = config.spatial_ffn;

  Json gmlp = extra_gmlp_json.empty() ? Json::object() : parse_json(extra_gmlp_json, "config.json");
  gmlp["name"] = config.name;
  gmlp["arch"] = arch_name(config.arch);
  gmlp["gate"] = gate_name(block.gate);
  gmlp["toeplitz"] = block.toeplitz;
  gmlp["causal"] = block.causal;
  gmlp["d_attn"] = block.d_attn;
  gmlp["tie_embeddings"] = config.tie_embeddings;
  gmlp["head"] = head_name(config.head);
  gmlp["classes"] = config.classes;
  gmlp["norm_eps"] = block.norm_eps;
  gmlp["gate_eps"] = block.gate_eps;
  gmlp["spatial_init_std"] = block.spatial_init_std;

  Json json;
  json["architecture"] = kArchitecture;
  json["num_features"] = block.d_model;
  json["model_args"] = args;
  json["gmlp"] = gmlp;
  return json_text(json);
}

LanguageConfig language_config_from_json(const std::string& text, const std::string& path) {
  const Json json = config_object(text, path, "gmlp-language");
  LanguageConfig config = read_config(json, path);
  in_file(path, [&] { config.validate(); });
  return config;
}

}  // namespace gmlp
