// gmlp-language eval: the loss of a checkpoint on text, or the score of a finetuned one on its
// task.

#include "apps/language/evaluate.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/cli/terminal.h"
#include "apps/language/text_format.h"
#include "core/io/file.h"
#include "core/softmax.h"

namespace gmlp {

namespace {

struct EvalOptions : TaskOptions {
  std::vector<std::string> files;
  int64_t max_batches = 0;
  std::string data;  // of the task
  std::string json;
};

/// Prints the score and returns it as JSON, as does eval_task.
Json eval_text(const EvalOptions& options) {
  const LoadedLanguage loaded = load_language(options);
  const InterruptibleInput interruptible;
  BadRows bad{.allowed = options.reading.skip_bad};
  const TokenRow tokens =
      encode_files(options.files, *loaded.tokenizer, {.bad = &bad, .check_stop = throw_if_stopped});
  if (bad.count > 0) fmt::print("{}\n", bad.note());
  const TextLoader loader = text_loader(tokens, *loaded.tokenizer, loaded.model->config());
  Arena arena;
  const TextScore score =
      evaluate_text(*loaded.model, loader, options.max_batches, loaded.execution, arena);
  const double error = score.standard_error;
  fmt::print("{}: {} tokens of {} bytes, {} scored\n", fmt::join(options.files, ", "),
             grouped(tokens.size()), grouped(tokens.text_bytes()), grouped(score.samples));
  fmt::print("loss           {} nats per token\n", with_error(score.loss, error, 6));
  fmt::print("perplexity     {}\n", with_error(score.metric, score.metric * error, 3));
  const double unknown = tokens.unknown_share();
  if (unknown > 0) fmt::print("unknown        {}\n", unknown_text(unknown));
  Json json = {{"model", options.model},       {"text", options.files},   {"tokens", tokens.size()},
               {"bytes", tokens.text_bytes()}, {"scored", score.samples}, {"loss", score.loss}};
  if (std::isfinite(error)) json["loss_standard_error"] = error;
  json["perplexity"] = score.metric;
  json["unknown_share"] = unknown;
  if (!loaded.is_causal()) return json;
  const double bits = bits_per_byte(score.loss, tokens);
  json["bits_per_byte"] = bits;
  fmt::print("bits per byte  {:.4f}\n", bits);
  return json;
}

Json eval_task(const EvalOptions& options) {
  const OpenedTask opened(options);
  const TaskFiles files =
      open_task_files(opened.facts, options.data, opened.reading, *opened.loaded.tokenizer, -1);
  for (const std::string& line : files.notes) fmt::print("{}\n", line);
  Json sets = Json::array();
  auto file = files.dev.begin();
  for (const TaskSetScore& score : score_task(opened.model, files.dev)) {
    const TaskSet& set = **file++;
    sets.push_back(score.json);
    fmt::print("{}: {} {}, loss {:.6f}\n{}\n{}", set.name, grouped(set.size()),
               opened.facts.examples(), score.loss, score.text, score.details);
  }
  return {{"model", options.model}, {"task", options.task}, {"data", options.data}, {"sets", sets}};
}

}  // namespace

LoadedLanguage load_language(const StoredModelOptions& options) {
  use_threads(options.threads);
  const std::string& folder = options.model;
  LoadedLanguage loaded{load_language_model(folder), open_stored_tokenizer(folder), {}};
  const LanguageConfig& config = loaded.model->config();
  loaded.execution = stored_execution(loaded.model->dtype(), options.precision, options.kernels);
  require_precision(loaded.execution, config.arch, config.block);
  refuse_if(loaded.tokenizer->vocab() > config.vocab,
            "{}: the tokenizer has {} ids, the model {}; the folder is mixed up, restore it",
            folder, loaded.tokenizer->vocab(), config.vocab);
  return loaded;
}

TextLoader text_loader(const TokenRow& tokens, const Tokenizer& tokenizer,
                       const LanguageConfig& config, TextBatchOptions batches) {
  batches.objective = config.block.causal ? Objective::kCausal : Objective::kMasked;
  batches.tokens = config.block.tokens;
  batches.special = tokenizer.special();
  batches.vocab = tokenizer.vocab();
  return {tokens, batches};
}

TextScore evaluate_text(LanguageModel& model, const TextLoader& loader, int64_t max_batches,
                        const ExecutionOptions& execution, Arena& arena, bool show_progress) {
  int64_t count = loader.batches_per_epoch();
  if (max_batches > 0) count = std::min(count, max_batches);
  std::vector<std::pair<double, double>> batches;  // scored tokens, and their mean loss
  const auto score_batch = [&](int64_t i, int64_t /*end*/, std::vector<double>& values) {
    const TextBatch batch = loader.batch(0, i);
    const int64_t scored = scored_tokens(batch);
    arena.reset();
    Tape tape(arena, execution, false);
    const auto loss = [&] { return model.loss(tape, batch.ids, batch.targets, batch.batch, 1.0); };
    values.push_back(static_cast<double>(scored));
    values.push_back(scored > 0 ? tape.value(loss()).at(0) : 0);
  };
  double sum = 0, scored = 0;
  score_samples({count, 1, 2, show_progress}, score_batch, [&](const double* values) {
    batches.emplace_back(values[0], values[1]);
    sum += values[0] * values[1];
    scored += values[0];
  });
  refuse_if(scored == 0, "none of the text's tokens is scored; use more text");
  TextScore score;
  score.complete = true;
  score.samples = static_cast<int64_t>(scored);
  score.loss = sum / scored;
  score.metric = std::exp(score.loss);
  // The standard error of a ratio: the losses and the numbers of tokens both vary per batch.
  double squares = 0, n = 0;
  for (const auto& [tokens, loss] : batches) {
    squares += std::pow(tokens * (loss - score.loss), 2);
    n += tokens > 0 ? 1 : 0;
  }
  score.standard_error =
      n < 2 ? std::numeric_limits<double>::quiet_NaN() : std::sqrt(squares * n / (n - 1)) / scored;
  return score;
}

double bits_per_byte(double loss, const TokenRow& tokens) {
  const double bytes = static_cast<double>(std::max<int64_t>(tokens.text_bytes(), 1));
  return loss / std::log(2.0) * static_cast<double>(tokens.size()) / bytes;
}

int64_t write_text(const LanguageModel& model, const Tokenizer& tokenizer,
                   const std::vector<int64_t>& prompt, const SamplingOptions& sampling,
                   int64_t most, const std::function<void(const std::string&)>& use) {
  std::vector<int64_t> allowed;
  for (int64_t id = 0; id < tokenizer.vocab(); ++id) {
    if (!tokenizer.special().contains(id)) allowed.push_back(id);
  }
  Generator generator(model, allowed, prompt, sampling);
  TextStream stream(tokenizer, prompt);
  int64_t count = 0;
  for (; count < most && stop_signal() == 0; ++count) use(stream.push(generator.next()));
  use(stream.flush());
  return count;
}

std::vector<std::vector<double>> logits_of(LanguageModel& model, const std::vector<int64_t>& ids,
                                           const ExecutionOptions& execution, Arena& arena) {
  arena.reset();
  Tape tape(arena, execution, false);
  const Tensor logits = tape.value(model.forward(tape, ids, 1));
  const int64_t vocab = logits.shape().cols();
  std::vector<std::vector<double>> rows(ids.size());
  for (int64_t i = 0; i < logits.elements(); ++i) {
    rows[static_cast<size_t>(i / vocab)].push_back(logits.at(i));
  }
  return rows;
}

std::vector<Guess> best_guesses(const std::vector<double>& logits, const Tokenizer& tokenizer,
                                int64_t topk) {
  std::vector<double> p(logits.begin(), logits.begin() + tokenizer.vocab());
  p[static_cast<size_t>(tokenizer.special().mask)] = -std::numeric_limits<double>::infinity();
  softmax(p.data(), p.data(), tokenizer.vocab());
  std::vector<Guess> guesses;
  guesses.reserve(p.size());
  for (const double probability : p) guesses.push_back({std::ssize(guesses), probability});
  guesses.erase(guesses.begin() + tokenizer.special().mask);
  std::ranges::stable_sort(guesses, std::ranges::greater(), &Guess::probability);
  guesses.resize(std::min(guesses.size(), static_cast<size_t>(topk)));
  return guesses;
}

std::vector<std::vector<Guess>> fill_masks(const LoadedLanguage& loaded, const std::string& text,
                                           int64_t topk) {
  const Tokenizer& tokenizer = *loaded.tokenizer;
  refuse_if(loaded.is_causal(),
            "fill: the model is causal and was not trained on [MASK]; use generate, or pretrain a "
            "model with --objective mlm");
  refuse_if(text.find(kMaskText) == text.npos,
            "fill: the text has no [MASK]; insert one where a word is to be predicted");
  std::vector<int64_t> ids;
  for (const Piece& piece : encode_with_mask(tokenizer, text)) ids.push_back(piece.id);
  const size_t count = ids.size();
  const auto tokens = static_cast<size_t>(loaded.model->config().block.tokens);
  refuse_if(count > tokens,
            "fill: the text has {} tokens, but the model's window {}; shorten the text", count,
            tokens);
  // The text is repeated up to the window's end: pretraining on running text has no padding.
  while (ids.size() < tokens) ids.push_back(ids[ids.size() - count]);
  Arena arena;
  const std::vector<std::vector<double>> logits =
      logits_of(*loaded.model, ids, loaded.execution, arena);
  std::vector<std::vector<Guess>> masks;
  for (size_t i = 0; i < count; ++i) {
    const bool is_mask = ids[i] == tokenizer.special().mask;
    if (is_mask) masks.push_back(best_guesses(logits[i], tokenizer, topk));
  }
  return masks;
}

int language_eval(const std::vector<std::string>& arguments) {
  EvalOptions options;
  CLI::App app("Evaluate a checkpoint on text, or a finetuned checkpoint on its task",
               "gmlp-language eval");
  options.reading.split = "all";
  add_stored_model_options(app, options);
  app.add_option("--json", options.json, "Also write the result to FILE")->type_name("FILE");
  OptionGroup text(app, "Text");
  app.add_option("--text", options.files, "UTF-8 text, plain or gzipped; - is standard input")
      ->type_name("FILE...");
  text.integer("--val-batches", options.max_batches, "Number of batches of 16 windows, 0 = all");
  add_task_options(app, options);
  app.add_option("--data", options.data, "Folder with the files of the task, or one table")
      ->type_name("DIR|FILE");
  app.add_option("--split", options.reading.split,
                 "Rows of a table: all, or val, the tenth that finetuning held out")
      ->check(CLI::IsMember({"all", "val"}));
  separate_groups(app, "Text");
  parse_arguments(app, arguments);
  refuse_if(options.task.empty() ? options.files.empty() : options.data.empty(),
            "eval needs --text FILE, or --task NAME and --data DIR");
  std::vector<std::string> inputs = options.files;
  inputs.push_back(options.data);
  if (!options.task.empty()) {
    for (const TaskFacts::File& file : task_facts(options.task).files) {
      inputs.push_back(options.data + "/" + file.name);
    }
  }
  check_outputs({{"--json", options.json, ".json"}}, inputs, options.model);

  const Json json = options.task.empty() ? eval_text(options) : eval_task(options);
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
  return kExitSuccess;
}

}  // namespace gmlp
