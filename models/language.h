#pragma once
// The language models: token embedding, blocks, final norm, and the embedding again as the output
// projection. gMLP and aMLP have no positions (paper, section 4); the baselines of Table 3 have
// what their names say. No output bias.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "models/baselines/mixer_block.h"
#include "models/baselines/transformer_block.h"
#include "models/gmlp_block.h"

namespace gmlp {

/// What the blocks are. The Transformers have learned absolute positions.
///   kGmlp               gMLP, with block.d_attn > 0 aMLP
///   kTransformer        BERT's encoder in pre-norm form
///   kTransformerRelpos  the same and a bias a head and distance in each block's attention
///   kRelposOnly         the same with no content in the scores: no q and k
///   kMixer              MLP-Mixer
enum class Arch : uint8_t { kGmlp, kTransformer, kTransformerRelpos, kRelposOnly, kMixer };
/// gmlp, transformer, transformer-relpos, relpos-only, mixer; or InputError.
Arch arch_from_name(const std::string& name);
const char* arch_name(Arch arch);

/// What stands on the features after pretraining: nothing (the words of the vocabulary), classes
/// of a text from its first token, or the start and the end of a span of tokens.
enum class LanguageHead : uint8_t { kNone, kClassify, kSpan };

struct LanguageConfig {
  std::string name = "custom";
  Arch arch = Arch::kGmlp;
  int64_t vocab = 32000;  // V; the tokenizer's
  int64_t depth = 36;     // L
  // tokens is the sequence length; tokens, d_model, d_ffn, causal, norm_eps hold for every arch,
  // the rest for gMLP only.
  BlockConfig block;
  int64_t heads = 0;           // of the Transformers
  int64_t spatial_ffn = 0;     // S of the Mixer
  bool tie_embeddings = true;  // the output projection is the embedding; else output.weight
  LanguageHead head = LanguageHead::kNone;
  int64_t classes = 0;  // of LanguageHead::kClassify

  TransformerConfig transformer() const;
  MixerConfig mixer() const;
  bool has_positions() const;  ///< learned absolute ones: the Transformers
  bool has_output() const { return !tie_embeddings && head == LanguageHead::kNone; }
  int64_t head_outputs() const;  ///< classes, or 2 of a span, or 0
  /// Tied embeddings count once; the final norm is included.
  int64_t parameter_count() const;
  /// FLOPs of one sequence's forward pass: 2 x the multiply-adds of all products, the projection to
  /// words at `scored_share` of the positions (a masked loss computes no others). A training step
  /// is 3 x.
  double forward_flops(double scored_share = 1) const;
  /// Throws InputError naming the field, the reason and the remedy.
  void validate() const;
};

/// A named size (models/language_config.cpp lists them); vocab is the paper's 32000 until a
/// tokenizer says otherwise. Throws InputError with all names when there is none.
LanguageConfig language_config(const std::string& name);
std::vector<std::string> language_config_names();

/// A config.json and back; `extra_gmlp_json` is an object (or empty) whose members are written
/// beside ours in "gmlp". `path` only names the source in errors.
std::string language_config_to_json(const LanguageConfig& config,
                                    const std::string& extra_gmlp_json);
LanguageConfig language_config_from_json(const std::string& text, const std::string& path);

/// What the randomness of one training forward depends on.
struct LanguageContext {
  bool training = false;
  double dropout = 0;  // on the embedding's output and on each block's branch
  uint64_t seed = 0;
  int64_t step = 0;  // counts micro-batches from the start of the run
};

class LanguageModel {
 public:
  LanguageModel(const LanguageConfig& config, DType dtype, uint64_t seed);
  LanguageModel(const LanguageModel&) = delete;  // parameters_ points into the model
  LanguageModel& operator=(const LanguageModel&) = delete;

  /// ids (B * N), row-major -> logits (B, N, V).
  Var forward(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
              const LanguageContext& context = {});
  /// The mean cross-entropy over the positions with targets (B * N) >= 0, times scale: as
  /// cross_entropy_ids of forward(), but no logits are ever in memory.
  Var loss(Tape& tape, const std::vector<int64_t>& ids, const std::vector<int64_t>& targets,
           int64_t batch, double scale, const LanguageContext& context = {});
  /// With LanguageHead::kClassify: -> (B, classes), from the features of token 0, <cls>.
  Var classify(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
               const LanguageContext& context = {});
  /// With LanguageHead::kSpan: -> (B, N, 2), how much each token is the span's start and its end.
  Var spans(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
            const LanguageContext& context = {});

  /// As VisionModel::prepack_weights().
  void prepack_weights();

  /// All parameters, named as in the interface: embed.weight, positions.weight (Transformers),
  /// blocks.i.*, norm.*, output.weight (embeddings not tied), head.* (with a head).
  const std::vector<Parameter*>& parameters() const { return parameters_; }
  const LanguageConfig& config() const { return config_; }
  DType dtype() const { return dtype_; }

 private:
  using Block = std::variant<GmlpBlock, TransformerBlock, MixerBlock>;

  void add_blocks(uint64_t seed);
  /// Block i, its branches under dropout.
  Var forward_block(Tape& tape, Var x, size_t i, const LanguageContext& context);
  /// ids -> (B, N, D), after the final norm.
  Var features(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
               const LanguageContext& context);
  Parameter& output();

  LanguageConfig config_;
  DType dtype_;
  Parameter embed_;      // (V, D)
  Parameter positions_;  // (N, D), of the Transformers
  std::vector<Block> blocks_;
  Arena packed_;                       // their weights once more, when they are frozen
  Parameter norm_weight_, norm_bias_;  // (D)
  Parameter output_;                   // (V, D), embeddings not tied
  Parameter head_weight_, head_bias_;  // (classes, D), (classes); or 2 of a span
  std::vector<Parameter*> parameters_;
};

/// The predicted peak of arena memory of a training step (loss and backward), in bytes.
int64_t language_training_memory(const LanguageConfig& config, int64_t batch, DType dtype,
                                 const ExecutionOptions& execution);

}  // namespace gmlp
