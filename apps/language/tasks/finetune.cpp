// FinetuneTask: batches of a task's examples, a pretrained model with a new head, and its loss. The
// loop around it is apps/train/trainer.cpp.

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/language/tasks/task_score.h"
#include "apps/language/text_format.h"
#include "autograd/ops.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/load_models.h"

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
    TaskScore score = score_task(
        {*model_, facts_, setup.execution, arena, options_.batch_size, {}, !options_.quiet},
        files_.dev);
    if (!score.complete) return score;
    std::vector<std::string> texts;
    for (const TaskSetScore& set : score.sets) texts.push_back(task_score_text(set));
    score.details = fmt::format("val loss {:.4f}, {}", score.loss, fmt::join(texts, ", "));
    last_score_ = score;
    return score;
  }

  void describe_model(CheckpointContent& content) const override {
    content.config = language_config_to_json(config_, task_json(facts_, encoding()));
    content.others.push_back({tokenizer_->file_name(), tokenizer_->file_bytes()});
  }

  std::string samples(bool /*colors*/) const override {
    std::string lines;
    for (size_t i = 0; i < std::min<size_t>(3, batch_.rows.size()); ++i) {
      lines += fmt::format("sample   {}\n", sample_text(batch_.rows[i]));
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
    for (const TaskSetScore& set : last_score_.sets) {
      summary["sets"].push_back(task_score_json(facts_, set));
    }
  }

  void draw_figures(const RunFolder& /*folder*/, Json& run) const override {
    add_text_samples(run, *model_, *tokenizer_, Objective::kMasked, {});
  }
  std::string next_command(const std::string& checkpoint) const override {
    std::string command =
        fmt::format("gmlp-language eval --task {} --data {} --model {}", facts_.name,
                    shell_quoted(options_.data), shell_quoted(checkpoint));
    if (!std::filesystem::is_directory(options_.data)) command += " --split val";
    if (const int64_t bad = options_.reading.skip_bad)
      command += fmt::format(" --skip-bad {}", bad);
    return command;
  }

 private:
  void build_model() {
    // The checkpoint holds all that a resumed run needs. The pretrained model may no longer exist.
    LanguageModelOptions choice = options_.model;
    if (setup.resumed()) choice.model = setup.checkpoint;
    const bool stored = std::filesystem::is_directory(choice.model);
    config_ = choose_language_model(choice);
    tokenizer_ = stored ? open_stored_tokenizer(choice.model) : open_tokenizer(options_.tokenizer);
    if (!stored) config_.vocab = std::max(options_.model.vocab_size, tokenizer_->vocab());
    fit_to_task(config_, facts_);
    require_precision(setup.execution, config_.arch, config_.block);
    model_ = std::make_unique<LanguageModel>(config_, setup.dtype, options_.seed);
    if (setup.resumed()) return;
    if (stored && !options_.from_scratch) {
      load_weights_from(choice.model);
    } else {
      info.notes.emplace_back("the model starts from random weights; a pretrained one knows words");
    }
  }

  /// Loads all but the head, which is new for this task even if the folder has one.
  void load_weights_from(const std::string& source) {
    const Checkpoint checkpoint = open_checkpoint(source);
    std::vector<Parameter*> body;
    for (Parameter* parameter : parameters()) {
      if (!parameter->name.starts_with("head.")) body.push_back(parameter);
    }
    WeightRules rules;
    rules.model = config_.name;
    rules.tokens_remedy =
        "(length of a window); leave out --seq-len, only Toeplitz gates can be cut, to a shorter "
        "one";
    rules.convert = cut_toeplitz_gate;
    rules.new_head = true;
    note_weights(source, load_weights(body, checkpoint.model, rules), "; the head is new");
  }

  TaskEncoding encoding() const { return {*tokenizer_, config_.block.tokens, options_.reading}; }

  void open_files() {
    files_ = open_task_files(facts_, options_.data, encoding(), options_.max_train_samples);
    info.notes.insert(info.notes.end(), files_.notes.begin(), files_.notes.end());
    const TaskLoaderOptions loading = {.batch_size = options_.shard_size(),
                                       .seed = options_.seed,
                                       .shuffle = !options_.no_shuffle};
    loader_ = std::make_unique<TaskLoader>(*files_.train->rows, loading);
  }

  void fill_info() {
    const bool span = facts_.is_span();
    describe_language_model(config_, 1, info);
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

  /// The model's input of a row, and the correct answer.
  std::string sample_text(int64_t row) const {
    auto [ids, target] = files_.train->rows->row(row);
    ids.erase(std::ranges::find(ids, tokenizer_->special().pad), ids.end());
    std::string text;
    for (const int64_t id : ids) {
      if (text.size() < kLineBytes) text += piece_text(*tokenizer_, id);
    }
    if (text.size() >= kLineBytes) text += "…";
    std::string answer = "no answer";
    if (!facts_.is_span()) answer = facts_.labels[static_cast<size_t>(target[0])];
    if (target.back() > 0 && facts_.is_span()) {
      answer = files_.train->windows().text(row, target[0], target[1]);
    }
    return printable(fmt::format("{} → {}", text, answer), std::string::npos);
  }

  const FinetuneOptions options_;
  const TaskFacts facts_;
  std::unique_ptr<Tokenizer> tokenizer_;
  LanguageConfig config_;
  std::unique_ptr<LanguageModel> model_;
  TaskFiles files_;
  std::unique_ptr<TaskLoader> loader_;
  TaskBatch batch_;
  BatchPosition position_;
  TaskScore last_score_;
};

}  // namespace

int language_finetune(const std::vector<std::string>& arguments) {
  const FinetuneOptions options = parse_finetune(arguments);
  FinetuneTask task(options);
  return Trainer(options, task).run();
}

}  // namespace gmlp
