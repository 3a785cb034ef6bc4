// gmlp-language predict: arrays of ids to logits, or examples of a task to its answers.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/evaluate.h"
#include "apps/language/tasks/task_score.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/io/npy.h"
#include "core/softmax.h"

namespace gmlp {

namespace {

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
  OpenedModel opened(options);
  LanguageModel& model = *opened.loaded.model;
  const int64_t n = model.config().block.tokens;
  const int64_t vocab = model.config().vocab;
  const std::vector<int64_t> ids = read_ids(options.input_array, n, vocab);
  const int64_t rows = std::ssize(ids) / n;
  const Tensor result = Tensor::zeros(model.dtype(), {rows * n, vocab});
  for (int64_t begin = 0; begin < rows; begin += options.batch_size) {
    throw_if_stopped();
    const int64_t end = std::min(rows, begin + options.batch_size);
    const std::vector<int64_t> part(ids.begin() + begin * n, ids.begin() + end * n);
    opened.arena.reset();
    Tape tape(opened.arena, opened.execution, false);
    const Tensor logits = tape.value(model.forward(tape, part, end - begin));
    result.rows(begin * n, end * n).copy_from(logits.reshaped({(end - begin) * n, vocab}));
  }
  write_npy(options.output_array, result.reshaped({rows, n, vocab}));
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
  const TaskFiles files = open_task_input(opened.facts, options.input, opened.encoding);
  for (const std::string& line : files.notes) fmt::print("{}\n", line);
  const TaskSet& set = *files.dev.front();
  if (!opened.facts.is_span()) {
    write_file_atomic(options.out, predict_labels(opened.model, set));
    return;
  }
  Json texts = Json::object();  // the official format: {"id": "answer", ...}
  size_t i = 0;
  for (const QuestionAnswer& answer : answer_questions(opened.model, set.windows(), nullptr)) {
    texts[set.squad.questions[i++].id] = answer.text;
  }
  write_file_atomic(options.out, json_text(texts));
}

}  // namespace

int language_predict(const std::vector<std::string>& arguments) {
  PredictOptions options;
  CLI::App app("Compute the logits of an array, or the answers of a finetuned checkpoint",
               "gmlp-language predict");
  add_stored_model_options(app, options);
  OptionGroup group(app, "Array");
  group.text("--input-array", options.input_array, "FILE.npy", "int64 or int32 ids, (B, N) or (N)");
  group.text("--output-array", options.output_array, "FILE.npy", "Logits (B, N, V)");
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
