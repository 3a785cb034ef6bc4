#pragma once
// Checkpoints ready to predict, their scores and their predictions.
//
//   evaluate.cpp           the loss on text in nats per scored token, text and words
//   tasks/task_score.cpp   finetuned models on the rows of a task

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/cli/options.h"
#include "apps/language/options.h"
#include "data/text/corpus.h"
#include "models/checkpoint/load_models.h"
#include "models/decoder.h"

namespace gmlp {

/// A model as a checkpoint folder holds it, ready to predict.
struct LoadedLanguage : LoadedLanguageModel {
  std::unique_ptr<Tokenizer> tokenizer;
  ExecutionOptions execution;

  bool is_causal() const { return model->config().block.causal; }
};
/// Opens, verifies (checksums) and loads as a subcommand's options say; also sets the number of
/// threads. Throws InputError naming the file, and the tensor.
LoadedLanguage load_language(const StoredModelOptions& options);

constexpr const char* kMaskText = "[MASK]";

/// `samples` counts scored tokens, `metric` is the perplexity.
struct TextScore : EvalResult {
  double standard_error = 0;  // of the loss, from the spread of the batches; NaN for one batch
};

/// Batches for validation, whose masks depend on their size: it is the same for all runs.
constexpr TextBatchOptions kValidation = {
    .batch_size = 16, .train = false, .shuffle = false, .special = {}};
/// Windows of `tokens` as `config` needs them, which decides the other members of `batches`.
TextLoader text_loader(const TokenRow& tokens, const Tokenizer& tokenizer,
                       const LanguageConfig& config, TextBatchOptions batches = kValidation);

/// Scores the first `max_batches` batches of the loader, 0 = all. Throws InputError if no token is
/// scored, and Stopped after a signal. A terminal shows the progress.
TextScore evaluate_text(LanguageModel& model, const TextLoader& loader, int64_t max_batches,
                        const ExecutionOptions& execution, Arena& arena, bool show_progress = true);

/// A causal model's loss in nats per token as bits per byte of the text of `tokens`. A masked model
/// does not encode the text that it sees, so its loss is no code length.
double bits_per_byte(double loss, const TokenRow& tokens);

/// Continues `prompt` by up to `most` tokens, none of them special, and calls `use` with their text
/// in whole characters. A stop signal ends it early. Returns the number of tokens.
int64_t write_text(const LanguageModel& model, const Tokenizer& tokenizer,
                   const std::vector<int64_t>& prompt, const SamplingOptions& sampling,
                   int64_t most, const std::function<void(const std::string&)>& use);

struct Guess {
  int64_t id = 0;
  double probability = 0;
};

/// The logits of one window, a row of V per token.
std::vector<std::vector<double>> logits_of(LanguageModel& model, const std::vector<int64_t>& ids,
                                           const ExecutionOptions& execution, Arena& arena);
/// The most likely ids of the tokenizer except [MASK].
std::vector<Guess> best_guesses(const std::vector<double>& logits, const Tokenizer& tokenizer,
                                int64_t topk);

/// For each [MASK] in `text`, the `topk` most likely ids in descending order. Throws InputError if
/// there is no [MASK], if the text is longer than the model's window, or if the model is causal.
std::vector<std::vector<Guess>> fill_masks(const LoadedLanguage& loaded, const std::string& text,
                                           int64_t topk);

/// For report.html: W of the blocks, and if `val` is not empty, what the model makes of its text.
void add_text_samples(Json& run, LanguageModel& model, const Tokenizer& tokenizer,
                      const TokenRow& val);

// ---- Finetuned models.

/// A model and what its forward pass on a task depends on.
struct TaskModel {
  LanguageModel& model;
  const TaskFacts& facts;
  ExecutionOptions execution;
  Arena& arena;
  int64_t batch_size = 32;  // does not change the logits
  AnswerOptions answers = {};
  bool show_progress = true;  // on a terminal
};

/// A finetuned checkpoint, opened by the options of eval or predict, which take from it what they
/// do not say. Throws InputError if the model was not finetuned on the task.
struct OpenedTask {
  explicit OpenedTask(const TaskOptions& options);

  LoadedLanguage loaded;
  TaskFacts facts;
  TaskReading reading;
  Arena arena;
  TaskModel model;
};

/// Calls `use` with the logits of each row in order: one per class, or (N, 2) of a span. Ranks
/// share the rows, and each sees all logits. Throws Stopped after a signal, as the next two do.
void for_each_row(const TaskModel& model, const TaskRows& rows,
                  const std::function<void(int64_t row, const std::vector<double>& logits)>& use);

/// One answer per question. If not null, `loss` becomes the mean over the windows in nats.
std::vector<QuestionAnswer> answer_questions(const TaskModel& model, const SquadWindows& windows,
                                             double* loss = nullptr);

/// The score on one file. The loss is in nats per example, for spans the mean over first and last
/// token. The metric is accuracy or F1, and `details` are further lines, of SQuAD 2.0.
struct TaskSetScore : EvalResult {  // NOLINT(bugprone-exception-escape): Json's destructor
  std::string text;                 // "accuracy 81.23 ± 1.32 %", "exact match ..., F1 ..."
  Json json;                        // all numbers
};

std::vector<TaskSetScore> score_task(const TaskModel& model,
                                     const std::vector<std::unique_ptr<TaskSet>>& sets);

}  // namespace gmlp
