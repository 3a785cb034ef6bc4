#include "apps/language/model_choice.h"

#include <nlohmann/json.hpp>
#include <tuple>

#include "apps/cli/format.h"

namespace gmlp {

namespace {

/// Sets `field` by --NAME or --no-NAME, if one is given.
void override_if_given(bool& field, bool on, bool off, const char* name) {
  refuse_if(on && off, "--{0} and --no-{0} contradict each other; leave one out", name);
  if (on || off) field = on;
}

/// Throws InputError for an option that the architecture would ignore.
void check_options_fit(const LanguageModelOptions& options, Arch arch) {
  const bool gmlp = arch == Arch::kGmlp;
  const bool mixer = arch == Arch::kMixer;
  const std::tuple<const char*, bool, bool, const char*> own[] = {
      {"--gate", !options.gate.empty(), gmlp, "gmlp"},
      {"--toeplitz", options.toeplitz, gmlp, "gmlp"},
      {"--no-toeplitz", options.no_toeplitz, gmlp, "gmlp"},
      {"--attn-dim", options.attn_dim > 0, gmlp, "gmlp"},
      {"--heads", options.heads > 0, !gmlp && !mixer,
       "transformer, transformer-relpos or relpos-only"},
      {"--spatial-ffn", options.spatial_ffn > 0, mixer, "mixer"},
  };
  for (const auto& [name, given, fits, owners] : own) {
    if (!given || fits) continue;
    fail_input("{}: belongs to --arch {}, the model's is {}; leave it out, or give another --arch",
               name, owners, kLanguageArchs.name(arch));
  }
}

}  // namespace

LanguageConfig choose_language_model(const LanguageModelOptions& options) {
  LanguageConfig config = named_or_stored_language_config(options.model);
  if (!options.arch.empty()) config.arch = kLanguageArchs.from_name(options.arch);
  check_options_fit(options, config.arch);
  if (!options.gate.empty()) config.block.gate = kGates.from_name(options.gate);
  if (options.vocab_size > 0) config.vocab = options.vocab_size;
  bool changed = !options.arch.empty() || !options.gate.empty();
  const std::pair<int64_t&, int64_t> sizes[] = {
      {config.block.tokens, options.seq_len},   {config.depth, options.depth},
      {config.block.d_model, options.d_model},  {config.block.d_ffn, options.d_ffn},
      {config.block.d_attn, options.attn_dim},  {config.heads, options.heads},
      {config.spatial_ffn, options.spatial_ffn}};
  for (const auto& [field, value] : sizes) {
    if (value <= 0) continue;
    field = value;
    changed = true;
  }
  override_if_given(config.block.toeplitz, options.toeplitz, options.no_toeplitz, "toeplitz");
  override_if_given(config.tie_embeddings, options.tie_embeddings, options.no_tie_embeddings,
                    "tie-embeddings");
  if (options.causal) config.block.causal = true;
  // A changed architecture may not pass under the name of another one.
  if (changed && !config.name.ends_with("_custom")) config.name += "_custom";
  config.validate();
  return config;
}

void fit_to_tokenizer(LanguageConfig& config, const Tokenizer& tokenizer, Objective objective,
                      int64_t vocab_size) {
  refuse_if(vocab_size > 0 && vocab_size < tokenizer.vocab(),
            "--vocab-size {}: the tokenizer has {} ids; use so many or more, or leave it out",
            vocab_size, tokenizer.vocab());
  refuse_if(
      objective == Objective::kMasked && tokenizer.special().mask < 0,
      "--objective mlm: this {} tokenizer has no [MASK]; train one with gmlp-language tokenizer "
      "train, or use --objective causal",
      tokenizer.kind());
  config.vocab = vocab_size > 0 ? vocab_size : tokenizer.vocab();
  config.block.causal = objective == Objective::kCausal;
  config.head = LanguageHead::kNone;
  config.classes = 0;
  config.validate();
}

void describe_language_model(const LanguageConfig& config, double scored_share, TaskInfo& info) {
  const BlockConfig& block = config.block;
  info.kind = "language";
  info.model = config.name;
  info.unit = "tok";
  info.units_per_sample = block.tokens;
  info.parameters = config.parameter_count();
  info.forward_flops = config.forward_flops(scored_share);
  info.banner = {fmt::format(
      "model    {} parameters, {} blocks of {}, {} tokens, d_model {}, d_ffn {}, {:.3g} GFLOPs per "
      "sequence",
      grouped(info.parameters), config.depth, kLanguageArchs.name(config.arch), block.tokens,
      block.d_model, block.d_ffn, info.forward_flops / 1e9)};
}

LoadedLanguage load_language(const std::string& folder) {
  LoadedLanguage loaded{load_language_model(folder), open_stored_tokenizer(folder), {}};
  const std::string path = folder + "/config.json";
  // load_language_model has seen that "gmlp" is an object.
  const Json objective = parse_json(loaded.config, path).at("gmlp").value("objective", Json());
  refuse_if(!objective.is_string(),
            "{}: has no \"objective\" in \"gmlp\"; is it the checkpoint of a language model?",
            path);
  loaded.objective = kObjectives.from_name(objective);
  const int64_t vocab = loaded.model->config().vocab;
  refuse_if(loaded.tokenizer->vocab() > vocab,
            "{}: the tokenizer has {} ids, the model {}; the folder is mixed up, restore it",
            folder, loaded.tokenizer->vocab(), vocab);
  return loaded;
}

void require_same_tokenizer(const std::string& folder, const Tokenizer& tokenizer,
                            const std::string& option) {
  if (open_stored_tokenizer(folder)->file_bytes() == tokenizer.file_bytes()) return;
  fail_input("{}: its tokenizer is not {}, so its ids mean other words; use {}/{}", folder, option,
             folder, open_stored_tokenizer(folder)->file_name());
}

}  // namespace gmlp
