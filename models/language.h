#pragma once
// The language models: token embedding, blocks, final norm, and the embedding again as the output
// projection, without a bias. gMLP and aMLP have no positions (paper, section 4); the baselines of
// Table 3 have what their names say.
//
//   ids (B, N) -> embed (B, N, D) [+ positions] -> L blocks -> norm -> logits (B, N, V)
//                                               or head of token 0 (B, classes), or span (B, N, 2)

#include <cstdint>
#include <string>
#include <vector>

#include "models/baselines.h"

namespace gmlp {

/// gmlp, transformer, mixer, transformer-relpos, relpos-only.
inline const Choices<Arch> kLanguageArchs{
    "--arch",
    "architecture",
    {"gmlp", "transformer", "mixer", "transformer-relpos", "relpos-only"}};

/// The layer on the features: none (the logits of the vocabulary), the classes of a text from its
/// first token, or the start and the end of a span of tokens.
enum class LanguageHead : uint8_t { kNone, kClassify, kSpan };

struct LanguageConfig {
  std::string name = "custom";
  Arch arch = Arch::kGmlp;
  int64_t vocab = 32000;  // V; the tokenizer's
  int64_t depth = 36;     // L
  // tokens is the sequence length. tokens, d_model, d_ffn, causal and norm_eps apply to every arch,
  // the others to gMLP only.
  BlockConfig block;
  int64_t heads = 0;           // H of the Transformers
  int64_t spatial_ffn = 0;     // of the Mixer
  bool tie_embeddings = true;  // the output projection is the embedding; else output.weight
  LanguageHead head = LanguageHead::kNone;
  int64_t classes = 0;  // of LanguageHead::kClassify

  bool operator==(const LanguageConfig&) const = default;
  bool has_positions() const { return arch != Arch::kGmlp && arch != Arch::kMixer; }
  bool has_output() const { return !tie_embeddings && head == LanguageHead::kNone; }
  /// Tied embeddings count once; the final norm is included.
  int64_t parameter_count() const;
  /// FLOPs of one sequence's forward pass: 2 x the multiply-adds of the matrix products, with the
  /// output projection at `scored_share` of the positions (a masked loss computes no others). A
  /// training step is 3 x.
  double forward_flops(double scored_share = 1) const;
  /// Throws InputError naming the field, the reason and the remedy.
  void validate() const;
};

/// A named size of models/language_sizes.txt, or InputError that lists all. Its vocab is the
/// paper's until a tokenizer says otherwise.
LanguageConfig language_config(const std::string& name);
std::vector<std::string> language_config_names();

/// A config.json and back. `extra_gmlp_json` is an object (or empty) whose members join ours in
/// "gmlp". `path` only names the source in errors.
std::string language_config_to_json(const LanguageConfig& config,
                                    const std::string& extra_gmlp_json);
LanguageConfig language_config_from_json(const std::string& text, const std::string& path);

class LanguageModel : public Model<LanguageConfig> {
 public:
  /// As VisionModel's.
  LanguageModel(const LanguageConfig& config, DType dtype, uint64_t seed,
                Storage storage = Storage::kMemory);

  /// ids (B * N), row-major -> logits (B, N, V). Throws InputError for others than the model's.
  Var forward(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
              const ForwardContext& context = {});
  /// The mean cross-entropy over the positions with targets (B * N) >= 0, times scale: as
  /// cross_entropy_ids of forward(), but the logits are never in memory.
  Var loss(Tape& tape, const std::vector<int64_t>& ids, const std::vector<int64_t>& targets,
           int64_t batch, double scale, const ForwardContext& context = {});
  /// With LanguageHead::kClassify: -> (B, classes), from the features of token 0, <cls>.
  Var classify(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
               const ForwardContext& context = {});
  /// With LanguageHead::kSpan: -> (B, N, 2), each token's scores as the span's start and end.
  Var spans(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
            const ForwardContext& context = {});

  struct Layers {
    Parameter* embed = nullptr;      // embed.weight (V, D)
    Parameter* positions = nullptr;  // positions.weight (N, D), of the Transformers
    LayerNorm norm;                  // D
    Parameter* output = nullptr;     // output.weight (V, D), or the embedding; no head
    Linear head;                     // (classes or 2, D)
  };
  const Layers& layers() const { return layers_; }

 private:
  /// ids -> (B, N, D), after the final norm.
  Var features(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
               const ForwardContext& context);

  Layers layers_;
};

/// As for a vision model. A masked model scores 15 % of the positions.
int64_t training_memory(const LanguageConfig& config, int64_t batch, DType dtype,
                        const ExecutionOptions& execution);

}  // namespace gmlp
