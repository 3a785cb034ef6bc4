// gmlp-language fill: the words that a masked model predicts for [MASK].
// gmlp-language generate: a causal model continues a prompt.
// gmlp-language predict: arrays of ids to logits, or examples of a task to its answers.

#include <CLI/CLI.hpp>
#include <algorithm>

#include <fmt/ranges.h>
#include <unistd.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/export/onnx_model.h"
#include "apps/language/evaluate.h"
#include "apps/language/text_format.h"
#include "core/io/file.h"
#include "core/io/npy.h"
#include "core/softmax.h"

namespace gmlp {

namespace {

/// Prints the guesses of each mask and the completed text, and returns both as JSON.
Json report(const std::string& text, const std::vector<std::vector<Guess>>& masks,
            const Tokenizer& tokenizer) {
  Json json = {{"text", text}, {"masks", Json::array()}};
  std::string filled = text;
  for (size_t m = 0; m < masks.size(); ++m) {
    if (masks.size() > 1) fmt::print("{} {}\n", kMaskText, m + 1);
    Json words = Json::array();
    for (const auto& [id, probability] : masks[m]) {
      const std::string word = word_text(tokenizer, id);
      fmt::print("  {:6.2f} %  {}\n", 100 * probability, word);
      words.push_back({{"id", id}, {"word", word}, {"probability", probability}});
    }
    json["masks"].push_back(std::move(words));
    // Each mask is predicted independently, so the words need not form a sentence.
    std::string word = printable(piece_text(tokenizer, masks[m].front().id));
    if (word.size() > 1 && word.front() == ' ') word.erase(0, 1);
    filled.replace(filled.find(kMaskText), std::string(kMaskText).size(), word);
  }
  fmt::print("{}\n", filled);
  json["filled"] = filled;
  return json;
}

/// On a terminal without control characters, except ends of lines and tabs; else unchanged.
std::string shown(const std::string& text) {
  if (isatty(STDOUT_FILENO) == 0) return text;
  std::string safe;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find_first_of("\n\t", begin), text.size());
    safe += printable(text.substr(begin, end - begin), text.npos) + text.substr(end, 1);
  }
  return safe;
}

/// `prompt` as ids. An empty prompt becomes a newline, or a period if there is no newline.
std::vector<int64_t> prompt_ids(const Tokenizer& tokenizer, const std::string& prompt) {
  for (const std::string& text : {prompt, std::string("\n"), std::string(".")}) {
    std::vector<int64_t> ids = tokenizer.encode_ids(text);
    if (!ids.empty()) return ids;
  }
  fail_input("--prompt: contains no token; use a text to continue");
}

struct PredictOptions : TaskOptions {
  std::string input_array, output_array;
  std::string input, out;  // of the task
};

/// Rows of `tokens` ids below `vocab`.
std::vector<int64_t> read_ids(const std::string& path, int64_t tokens, int64_t vocab) {
  const NpyArray array = read_npy(path);
  const size_t rank = array.shape.size();
  const bool integers = array.dtype == "i8" || array.dtype == "i4";
  refuse_if(!integers || rank < 1 || rank > 2 || array.shape.back() != tokens,
            "{}: is ({}) of type {}; ids are (B, {}) of type int64 or int32", path,
            fmt::join(array.shape, ", "), array.dtype, tokens);
  std::vector<int64_t> ids = array.to_integers(path);
  const auto bad = std::ranges::find_if(ids, [&](int64_t id) { return id < 0 || id >= vocab; });
  if (bad == ids.end()) return ids;
  const int64_t i = bad - ids.begin();
  fail_input("{}: id {} at row {}, column {}; the model's ids are from 0 to {}", path, *bad,
             i / tokens, i % tokens, vocab - 1);
}

void predict_array(const PredictOptions& options) {
  const LoadedLanguage loaded = load_language(options);
  LanguageModel& model = *loaded.model;
  const int64_t n = model.config().block.tokens;
  const int64_t vocab = model.config().vocab;
  const std::vector<int64_t> ids = read_ids(options.input_array, n, vocab);
  const int64_t rows = std::ssize(ids) / n;
  std::vector<int64_t> shape = onnx_logits_shape(model.config());
  shape[0] = rows;
  const Tensor result = Tensor::zeros(model.dtype(), Shape(shape));
  const LanguageHead head = model.config().head;
  Arena arena;
  for (int64_t begin = 0; begin < rows; begin += options.batch_size) {
    throw_if_stopped();
    const int64_t end = std::min(rows, begin + options.batch_size);
    const std::vector<int64_t> part(ids.begin() + begin * n, ids.begin() + end * n);
    arena.reset();
    Tape tape(arena, loaded.execution, false);
    const Var logits = head == LanguageHead::kClassify ? model.classify(tape, part, end - begin)
                       : head == LanguageHead::kSpan   ? model.spans(tape, part, end - begin)
                                                       : model.forward(tape, part, end - begin);
    result.rows(begin, end).copy_from(tape.value(logits));
  }
  write_npy(options.output_array, result);
}

/// One line per example: its index, the most likely label and the probability of each label.
std::string predict_labels(const TaskModel& model, const TaskSet& set) {
  const std::vector<std::string>& labels = model.facts.labels;
  std::string table =
      fmt::format("index\tlabel\tprobability_{}\n", fmt::join(labels, "\tprobability_"));
  for_each_row(model, *set.rows, [&](int64_t row, std::vector<double> p) {
    const auto best = std::ranges::max_element(p) - p.begin();
    softmax(p.data(), p.data(), std::ssize(p));
    table += fmt::format("{}\t{}", set.sentences.examples[static_cast<size_t>(row)].row,
                         labels[static_cast<size_t>(best)]);
    for (const double probability : p) table += fmt::format("\t{:.6f}", probability);
    table += '\n';
  });
  return table;
}

void predict_task(const PredictOptions& options) {
  const OpenedTask opened(options);
  std::vector<std::string> notes;
  const std::unique_ptr<TaskSet> set =
      open_task_input(opened.facts, options.input, opened.reading, *opened.loaded.tokenizer, notes);
  for (const std::string& line : notes) fmt::print("{}\n", line);
  if (!opened.facts.is_span()) {
    write_file_atomic(options.out, predict_labels(opened.model, *set));
    return;
  }
  Json texts = Json::object();  // the official format: {"id": "answer", ...}
  size_t i = 0;
  for (const QuestionAnswer& answer : answer_questions(opened.model, set->windows())) {
    texts[set->squad.questions[i++].id] = answer.text;
  }
  write_file_atomic(options.out, json_text(texts));
}

}  // namespace

int language_fill(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  std::vector<std::string> texts;
  int64_t topk = 5;
  std::string json_path;
  CLI::App app("Predict the words at [MASK]", "gmlp-language fill");
  add_stored_model_options(app, options);
  app.add_option("TEXT", texts, "Text with at least one [MASK]")->type_name("")->required();
  OptionGroup group(app, "Options");
  group.integer("--topk", topk, "Number of predictions per [MASK]", 1);
  group.text("--json", json_path, "FILE", "Also write the predictions to FILE");
  parse_arguments(app, arguments);
  refuse_if(texts.size() != 1, "fill needs one text, not {}; put it in quotation marks",
            texts.size());
  check_outputs({{"--json", json_path, ".json"}}, {}, options.model);
  const LoadedLanguage loaded = load_language(options);
  const Json json = report(texts[0], fill_masks(loaded, texts[0], topk), *loaded.tokenizer);
  if (!json_path.empty()) write_file_atomic(json_path, json_text(json));
  return kExitSuccess;
}

int language_generate(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  SamplingOptions sampling;
  std::string prompt;
  int64_t max_tokens = 200;
  CLI::App app("Continue a prompt with a causal model", "gmlp-language generate");
  add_stored_model(app, options);
  OptionGroup group(app, "Options");
  app.option_defaults()->always_capture_default();
  group.text("--prompt", prompt, "TEXT", "Text to continue");
  group.integer("--max-tokens", max_tokens, "Number of tokens to generate", 1);
  group.number("--temperature", sampling.temperature,
               "Divisor of the logits, 0 = always the most likely token", 0, 1e6);
  group.integer("--top-k", sampling.top_k, "Sample from the K most likely tokens, 0 = from all");
  group.number("--top-p", sampling.top_p,
               "Sample from the most likely tokens whose probabilities add up to P", 0, 1);
  app.add_option("--seed", sampling.seed, "Seed of the sampling")->check(integer_in(0, INT64_MAX));
  parse_arguments(app, arguments);

  const LoadedLanguage loaded = load_language(options);
  refuse_if(
      !loaded.is_causal(),
      "generate: the model predicts [MASK], not the next token; use fill, or pretrain a model "
      "with --objective causal");
  const std::vector<int64_t> ids = prompt_ids(*loaded.tokenizer, prompt);
  const int64_t window = loaded.model->config().block.tokens;
  const int64_t spare = std::ssize(ids) - window;
  const auto unknown = std::ranges::count(ids, loaded.tokenizer->special().unknown);
  if (spare > 0) {
    fmt::print(stderr,
               "note: the prompt is {} tokens longer than the model's window of {}; only its "
               "end is read\n",
               spare, window);
  }
  if (unknown > 0) {
    fmt::print(stderr, "note: the tokenizer does not know {} of the prompt's tokens\n", unknown);
  }
  print_or_stop(prompt);
  const Stopwatch watch;
  const int64_t count = write_text(*loaded.model, *loaded.tokenizer, ids, sampling, max_tokens,
                                   [](const std::string& text) { print_or_stop(shown(text)); });
  print_or_stop("\n");
  fmt::print(stderr, "{} tokens, {:.0f} tokens/s\n", count,
             static_cast<double>(count) / watch.seconds());
  return stop_signal() != 0 ? 128 + stop_signal() : kExitSuccess;
}

int language_predict(const std::vector<std::string>& arguments) {
  PredictOptions options;
  CLI::App app("Compute the logits of an array, or the answers of a finetuned checkpoint",
               "gmlp-language predict");
  add_stored_model_options(app, options);
  OptionGroup group(app, "Array");
  group.text("--input-array", options.input_array, "FILE.npy", "int64 or int32 ids, (B, N) or (N)");
  group.text("--output-array", options.output_array, "FILE.npy",
             "Logits (B, N, V), or those of a finetuned model's head");
  add_task_options(app, options);
  group.text("--input", options.input, "FILE",
             "Examples in tsv, csv or jsonl, or questions in SQuAD's JSON");
  group.text("--out", options.out, "FILE", "Predictions in tsv, or in SQuAD's JSON");
  app.get_option("--batch-size")->group("Options");  // of both
  separate_groups(app, "Array");
  parse_arguments(app, arguments);
  const bool array = options.task.empty();
  refuse_if(
      array ? options.input_array.empty() || options.output_array.empty()
            : options.input.empty() || options.out.empty(),
      "predict needs --input-array FILE.npy and --output-array FILE.npy, or --task NAME, --input "
      "FILE and --out FILE");
  check_outputs({{"--output-array", options.output_array, ".npy"},
                 {"--out", options.out, options.task.starts_with("squad") ? ".json" : ".tsv"}},
                {options.input_array, options.input}, options.model);
  (array ? predict_array : predict_task)(options);
  return kExitSuccess;
}

}  // namespace gmlp
