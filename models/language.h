#pragma once
// The language gMLP and aMLP: token embedding, blocks, final norm, and the embedding again as the
// output projection. No positions (paper, section 4) and no output bias.

#include <cstdint>
#include <string>
#include <vector>

#include "models/gmlp_block.h"

namespace gmlp {

struct LanguageConfig {
  std::string name = "custom";
  int64_t vocab = 32000;
  int64_t depth = 36;
  BlockConfig block;  // tokens is the sequence length

  /// Tied embeddings count once; the final norm is included.
  int64_t parameter_count() const {
    return vocab * block.d_model + depth * block.parameter_count() + 2 * block.d_model;
  }
  void validate() const;  ///< throws InputError
};

class LanguageModel {
 public:
  LanguageModel(const LanguageConfig& config, DType dtype, uint64_t seed);
  LanguageModel(const LanguageModel&) = delete;  // parameters_ points into the model
  LanguageModel& operator=(const LanguageModel&) = delete;

  /// ids (B * N), row-major -> logits (B, N, V).
  Var forward(Tape& tape, const std::vector<int64_t>& ids, int64_t batch);
  /// The mean cross-entropy over the positions with targets (B * N) >= 0, times scale: as
  /// cross_entropy_ids of forward(), but no logits are ever in memory.
  Var loss(Tape& tape, const std::vector<int64_t>& ids, const std::vector<int64_t>& targets,
           int64_t batch, double scale);
  /// All parameters, named as in the interface: embed.weight, blocks.i.*, norm.*.
  const std::vector<Parameter*>& parameters() const { return parameters_; }
  const LanguageConfig& config() const { return config_; }

 private:
  /// ids -> (B, N, D), after the final norm.
  Var features(Tape& tape, const std::vector<int64_t>& ids, int64_t batch);

  LanguageConfig config_;
  Parameter embed_;  // (V, D)
  std::vector<GmlpBlock> blocks_;
  Parameter norm_weight_, norm_bias_;  // (D)
  std::vector<Parameter*> parameters_;
};

}  // namespace gmlp
