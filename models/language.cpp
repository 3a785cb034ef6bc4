#include "models/language.h"

#include "autograd/ops.h"
#include "core/error.h"
#include "models/initialise.h"

namespace gmlp {

namespace {

bool drops(const LanguageContext& context) {
  return context.training && context.dropout > 0;
}

}  // namespace

LanguageModel::LanguageModel(const LanguageConfig& config, DType dtype, uint64_t seed)
    : config_(config), dtype_(dtype) {
  config.validate();
  const int64_t d = config.block.d_model;
  embed_ = make_parameter("embed.weight", {config.vocab, d}, dtype, seed, Init::kNormal, 0.02);
  if (config.has_positions()) {
    positions_ = make_parameter("positions.weight", {config.block.tokens, d}, dtype, seed,
                                Init::kNormal, 0.02);
  }
  add_blocks(seed);
  norm_weight_ = make_parameter("norm.weight", {d}, dtype, seed, Init::kOnes);
  norm_bias_ = make_parameter("norm.bias", {d}, dtype, seed, Init::kZeros);
  if (config.head != LanguageHead::kNone) {
    const int64_t outputs = config.head_outputs();
    head_weight_ = make_parameter("head.weight", {outputs, d}, dtype, seed, Init::kNormal, 0.02);
    head_bias_ = make_parameter("head.bias", {outputs}, dtype, seed, Init::kZeros);
  }
  if (config.has_output()) {
    output_ = make_parameter("output.weight", {config.vocab, d}, dtype, seed, Init::kNormal, 0.02);
  }

  parameters_.push_back(&embed_);
  if (positions_.value.defined()) parameters_.push_back(&positions_);
  for (Block& block : blocks_) {
    std::visit([this](auto& any) { any.collect(parameters_); }, block);
  }
  for (Parameter* parameter : {&norm_weight_, &norm_bias_, &output_, &head_weight_, &head_bias_}) {
    if (parameter->value.defined()) parameters_.push_back(parameter);
  }
}

void LanguageModel::add_blocks(uint64_t seed) {
  blocks_.reserve(static_cast<size_t>(config_.depth));  // parameters_ will point into them
  for (int64_t i = 0; i < config_.depth; ++i) {
    const std::string prefix = "blocks." + std::to_string(i) + ".";
    if (config_.has_positions()) {
      blocks_.emplace_back(TransformerBlock(config_.transformer(), prefix, dtype_, seed));
    } else if (config_.arch == Arch::kMixer) {
      blocks_.emplace_back(MixerBlock(config_.mixer(), prefix, dtype_, seed));
    } else {
      blocks_.emplace_back(GmlpBlock(config_.block, prefix, dtype_, seed));
    }
  }
}

Var LanguageModel::forward_block(Tape& tape, Var x, size_t i, const LanguageContext& context) {
  // Each branch is a place of its own: 0 is the embedding, 1 + 2 i and 2 + 2 i are block i's.
  const auto drop = [&](Var shortcut, Var z, int64_t branch) {
    if (!drops(context)) return z;
    const int64_t site = 1 + 2 * static_cast<int64_t>(i) + branch;
    return branch_dropout(tape, shortcut, z, {context.dropout, context.seed, context.step, site});
  };
  const auto two_branches = [&](auto& block) {
    const Var mixed = drop(x, block.mix_tokens(tape, x), 0);
    return drop(mixed, block.mix_channels(tape, mixed), 1);
  };
  Block& block = blocks_[i];
  if (config_.has_positions()) return two_branches(std::get<TransformerBlock>(block));
  if (config_.arch == Arch::kMixer) return two_branches(std::get<MixerBlock>(block));
  return drop(x, std::get<GmlpBlock>(block).forward(tape, x, {}), 0);
}

void LanguageModel::prepack_weights() {
  for (Block& block : blocks_) {
    if (GmlpBlock* gmlp = std::get_if<GmlpBlock>(&block)) gmlp->prepack_weights(packed_);
  }
}

Var LanguageModel::features(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                            const LanguageContext& context) {
  require(static_cast<int64_t>(ids.size()) == batch * config_.block.tokens,
          "LanguageModel: texts of another length than the model's");
  for (const int64_t id : ids) {
    require(id >= 0 && id < config_.vocab, "LanguageModel: an id outside of the vocabulary");
  }
  Var x = embedding(tape, ids, batch, embed_);
  if (config_.has_positions()) x = add_positions(tape, x, positions_);
  if (drops(context)) x = dropout(tape, x, {context.dropout, context.seed, context.step, 0});
  for (size_t i = 0; i < blocks_.size(); ++i) x = forward_block(tape, x, i, context);
  return layernorm(tape, x, norm_weight_, norm_bias_, config_.block.norm_eps);
}

Parameter& LanguageModel::output() {
  if (config_.tie_embeddings) return embed_;
  require(output_.value.defined(), "LanguageModel: a model with a head has no output projection");
  return output_;
}

Var LanguageModel::forward(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                           const LanguageContext& context) {
  return linear(tape, features(tape, ids, batch, context), output(), nullptr);
}

Var LanguageModel::loss(Tape& tape, const std::vector<int64_t>& ids,
                        const std::vector<int64_t>& targets, int64_t batch, double scale,
                        const LanguageContext& context) {
  const Var x = features(tape, ids, batch, context);
  return linear_cross_entropy(tape, x, output(), nullptr, targets, scale);
}

Var LanguageModel::classify(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                            const LanguageContext& context) {
  require(config_.head == LanguageHead::kClassify, "classify: a model with another head");
  const Var first = select_token(tape, features(tape, ids, batch, context), 0);
  return linear(tape, first, head_weight_, &head_bias_);
}

Var LanguageModel::spans(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                         const LanguageContext& context) {
  require(config_.head == LanguageHead::kSpan, "spans: a model with another head");
  return linear(tape, features(tape, ids, batch, context), head_weight_, &head_bias_);
}

}  // namespace gmlp
