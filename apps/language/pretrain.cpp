// PretrainTask: windows of text, a language model and its loss. The loop around it is
// apps/train/trainer.cpp.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/evaluate.h"
#include "apps/language/model_choice.h"
#include "apps/language/text_format.h"
#include "apps/ranks/ranks.h"
#include "apps/train/pictures.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "data/text/corpus.h"
#include "data/text/tokenizer.h"
#include "models/checkpoint/load_models.h"
#include "models/decoder.h"
#include "models/language.h"

namespace gmlp {

namespace {

uint32_t token_checksum(const TokenRow& tokens, uint32_t crc) {
  constexpr int64_t kBlock = 4096;
  for (int64_t i = 0; i < tokens.size(); i += kBlock) {
    const std::vector<int64_t> ids = tokens.ids(i, std::min(kBlock, tokens.size() - i));
    crc = crc32_of(ids.data(), std::ssize(ids) * 8, crc);
  }
  return crc;
}

class PretrainTask : public TrainingTask {
 public:
  explicit PretrainTask(const PretrainOptions& options)
      : TrainingTask(options),
        options_(options),
        objective_(kObjectives.from_name(options.objective)) {
    open_text();
    build_model();
    build_loaders();
    fill_info();
  }

  const std::vector<Parameter*>& parameters() const override { return model_->parameters(); }
  DataIdentity data_identity() const override {
    return {
        token_checksum(data_.val, token_checksum(data_.train, 0)),
        fmt::format("{} training and {} validation tokens", data_.train.size(), data_.val.size()),
        "tokens", "--text FILE"};
  }
  int64_t batches_per_epoch() const override { return loader_->batches_per_epoch(); }
  void next_batch(const BatchPosition& position) override {
    const int64_t mine = options_.step_batches() / rank_count();
    if (position.count % mine == 0) load_step(position, mine);
    batch_ = step_batches_[static_cast<size_t>(position.count % mine)];
    position_ = position;
  }
  Var forward(Tape& tape, double scale) override {
    return model_->loss(tape, batch_.ids, batch_.targets, batch_.batch, scale * weight_of(batch_),
                        {true, options_.dropout, options_.seed, position_.count});
  }
  EvalResult validate(Arena& arena) override {
    if (!val_loader_) return {true, 0, NAN, NAN, "no validation text"};
    TextScore score = evaluate_text(*model_, *val_loader_, options_.val_batches, setup.execution,
                                    arena, !options_.quiet);
    if (!score.complete) return score;
    score.details =
        "val " + text_score_text(score.loss, score.standard_error, data_.val, objective_);
    score.sample = objective_ == Objective::kMasked ? "filled   " + filled_sample(arena) + "…"
                                                    : "written  " + written_sample();
    last_error_ = score.standard_error;
    return score;
  }

  void describe_model(CheckpointContent& content) const override {
    const Json extra = {{"objective", kObjectives.name(objective_)},
                        {"tokenizer", tokenizer_->kind()}};
    content.config = language_config_to_json(config_, json_line(extra));
    content.others.push_back({tokenizer_->file_name(), tokenizer_->file_bytes()});
  }

  std::string samples(bool /*colors*/) const override {
    std::string lines;
    for (int64_t row = 0; row < std::min<int64_t>(3, batch_.batch); ++row) {
      lines += fmt::format("sample   {}…\n", objective_ == Objective::kMasked
                                                 ? masked_line(*tokenizer_, batch_, row, {})
                                                 : plain_line(*tokenizer_, batch_, row));
    }
    return lines;
  }

  std::string text(const EvalResult& result) const override {
    return "val " + text_score_text(result.loss, NAN, data_.val, objective_);
  }

  Json summary(const EvalResult& result) const override {
    Json json = {{"val_loss", result.loss}, {"val_perplexity", std::exp(result.loss)}};
    if (objective_ == Objective::kCausal) {
      json["val_bits_per_byte"] = bits_per_byte(result.loss, data_.val);
    }
    return json;
  }

  void add_details(Json& summary) const override {
    if (std::isfinite(last_error_)) summary["val_loss_standard_error"] = last_error_;
  }

  void draw_figures(const RunFolder& folder, Json& run) const override {
    add_text_samples(run, *model_, *tokenizer_, objective_, data_.val);
    const std::vector<Tensor> weights = spatial_weights(parameters(), config_.block);
    if (weights.empty()) return;
    write_file_atomic(folder.file("filters.png"), draw_heat_maps(weights));
  }
  std::string next_command(const std::string& folder) const override {
    const std::string checkpoint = shell_quoted(folder);
    if (objective_ == Objective::kCausal) {
      return fmt::format("gmlp-language generate --model {} --prompt TEXT", checkpoint);
    }
    return fmt::format("gmlp-language fill --model {} \"A text with a [MASK] in it.\"", checkpoint);
  }

 private:
  void open_text() {
    tokenizer_ = setup.resumed() ? open_stored_tokenizer(setup.checkpoint)
                                 : open_tokenizer(options_.tokenizer);
    const InterruptibleInput interruptible;
    BadRows bad{.allowed = options_.skip_bad};
    data_ = open_corpus(options_.text, options_.val_text, *tokenizer_,
                        {options_.val_fraction, &bad, throw_if_stopped});
    if (bad.count > 0) info.notes.push_back(bad.note());
    const double unknown = data_.train.unknown_share();
    if (unknown > 0) info.notes.push_back(unknown_text(unknown));
  }

  /// Loads this rank's batches of an optimizer step, because the weights of all depend on each
  /// other.
  void load_step(const BatchPosition& first, int64_t count) {
    step_batches_.clear();
    int64_t scored = 0;
    for (int64_t i = 0; i < count; ++i) {
      step_batches_.push_back(loader_->batch(first.epoch, first.index + i));
      scored += scored_tokens(step_batches_.back());
    }
    scored_ = sum_over_ranks(static_cast<double>(scored));
  }

  /// The mean over a step's scored tokens is not the mean of its batches' means: a batch counts by
  /// its share of them. 1 if all batches have as many, as in a causal model.
  double weight_of(const TextBatch& batch) const {
    return static_cast<double>(scored_tokens(batch) * options_.step_batches()) / scored_;
  }

  void build_model() {
    // A resumed run takes its model from its checkpoint: what --model named may be gone.
    LanguageModelOptions choice = options_.model;
    if (setup.resumed()) choice.model = setup.checkpoint;
    config_ = choose_language_model(choice);
    fit_to_tokenizer(config_, *tokenizer_, objective_, options_.model.vocab_size);
    require_precision(setup.execution, config_.arch, config_.block);
    model_ = std::make_unique<LanguageModel>(config_, setup.dtype, options_.seed);
    // A resumed run's weights come from its checkpoint.
    if (options_.init.empty() || setup.resumed()) return;
    if (std::filesystem::is_directory(options_.init)) {
      require_same_tokenizer(options_.init, *tokenizer_, "the one of --tokenizer");
    }
    note_weights(options_.init, initialize_from(*model_, options_.init));
  }

  void build_loaders() {
    const TextBatchOptions batches = {.objective = objective_,
                                      .tokens = config_.block.tokens,
                                      .batch_size = options_.shard_size(),
                                      .seed = options_.seed,
                                      .shuffle = !options_.no_shuffle,
                                      .special = tokenizer_->special(),
                                      .vocab = tokenizer_->vocab()};
    loader_ = std::make_unique<TextLoader>(data_.train, batches);
    const int64_t windows = loader_->batch(0, 0).batch;
    refuse_if(
        windows < options_.shard_size(),
        "--batch-size {}: the {} training tokens are only {} windows of {}; use a smaller one, "
        "more text or a shorter --seq-len",
        options_.batch_size, data_.train.size(), windows, config_.block.tokens);
    if (data_.val.size() == 0) return;
    val_loader_ = std::make_unique<TextLoader>(
        validation_loader(data_.val, *tokenizer_, config_, objective_));
  }

  void fill_info() {
    const double scored = objective_ == Objective::kMasked ? TextBatchOptions{}.mask_share : 1;
    describe_language_model(config_, scored, info);
    info.command = "gmlp-language pretrain";
    info.data = data_.name;
    info.samples = "windows";
    info.metric = "val_perplexity";
    info.validation_samples = data_.val.size();
    info.best_by_loss = true;
    info.banner.push_back(fmt::format(
        "data     {} training and {} validation tokens ({} and {} bytes), {} ids of {}, "
        "objective {}",
        grouped(data_.train.size()), grouped(data_.val.size()), grouped(data_.train.text_bytes()),
        grouped(data_.val.text_bytes()), grouped(config_.vocab), tokenizer_->kind(),
        kObjectives.name(objective_)));
  }

  /// The beginning of the validation text, continued by the model.
  std::string written_sample() const {
    constexpr int64_t kPromptTokens = 16;
    constexpr int64_t kWrittenTokens = 64;
    const std::vector<int64_t> prompt =
        data_.val.ids(0, std::min(kPromptTokens, config_.block.tokens));
    SamplingOptions sampling;
    sampling.seed = options_.seed;
    Generator generator(*model_, writable_ids(*tokenizer_), prompt, sampling);
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < kWrittenTokens; ++i) ids.push_back(generator.next());
    return fmt::format("{} | {}", printable(tokenizer_->decode(prompt)),
                       printable(text_after(*tokenizer_, prompt, ids), std::string::npos));
  }

  /// The first validation window, its masks filled by the model.
  std::string filled_sample(Arena& arena) const {
    const TextBatch batch = val_loader_->batch(0, 0);
    const std::vector<int64_t> window(batch.ids.begin(), batch.ids.begin() + config_.block.tokens);
    std::vector<int64_t> guesses;
    for (const std::vector<double>& row : logits_of(*model_, window, setup.execution, arena)) {
      guesses.push_back(std::ranges::max_element(row) - row.begin());
    }
    return masked_line(*tokenizer_, batch, 0, guesses);
  }

  const PretrainOptions options_;
  const Objective objective_;
  std::unique_ptr<Tokenizer> tokenizer_;
  TextSplits data_;
  LanguageConfig config_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<TextLoader> loader_, val_loader_;
  std::vector<TextBatch> step_batches_;
  double scored_ = 0;  // tokens of the step, on all ranks
  TextBatch batch_;
  BatchPosition position_;
  double last_error_ = 0;  // TextScore::standard_error: not finite for a single batch
};

}  // namespace

int pretrain(const PretrainOptions& options, const Trainer::Hooks& hooks) {
  PretrainTask task(options);
  return Trainer(options, task, hooks).run();
}

}  // namespace gmlp
