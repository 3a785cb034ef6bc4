#include "models/language.h"

#include "autograd/ops.h"
#include "core/error.h"
#include "models/initialise.h"

namespace gmlp {

void LanguageConfig::validate() const {
  if (vocab < 1 || depth < 1 || block.tokens < 1 || block.d_model < 1 || block.d_ffn < 1) {
    fail_input("language model {}: vocabulary, depth, length and widths must all be at least 1",
               name);
  }
  if (block.gate == Gate::kSplit && block.d_ffn % 2 != 0) {
    fail_input("language model {}: d_ffn {} is odd, and the split gate halves it", name,
               block.d_ffn);
  }
}

LanguageModel::LanguageModel(const LanguageConfig& config, DType dtype, uint64_t seed)
    : config_(config) {
  config.validate();
  const int64_t d = config.block.d_model;
  embed_ = make_parameter("embed.weight", {config.vocab, d}, dtype, seed, Init::kNormal, 0.02);
  blocks_.reserve(static_cast<size_t>(config.depth));
  for (int64_t i = 0; i < config.depth; ++i) {
    blocks_.emplace_back(config.block, "blocks." + std::to_string(i) + ".", dtype, seed);
  }
  norm_weight_ = make_parameter("norm.weight", {d}, dtype, seed, Init::kOnes);
  norm_bias_ = make_parameter("norm.bias", {d}, dtype, seed, Init::kZeros);

  parameters_.push_back(&embed_);
  for (GmlpBlock& block : blocks_) block.collect(parameters_);
  parameters_.push_back(&norm_weight_);
  parameters_.push_back(&norm_bias_);
}

Var LanguageModel::features(Tape& tape, const std::vector<int64_t>& ids, int64_t batch) {
  for (const int64_t id : ids) {
    require(id >= 0 && id < config_.vocab, "LanguageModel: an id outside of the vocabulary");
  }
  Var x = embedding(tape, ids, batch, embed_);
  for (GmlpBlock& block : blocks_) x = block.forward(tape, x, {});
  return layernorm(tape, x, norm_weight_, norm_bias_, config_.block.norm_eps);
}

Var LanguageModel::forward(Tape& tape, const std::vector<int64_t>& ids, int64_t batch) {
  return linear(tape, features(tape, ids, batch), embed_, nullptr);
}

Var LanguageModel::loss(Tape& tape, const std::vector<int64_t>& ids,
                        const std::vector<int64_t>& targets, int64_t batch, double scale) {
  return projected_cross_entropy(tape, features(tape, ids, batch), embed_, nullptr, targets, scale);
}

}  // namespace gmlp
