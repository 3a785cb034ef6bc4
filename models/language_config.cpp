// The named sizes of language models, their counts, and what is allowed.

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "models/language.h"
#include "models/size_checks.h"

namespace gmlp {

namespace {

struct NamedSize {
  const char* name;
  Arch arch;
  int64_t depth, d_model, d_ffn, tokens;
  Gate gate;
  bool toeplitz, causal;
  int64_t d_attn, heads, spatial_ffn;
};

constexpr Arch kG = Arch::kGmlp;
constexpr Gate kS = Gate::kSplit;

// arch, L, D, F, N, gate, Toeplitz, causal, attention, heads, S
constexpr NamedSize kSizes[] = {
    // The full runs (paper, Tables 5 and 6).
    {"gmlp_base", kG, 48, 512, 3072, 512, kS, true, false, 0, 0, 0},
    {"gmlp_large", kG, 96, 768, 3072, 512, kS, true, false, 0, 0, 0},
    {"gmlp_xlarge", kG, 144, 1024, 4096, 512, kS, true, false, 0, 0, 0},
    {"amlp_base", kG, 36, 512, 3072, 512, kS, true, false, 64, 0, 0},
    {"amlp_large", kG, 72, 768, 3072, 512, kS, true, false, 128, 0, 0},
    // The ablation (Table 3). The Mixer is as the paper describes it; its printed 112 M would be an
    // F of 2304.
    {"bert_base_128", Arch::kTransformer, 12, 768, 3072, 128, kS, false, false, 0, 12, 0},
    {"bert_relpos_128", Arch::kTransformerRelpos, 12, 768, 3072, 128, kS, false, false, 0, 12, 0},
    {"bert_relpos_only_128", Arch::kRelposOnly, 12, 768, 3072, 128, kS, false, false, 0, 12, 0},
    {"mixer_base_128", Arch::kMixer, 24, 768, 3072, 128, kS, false, false, 0, 0, 384},
    {"gmlp_linear_128", kG, 36, 512, 2048, 128, Gate::kLinear, false, false, 0, 0, 0},
    {"gmlp_additive_128", kG, 36, 512, 2048, 128, Gate::kAdditive, false, false, 0, 0, 0},
    {"gmlp_multiplicative_128", kG, 36, 512, 2048, 128, Gate::kMultiplicative, false, false, 0, 0,
     0},
    {"gmlp_split_128", kG, 36, 512, 3072, 128, kS, false, false, 0, 0, 0},
    // By depth (Table 4, Figure 8).
    {"gmlp_l18_128", kG, 18, 512, 3072, 128, kS, true, false, 0, 0, 0},
    {"gmlp_l36_128", kG, 36, 512, 3072, 128, kS, true, false, 0, 0, 0},
    {"gmlp_l72_128", kG, 72, 512, 3072, 128, kS, true, false, 0, 0, 0},
    {"gmlp_l144_128", kG, 144, 512, 3072, 128, kS, true, false, 0, 0, 0},
    {"amlp_l18_128", kG, 18, 512, 3072, 128, kS, true, false, 64, 0, 0},
    {"amlp_l36_128", kG, 36, 512, 3072, 128, kS, true, false, 64, 0, 0},
    {"amlp_l72_128", kG, 72, 512, 3072, 128, kS, true, false, 64, 0, 0},
    {"amlp_l144_128", kG, 144, 512, 3072, 128, kS, true, false, 64, 0, 0},
    // Ours, for minutes: 0.71 M with the 65 characters of Tiny Shakespeare; 0.9 M and 6 M beside
    // the embedding; and the baselines of the tiny one, of as many parameters but for relpos-only,
    // which lacks q and k as the paper's does.
    {"gmlp_char", kG, 6, 128, 512, 128, kS, false, true, 0, 0, 0},
    {"gmlp_lm_tiny", kG, 6, 128, 768, 128, kS, true, false, 0, 0, 0},
    {"gmlp_lm_small", kG, 8, 256, 1536, 128, kS, true, false, 0, 0, 0},
    {"amlp_lm_tiny", kG, 5, 128, 768, 128, kS, true, false, 32, 0, 0},
    {"transformer_lm_tiny", Arch::kTransformer, 5, 128, 448, 128, kS, false, false, 0, 4, 0},
    {"transformer_relpos_lm_tiny", Arch::kTransformerRelpos, 5, 128, 448, 128, kS, false, false, 0,
     4, 0},
    {"relpos_only_lm_tiny", Arch::kRelposOnly, 5, 128, 448, 128, kS, false, false, 0, 4, 0},
    {"mixer_lm_tiny", Arch::kMixer, 6, 128, 512, 128, kS, false, false, 0, 0, 64},
};

}  // namespace

Arch arch_from_name(const std::string& name) {
  for (const Arch arch : {Arch::kGmlp, Arch::kTransformer, Arch::kTransformerRelpos,
                          Arch::kRelposOnly, Arch::kMixer}) {
    if (name == arch_name(arch)) return arch;
  }
  fail_input(
      "--arch {}: no such architecture; use gmlp, transformer, transformer-relpos, relpos-only or "
      "mixer",
      name);
}

const char* arch_name(Arch arch) {
  switch (arch) {
    case Arch::kGmlp:
      return "gmlp";
    case Arch::kTransformer:
      return "transformer";
    case Arch::kTransformerRelpos:
      return "transformer-relpos";
    case Arch::kRelposOnly:
      return "relpos-only";
    case Arch::kMixer:
      return "mixer";
  }
  return "?";
}

std::vector<std::string> language_config_names() {
  std::vector<std::string> names;
  for (const NamedSize& size : kSizes) names.emplace_back(size.name);
  return names;
}

LanguageConfig language_config(const std::string& name) {
  for (const NamedSize& size : kSizes) {
    if (name != size.name) continue;
    LanguageConfig config;
    config.name = name;
    config.arch = size.arch;
    config.depth = size.depth;
    config.block.tokens = size.tokens;
    config.block.d_model = size.d_model;
    config.block.d_ffn = size.d_ffn;
    config.block.gate = size.gate;
    config.block.toeplitz = size.toeplitz;
    config.block.causal = size.causal;
    config.block.d_attn = size.d_attn;
    config.heads = size.heads;
    config.spatial_ffn = size.spatial_ffn;
    return config;
  }
  fail_input("--model {}: no such model, folder or file; the named ones are {}", name,
             fmt::join(language_config_names(), ", "));
}

TransformerConfig LanguageConfig::transformer() const {
  TransformerConfig config;
  config.tokens = block.tokens;
  config.d_model = block.d_model;
  config.d_ffn = block.d_ffn;
  config.heads = heads;
  config.content = arch != Arch::kRelposOnly;
  config.relpos = arch != Arch::kTransformer;
  config.causal = block.causal;
  config.norm_eps = block.norm_eps;
  return config;
}

MixerConfig LanguageConfig::mixer() const {
  MixerConfig config;
  config.tokens = block.tokens;
  config.d_model = block.d_model;
  config.spatial_ffn = spatial_ffn;
  config.d_ffn = block.d_ffn;
  config.norm_eps = block.norm_eps;
  return config;
}

bool LanguageConfig::has_positions() const {
  return arch != Arch::kGmlp && arch != Arch::kMixer;
}

int64_t LanguageConfig::head_outputs() const {
  return head == LanguageHead::kSpan ? 2 : head == LanguageHead::kClassify ? classes : 0;
}

int64_t LanguageConfig::parameter_count() const {
  const int64_t d = block.d_model;
  int64_t one_block = block.parameter_count();
  if (has_positions()) one_block = transformer().parameter_count();
  if (arch == Arch::kMixer) one_block = mixer().parameter_count();
  const int64_t positions = has_positions() ? block.tokens * d : 0;
  const int64_t output = has_output() ? vocab * d : 0;
  return vocab * d + positions + depth * one_block + 2 * d + output + head_outputs() * (d + 1);
}

double LanguageConfig::forward_flops(double scored_share) const {
  double one_block = block.forward_flops();
  if (has_positions()) one_block = transformer().forward_flops();
  if (arch == Arch::kMixer) one_block = mixer().forward_flops();
  // A classification reads one token; words and spans are scored at every position.
  const int64_t rows = head == LanguageHead::kClassify ? 1 : block.tokens;
  const int64_t columns = head == LanguageHead::kNone ? vocab : head_outputs();
  const double output =
      2 * static_cast<double>(rows * block.d_model) * static_cast<double>(columns);
  const double share = head == LanguageHead::kNone ? scored_share : 1;
  return static_cast<double>(depth) * one_block + share * output;
}

void LanguageConfig::validate() const {
  check_positive(vocab, "--vocab-size");
  check_positive(depth, "--depth");
  check_positive(block.tokens, "--seq-len");
  check_positive(block.d_model, "--d-model");
  check_positive(block.d_ffn, "--d-ffn");
  if (arch == Arch::kGmlp && block.gate == Gate::kSplit && block.d_ffn % 2 != 0) {
    fail_input("--d-ffn {} is odd, and the split gate halves it; use an even one", block.d_ffn);
  }
  if (arch == Arch::kGmlp && block.d_attn != 0) check_positive(block.d_attn, "--attn-dim");
  if (has_positions()) {
    check_positive(heads, "--heads");
    if (block.d_model % heads != 0) {
      fail_input("--d-model {} cannot be cut into --heads {}; choose a divisor", block.d_model,
                 heads);
    }
  }
  if (arch == Arch::kMixer) {
    check_positive(spatial_ffn, "--spatial-ffn");
    if (block.causal) {
      fail_input(
          "--arch mixer cannot be causal: its MLP over tokens sees all of them; use the "
          "masked objective or another --arch");
    }
  }
  if (head == LanguageHead::kClassify) check_positive(classes, "the number of classes");
  check_product({vocab, block.d_model}, kParameterBits, "the embeddings");
  check_product({depth, block.tokens, arch == Arch::kMixer ? spatial_ffn : block.tokens},
                kParameterBits, "the weights over tokens");
  check_product({vocab, block.tokens}, kActivationBits, "the logits");
  check_product({depth, block.d_model, std::max({block.d_ffn, block.d_model, block.d_attn})},
                kParameterBits, "the channel projections");
  check_product({depth, block.tokens, std::max({block.d_ffn, block.d_model, block.d_attn})},
                kActivationBits, "the activations");
  if (has_positions() || block.d_attn > 0) {
    check_product({depth, has_positions() ? heads : 1, block.tokens, block.tokens}, kActivationBits,
                  "the attention");
  }
  for (const double eps : {block.norm_eps, block.gate_eps}) {
    if (!(eps > 0) || eps > 1) {
      fail_input("the epsilon of a norm is {}; it must be above 0 and at most 1", eps);
    }
  }
  if (!(block.spatial_init_std >= 0) || block.spatial_init_std > 1) {
    fail_input("\"spatial_init_std\" is {}; it must be from 0 to 1", block.spatial_init_std);
  }
}

}  // namespace gmlp
