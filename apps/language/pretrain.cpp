// PretrainTask: windows of text, a language model and its loss. The loop around it is
// apps/train/trainer.cpp.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/language/evaluate.h"
#include "apps/language/text_format.h"
#include "apps/ranks/ranks.h"
#include "apps/train/pictures.h"
#include "core/io/file.h"

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
  explicit PretrainTask(const PretrainOptions& options) : TrainingTask(options), options_(options) {
    // A resumed run takes its model from its checkpoint: what --model named may be gone.
    if (setup.resumed()) options_.model.model = setup.checkpoint;
    info.inputs = options_.text;
    info.inputs.insert(info.inputs.end(), options_.val_text.begin(), options_.val_text.end());
    info.inputs.insert(info.inputs.end(),
                       {options_.model.model, options_.init, options_.tokenizer});
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
    last_error_ = score.standard_error;
    score.details = score_text(score.loss, last_error_);
    score.sample =
        is_causal() ? "written  " + written_sample() : "filled   " + filled_sample(arena);
    return score;
  }

  void describe_model(CheckpointContent& content) const override {
    const Json extra = {{"objective", options_.objective}, {"tokenizer", tokenizer_->kind()}};
    content.config = language_config_to_json(config_, json_line(extra));
    content.others.push_back({tokenizer_->file_name(), tokenizer_->file_bytes()});
  }

  std::string samples(bool /*colors*/) const override {
    std::string lines;
    const auto n = static_cast<size_t>(config_.block.tokens);
    for (size_t at = 0; at < std::min(3 * n, batch_.ids.size()); at += n) {
      const auto ids = std::span(batch_.ids).subspan(at, n);
      const auto targets = std::span(batch_.targets).subspan(at, is_causal() ? 0 : n);
      lines += fmt::format("sample   {}\n", sample_line(*tokenizer_, ids, targets));
    }
    return lines;
  }

  std::string text(const EvalResult& result) const override { return score_text(result.loss, NAN); }

  Json summary(const EvalResult& result) const override {
    Json json = {{"val_loss", result.loss}, {"val_perplexity", std::exp(result.loss)}};
    if (is_causal()) json["val_bits_per_byte"] = bits_per_byte(result.loss, data_.val);
    return json;
  }

  void add_details(Json& summary) const override {
    if (std::isfinite(last_error_)) summary["val_loss_standard_error"] = last_error_;
  }

  void draw_figures(const RunFolder& folder, Json& run) const override {
    add_text_samples(run, *model_, *tokenizer_, data_.val);
    const std::vector<Tensor> weights = spatial_weights(parameters(), config_.block);
    if (weights.empty()) return;
    write_file_atomic(folder.file("filters.png"), draw_heat_maps(weights));
  }
  std::string next_command(const std::string& folder) const override {
    const char* command = is_causal()
                              ? "gmlp-language generate --model {} --prompt TEXT"
                              : "gmlp-language fill --model {} \"A text with a [MASK] in it.\"";
    return fmt::format(fmt::runtime(command), shell_quoted(folder));
  }

 private:
  bool is_causal() const { return options_.objective == "causal"; }
  /// "val loss 1.2345 ± 0.0067, 1.781 bits per byte", without an error that is NaN. Warns if the
  /// tokenizer does not know most of the text.
  std::string score_text(double loss, double error) const {
    // One of the two, so that the line of an epoch fits 80 columns.
    const std::string measure =
        is_causal() ? fmt::format("{:.3f} bits per byte", bits_per_byte(loss, data_.val))
                    : fmt::format("perplexity {:.2f}", std::exp(loss));
    const std::string text = fmt::format("val loss {}, {}", with_error(loss, error, 4), measure);
    const double unknown = data_.val.unknown_share();
    return unknown > 0.5 ? fmt::format("{} ({})", text, unknown_text(unknown)) : text;
  }

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
    config_ = choose_language_model(options_.model);
    const int64_t ids = tokenizer_->vocab(), given = options_.model.vocab_size;
    refuse_if(given > 0 && given < ids,
              "--vocab-size {}: the tokenizer has {} ids; use so many or more, or leave it out",
              given, ids);
    refuse_if(
        !is_causal() && tokenizer_->special().mask < 0,
        "--objective mlm: this {} tokenizer has no [MASK]; train one with gmlp-language tokenizer "
        "train, or use --objective causal",
        tokenizer_->kind());
    config_.vocab = std::max(given, ids);
    config_.block.causal = is_causal();
    config_.head = LanguageHead::kNone;
    config_.classes = 0;
    config_.validate();
    require_precision(setup.execution, config_.arch, config_.block);
    model_ = std::make_unique<LanguageModel>(config_, setup.dtype, options_.seed);
    if (!starts_from(options_.init, options_.model.model)) return;
    if (std::filesystem::is_directory(options_.init)) {
      const std::unique_ptr<Tokenizer> theirs = open_stored_tokenizer(options_.init);
      refuse_if(theirs->file_bytes() != tokenizer_->file_bytes(),
                "{0}: its tokenizer is not the one of --tokenizer, so its ids mean other words; "
                "use {0}/{1}",
                options_.init, theirs->file_name());
    }
    note_weights(options_.init, initialize_from(*model_, options_.init));
  }

  void build_loaders() {
    loader_ = text_loader(data_.train, *tokenizer_, config_,
                          {.batch_size = options_.shard_size(),
                           .seed = options_.seed,
                           .shuffle = !options_.no_shuffle,
                           .special = {}});
    const int64_t windows = loader_->batch(0, 0).batch;
    refuse_if(
        windows < options_.shard_size(),
        "--batch-size {}: the {} training tokens are only {} windows of {}; use a smaller one, "
        "more text or a shorter --seq-len",
        options_.batch_size, data_.train.size(), windows, config_.block.tokens);
    if (data_.val.size() > 0) val_loader_ = text_loader(data_.val, *tokenizer_, config_);
  }

  void fill_info() {
    describe_language_model(config_, info);
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
        options_.objective));
  }

  /// The beginning of the validation text, continued by the model.
  std::string written_sample() const {
    constexpr int64_t kPromptTokens = 16;
    constexpr int64_t kWrittenTokens = 64;
    const std::vector<int64_t> prompt =
        data_.val.ids(0, std::min(kPromptTokens, config_.block.tokens));
    std::string text;
    write_text(*model_, *tokenizer_, prompt, {.seed = options_.seed}, kWrittenTokens,
               [&](const std::string& part) { text += part; });
    return fmt::format("{} | {}", printable(tokenizer_->decode(prompt)),
                       printable(text, std::string::npos));
  }

  /// The first validation window, its masks filled by the model.
  std::string filled_sample(Arena& arena) const {
    const TextBatch batch = val_loader_->batch(0, 0);
    const auto n = static_cast<size_t>(config_.block.tokens);
    const std::vector<int64_t> window(batch.ids.begin(), batch.ids.begin() + config_.block.tokens);
    std::vector<int64_t> guesses;
    for (const std::vector<double>& row : logits_of(*model_, window, setup.execution, arena)) {
      guesses.push_back(std::ranges::max_element(row) - row.begin());
    }
    return sample_line(*tokenizer_, window, std::span(batch.targets).first(n), guesses);
  }

  PretrainOptions options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  TextSplits data_;
  LanguageConfig config_;
  std::unique_ptr<LanguageModel> model_;
  std::optional<TextLoader> loader_, val_loader_;
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
