#include "models/language.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace gmlp {

constexpr const char* kNoOutput =
    "model {} was finetuned and predicts no words; use it with --task, or take a pretrained one";

LanguageModel::LanguageModel(const LanguageConfig& config, DType dtype, uint64_t seed,
                             Storage storage)
    : Model(config, dtype, seed, storage) {
  const int64_t d = config.block.d_model;
  const auto add = [&](const char* name, int64_t rows, Init init = Init::kNormal) {
    return parameters_.add(name, {rows, d}, init, 0.02);
  };
  layers_.embed = add("embed.weight", config.vocab);
  if (config.has_positions()) {
    layers_.positions = add("positions.weight", config.block.tokens, Init::kSinusoids);
  }
  blocks_ = make_blocks(parameters_, config.arch, config.depth, config.block, config.heads,
                        config.spatial_ffn);
  layers_.norm = LayerNorm(parameters_, "norm.", d, config.block.norm_eps);
  if (config.tie_embeddings) layers_.output = layers_.embed;
  if (config.has_output()) layers_.output = add("output.weight", config.vocab);
  if (config.head == LanguageHead::kNone) return;
  const int64_t outputs = config.head == LanguageHead::kSpan ? 2 : config.classes;
  layers_.head = Linear(parameters_, "head.", {outputs, d}, Init::kNormal, 0.02);
}

Var LanguageModel::features(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                            const ForwardContext& context) {
  refuse_if(std::ssize(ids) != batch * config_.block.tokens,
            "{} token ids, and the model's windows have {}, {} of them; cut or pad the texts",
            ids.size(), config_.block.tokens, batch);
  Var x = embedding(tape, ids, batch, *layers_.embed);
  if (config_.has_positions()) x = add_positions(tape, x, *layers_.positions);
  const bool drops = context.training && context.drop_rate > 0;
  if (drops) x = dropout(tape, x, {context.drop_rate, context.seed, context.step, 0});
  // Each branch drops at a site of its own: 0 is the embedding, 1 + 2 i and 2 + 2 i are block i's.
  for (size_t i = 0; i < blocks_.size(); ++i) {
    tape.begin_block();
    int64_t site = 1 + 2 * static_cast<int64_t>(i);
    for (const Branch& branch : blocks_[i].branches) {
      const Var shortcut = x;
      x = branch(tape, shortcut, {}, {});
      if (!drops) continue;
      x = dropout(tape, x, {context.drop_rate, context.seed, context.step, site++}, shortcut);
    }
  }
  return layers_.norm(tape, x);
}

Var LanguageModel::forward(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                           const ForwardContext& context) {
  refuse_if(layers_.output == nullptr, kNoOutput, config_.name);
  return linear(tape, features(tape, ids, batch, context), *layers_.output, nullptr);
}

Var LanguageModel::loss(Tape& tape, const std::vector<int64_t>& ids,
                        const std::vector<int64_t>& targets, int64_t batch, double scale,
                        const ForwardContext& context) {
  refuse_if(layers_.output == nullptr, kNoOutput, config_.name);
  const Var x = features(tape, ids, batch, context);
  return linear_cross_entropy(tape, x, *layers_.output, nullptr, targets, scale);
}

Var LanguageModel::classify(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                            const ForwardContext& context) {
  require(config_.head == LanguageHead::kClassify, "classify: a model with another head");
  return layers_.head(tape, select_token(tape, features(tape, ids, batch, context), 0));
}

Var LanguageModel::spans(Tape& tape, const std::vector<int64_t>& ids, int64_t batch,
                         const ForwardContext& context) {
  require(config_.head == LanguageHead::kSpan, "spans: a model with another head");
  return layers_.head(tape, features(tape, ids, batch, context));
}

int64_t LanguageConfig::parameter_count() const {
  return count_parameters(LanguageModel(*this, DType::kF32, 0, Storage::kMeta).parameters());
}

double LanguageConfig::forward_flops(double scored_share) const {
  LanguageModel model(*this, DType::kF32, 0, Storage::kMeta);
  const std::vector<int64_t> ids(static_cast<size_t>(block.tokens), 0);
  return measure_flops([&](Tape& tape) {
    if (head == LanguageHead::kClassify) {
      model.classify(tape, ids, 1);
    } else if (head == LanguageHead::kSpan) {
      model.spans(tape, ids, 1);
    } else {
      model.forward(tape, ids, 1);
      const double projection =
          2 * static_cast<double>(block.tokens * block.d_model) * static_cast<double>(vocab);
      tape.count_flops((scored_share - 1) * projection);
    }
  });
}

int64_t training_memory(const LanguageConfig& config, int64_t batch, DType dtype,
                        const ExecutionOptions& execution) {
  constexpr double kMaskedShare = 0.15;    // BERT's share of masked positions
  constexpr int64_t kMaxTokens = 1 << 20;  // ids have memory; beyond, the peak is in proportion
  const int64_t n = config.block.tokens;
  const int64_t measured = std::min(batch, std::max<int64_t>(1, kMaxTokens / n));
  LanguageConfig pretraining = config;
  pretraining.head = LanguageHead::kNone;
  LanguageModel model(pretraining, dtype, 0, Storage::kMeta);
  const std::vector<int64_t> ids(static_cast<size_t>(measured * n), 0);
  std::vector<int64_t> targets(ids.size(), config.block.causal ? 0 : -1);
  const double scored = std::ceil(kMaskedShare * static_cast<double>(targets.size()));
  std::fill_n(targets.begin(), static_cast<int64_t>(scored), 0);
  const int64_t peak = measure_memory(
      execution, [&](Tape& tape) { return model.loss(tape, ids, targets, measured, 1); });
  return static_cast<int64_t>(static_cast<double>(peak) *
                              (static_cast<double>(batch) / static_cast<double>(measured)));
}

}  // namespace gmlp
