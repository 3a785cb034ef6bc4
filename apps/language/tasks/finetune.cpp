// FinetuneTask: batches of a task's examples, a pretrained model with a new head, and its loss. The
// loop around it is apps/train/trainer.cpp.

#include <algorithm>
#include <filesystem>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/language/evaluate.h"
#include "apps/language/text_format.h"
#include "autograd/ops.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

uint32_t row_checksum(const TaskRows& rows, uint32_t crc) {
  for (int64_t i = 0; i < rows.size(); ++i) {
    const TaskRow row = rows.row(i);
    crc = crc32_of(row.ids.data(), std::ssize(row.ids) * 8, crc);
    crc = crc32_of(row.target.data(), std::ssize(row.target) * 8, crc);
  }
  return crc;
}

class FinetuneTask : public TrainingTask {
 public:
  explicit FinetuneTask(const FinetuneOptions& options)
      : TrainingTask(options),
        options_(options),
        facts_(describe_task(options.task, options.data, options.reading, info.notes)) {
    // The checkpoint holds all that a resumed run needs. The pretrained model may no longer exist.
    if (setup.resumed()) {
      options_.model.model = setup.checkpoint;
      const Json stored = read_json(config_path(setup.checkpoint));
      options_.reading.first_rows = !stored.at("gmlp").contains("drawn_rows");
    }
    info.inputs = {options_.data, options_.model.model, options_.tokenizer};
    build_model();
    open_files();
    fill_info();
  }

  const std::vector<Parameter*>& parameters() const override { return model_->parameters(); }
  DataIdentity data_identity() const override {
    uint32_t crc = row_checksum(*files_.train->rows, 0);
    std::string counts = fmt::format("{} training", files_.train->size());
    for (const std::unique_ptr<TaskSet>& set : files_.dev) {
      crc = row_checksum(*set->rows, crc);
      counts += fmt::format(" and {} {}", set->size(), set->name);
    }
    return {crc, counts + " examples", "tokens or labels", "--data DIR"};
  }
  int64_t batches_per_epoch() const override { return loader_->batches_per_epoch(); }
  void next_batch(const BatchPosition& position) override {
    batch_ = loader_->batch(position.epoch, position.index);
    position_ = position;
  }
  Var forward(Tape& tape, double scale) override {
    const int64_t count = std::ssize(batch_.rows);
    const ForwardContext context = {true, options_.dropout, options_.seed, position_.count};
    // Classes: logits (B, C), B labels. Spans: (B, N, 2), transposed to (B, 2, N): a choice among N
    // tokens for the first token and one for the last, with targets (B, 2).
    const Var logits = facts_.is_span()
                           ? transpose_tokens(tape, model_->spans(tape, batch_.ids, count, context))
                           : model_->classify(tape, batch_.ids, count, context);
    return cross_entropy_ids(tape, logits, batch_.targets, scale);
  }

  EvalResult validate(Arena& arena) override {
    last_sets_ = score_task(
        {*model_, facts_, setup.execution, arena, options_.batch_size, {}, !options_.quiet},
        files_.dev);
    EvalResult result = last_sets_.front();
    result.details = fmt::format("val loss {:.4f}", result.loss);
    for (const TaskSetScore& set : last_sets_) result.details += ", " + set.text;
    return result;
  }

  void describe_model(CheckpointContent& content) const override {
    Json extra = {{"objective", "mlm"}, {"tokenizer", tokenizer_->kind()}, {"task", facts_.name}};
    if (facts_.is_span()) {
      extra["doc_stride"] = options_.reading.windows.stride;
      extra["max_question_tokens"] = options_.reading.windows.max_question;
    } else {
      extra["labels"] = facts_.labels;
    }
    if (facts_.task == Task::kClassify) extra["columns"] = facts_.columns;
    if (!options_.reading.first_rows) extra["drawn_rows"] = true;  // of --max-train-samples
    content.config = language_config_to_json(config_, json_line(extra));
    content.others.push_back({tokenizer_->file_name(), tokenizer_->file_bytes()});
  }

  std::string samples(bool /*colors*/) const override {
    std::string lines;
    const auto n = static_cast<size_t>(config_.block.tokens);
    for (size_t i = 0; i < std::min<size_t>(3, batch_.rows.size()); ++i) {
      const auto ids = std::span(batch_.ids).subspan(i * n, n);
      lines += fmt::format("sample   {} → {}\n", sample_line(*tokenizer_, ids),
                           printable(answer_text(i), std::string::npos));
    }
    return lines;
  }

  std::string text(const EvalResult& result) const override {
    const double error = 100 * standard_error(result.metric / 100, result.samples);
    return fmt::format("val loss {:.4f}, {} {:.2f}{} %", result.loss, facts_.metric(),
                       result.metric, facts_.is_span() ? "" : fmt::format(" ± {:.2f}", error));
  }

  Json summary(const EvalResult& result) const override {
    return {{facts_.metric_column(), result.metric}, {"val_loss", result.loss}};
  }

  void add_details(Json& summary) const override {
    summary["task"] = facts_.name;
    for (const TaskSetScore& set : last_sets_) summary["sets"].push_back(set.json);
  }

  void draw_figures(const RunFolder& /*folder*/, Json& run) const override {
    add_text_samples(run, *model_, *tokenizer_, {});
  }
  std::string next_command(const std::string& checkpoint) const override {
    std::string command =
        fmt::format("gmlp-language eval --task {} --data {} --model {}", facts_.name,
                    shell_quoted(options_.data), shell_quoted(checkpoint));
    if (!std::filesystem::is_directory(options_.data)) command += " --split val";
    if (options_.reading.skip_bad > 0)
      command += fmt::format(" --skip-bad {}", options_.reading.skip_bad);
    return command;
  }

 private:
  void build_model() {
    const std::string& source = options_.model.model;
    const bool stored = std::filesystem::is_directory(source);
    config_ = choose_language_model(options_.model);
    tokenizer_ = stored ? open_stored_tokenizer(source) : open_tokenizer(options_.tokenizer);
    if (!stored) config_.vocab = std::max(options_.model.vocab_size, tokenizer_->vocab());
    refuse_if(config_.block.causal,
              "the model {} is causal, so <cls> at the front sees no other token; use one that was "
              "pretrained with --objective mlm, without --causal",
              config_.name);
    config_.head = facts_.is_span() ? LanguageHead::kSpan : LanguageHead::kClassify;
    config_.classes = std::ssize(facts_.labels);
    config_.validate();
    require_precision(setup.execution, config_.arch, config_.block);
    model_ = std::make_unique<LanguageModel>(config_, setup.dtype, options_.seed);
    if (setup.resumed()) return;
    if (stored && !options_.from_scratch) {
      note_weights(source, initialize_from(*model_, source), "; the head is new");
    } else {
      info.notes.emplace_back("the model starts from random weights; a pretrained one knows words");
    }
  }

  void open_files() {
    options_.reading.windows.tokens = config_.block.tokens;
    files_ = open_task_files(facts_, options_.data, options_.reading, *tokenizer_,
                             options_.max_train_samples);
    info.notes.insert(info.notes.end(), files_.notes.begin(), files_.notes.end());
    const TaskLoaderOptions loading = {.batch_size = options_.shard_size(),
                                       .seed = options_.seed,
                                       .shuffle = !options_.no_shuffle};
    loader_ = std::make_unique<TaskLoader>(*files_.train->rows, loading);
  }

  void fill_info() {
    const bool span = facts_.is_span();
    describe_language_model(config_, info);
    info.command = "gmlp-language finetune";
    info.data = facts_.name;
    info.samples = span ? "windows" : "examples";
    info.metric = facts_.metric_column();
    info.validation_samples = files_.dev.front()->size();
    std::vector<std::string> dev;
    for (const std::unique_ptr<TaskSet>& set : files_.dev) {
      dev.push_back(fmt::format("{} {}", grouped(set->size()), set->name));
    }
    const std::string windows =
        span ? fmt::format(" in {} windows", grouped(files_.train->rows->size())) : "";
    info.banner.push_back(fmt::format("data     {} training {}{}, {} to validate on; {} ids of {}",
                                      grouped(files_.train->size()), facts_.examples(), windows,
                                      fmt::join(dev, " and "), grouped(config_.vocab),
                                      tokenizer_->kind()));
    info.banner.push_back(fmt::format("recipe   batch size {}, learning rate {:g}, dropout {:g}",
                                      options_.batch_size * options_.grad_accum_steps, options_.lr,
                                      options_.dropout));
  }

  /// The correct answer of example `i` of the batch.
  std::string answer_text(size_t i) const {
    if (!facts_.is_span()) return facts_.labels[static_cast<size_t>(batch_.targets[i])];
    const int64_t first = batch_.targets[2 * i], last = batch_.targets[2 * i + 1];
    return last > 0 ? files_.train->windows().text(batch_.rows[i], first, last) : "no answer";
  }

  FinetuneOptions options_;
  const TaskFacts facts_;
  std::unique_ptr<Tokenizer> tokenizer_;
  LanguageConfig config_;
  std::unique_ptr<LanguageModel> model_;
  TaskFiles files_;
  std::unique_ptr<TaskLoader> loader_;
  TaskBatch batch_;
  BatchPosition position_;
  std::vector<TaskSetScore> last_sets_;
};

}  // namespace

int language_finetune(const std::vector<std::string>& arguments) {
  const FinetuneOptions options = parse_finetune(arguments);
  FinetuneTask task(options);
  return Trainer(options, task).run();
}

}  // namespace gmlp
