#include "models/language.h"

#include "autograd/ops.h"
#include "core/error.h"
#include "models/initialise.h"

namespace gmlp {

LanguageModel::LanguageModel(const LanguageConfig& config, DType dtype, uint64_t seed)
    : config_(config), dtype_(dtype) {
  config.validate();
  const int64_t d = config.block.d_model;
  embed_ = make_parameter("embed.weight", {config.vocab, d}, dtype, seed, Init::kNormal, 0.02);
  blocks_.reserve(static_cast<size_t>(config.depth));
  for (int64_t i = 0; i < config.depth; ++i) {
    blocks_.emplace_back(config.block, "blocks." + std::to_string(i) + ".", dtype, seed);
  }
  norm_weight_ = make_parameter("norm.weight", {d}, dtype, seed, Init::kOnes);
  norm_bias_ = make_parameter("norm.bias", {d}, dtype, seed, Init::kZeros);
  if (config.head != LanguageHead::kNone) {
    const int64_t outputs = config.head_outputs();
    head_weight_ = make_parameter("head.weight", {outputs, d}, dtype, seed, Init::kNormal, 0.02);
    head_bias_ = make_parameter("head.bias", {outputs}, dtype, seed, Init::kZeros);
  }
  if (!config.tie_embeddings) {
    output_ = make_parameter("output.weight", {config.vocab, d}, dtype, seed, Init::kNormal, 0.02);
  }

  parameters_.push_back(&embed_);
  for (GmlpBlock& block : blocks_) block.collect(parameters_);
  for (Parameter* parameter : {&norm_weight_, &norm_bias_, &output_, &head_weight_, &head_bias_}) {
    if (parameter->value.defined()) parameters_.push_back(parameter);
  }
}

Var LanguageModel::features(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                            const LanguageContext& /*context*/) {
  require(static_cast<int64_t>(ids.size()) == batch * config_.block.tokens,
          "LanguageModel: texts of another length than the model's");
  for (const int64_t id : ids) {
    require(id >= 0 && id < config_.vocab, "LanguageModel: an id outside of the vocabulary");
  }
  Var x = embedding(tape, ids, batch, embed_);
  for (GmlpBlock& block : blocks_) x = block.forward(tape, x, {});
  return layernorm(tape, x, norm_weight_, norm_bias_, config_.block.norm_eps);
}

Var LanguageModel::forward(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                           const LanguageContext& context) {
  return linear(tape, features(tape, ids, batch, context), output(), nullptr);
}

Var LanguageModel::loss(Tape& tape, const std::vector<int64_t>& ids,
                        const std::vector<int64_t>& targets, int64_t batch, double scale,
                        const LanguageContext& context) {
  const Var x = features(tape, ids, batch, context);
  return projected_cross_entropy(tape, x, output(), nullptr, targets, scale);
}

Var LanguageModel::classify(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                            const LanguageContext& context) {
  require(config_.head == LanguageHead::kClassify, "classify: a model with another head");
  const Var first = take_token(tape, features(tape, ids, batch, context), 0);
  return linear(tape, first, head_weight_, &head_bias_);
}

Var LanguageModel::spans(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                         const LanguageContext& context) {
  require(config_.head == LanguageHead::kSpan, "spans: a model with another head");
  return linear(tape, features(tape, ids, batch, context), head_weight_, &head_bias_);
}

}  // namespace gmlp
