// gmlp-language eval: the loss of a checkpoint on text, or the score of a finetuned one on its
// task.

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/language/commands.h"
#include "apps/language/evaluate.h"
#include "apps/language/model_choice.h"
#include "apps/language/tasks/task_model.h"
#include "apps/language/tasks/task_score.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

struct EvalOptions : TaskOptions {
  std::vector<std::string> files;
  CorpusOptions corpus;
  int64_t max_batches = 0;
  std::string data;  // of the task
  std::string json;
};

/// Prints the score and returns it as JSON, as does eval_task.
Json eval_text(const EvalOptions& options) {
  const LoadedLanguage loaded = load_language(options.model);
  const TokenRow tokens = encode_files(options.files, *loaded.tokenizer, options.corpus);
  const ExecutionOptions execution =
      stored_language_execution(*loaded.model, options.precision, options.kernels);
  const TextLoader loader =
      validation_loader(tokens, *loaded.tokenizer, loaded.model->config(), loaded.objective);
  Arena arena;
  const TextScore score =
      evaluate_text(*loaded.model, loader, tokens, options.max_batches, execution, arena);
  if (!score.complete) throw Stopped();
  const double error = score.standard_error;
  const bool has_error = std::isfinite(error);
  fmt::print("{}: {} tokens of {} bytes, {} scored\n", fmt::join(options.files, ", "),
             grouped(tokens.size()), grouped(tokens.text_bytes()), grouped(score.samples));
  fmt::print("loss           {:.6f}{} nats per token\n", score.loss,
             has_error ? fmt::format(" ± {:.6f}", error) : "");
  fmt::print("perplexity     {:.3f}{}\n", score.perplexity,
             has_error ? fmt::format(" ± {:.3f}", score.perplexity * error) : "");
  fmt::print("bits per byte  {:.4f}\n", score.bits_per_byte);
  Json json = {{"model", options.model},       {"text", options.files},   {"tokens", tokens.size()},
               {"bytes", tokens.text_bytes()}, {"scored", score.samples}, {"loss", score.loss}};
  if (has_error) json["loss_standard_error"] = error;
  json["perplexity"] = score.perplexity;
  json["bits_per_byte"] = score.bits_per_byte;
  return json;
}

Json eval_task(const EvalOptions& options) {
  const OpenedTask opened(options);
  const TaskFiles files = open_task_files(opened.task, options.data, opened.encoding, -1);
  for (const std::string& line : files.notes) fmt::print("{}\n", line);
  const TaskScore score = score_task(opened.model, files.dev);
  if (!score.complete) throw Stopped();
  Json sets = Json::array();
  for (const TaskSetScore& set : score.sets) {
    sets.push_back(task_score_json(opened.task, set));
    fmt::print("{}: {} {}, loss {:.6f}\n{}\n", set.name, grouped(set.size),
               is_span_task(opened.task) ? "questions" : "examples", set.loss,
               task_score_text(opened.task, set));
    if (opened.task != Task::kSquad2) continue;
    const SquadScores& squad = set.squad;
    fmt::print("answerable ({}): exact match {:.2f}, F1 {:.2f} %; unanswerable ({}): {:.2f} %\n",
               squad.answerable.count, squad.answerable.exact, squad.answerable.f1,
               squad.unanswerable.count, squad.unanswerable.f1);
    fmt::print("best F1 {:.2f} %, with --null-threshold {:.4f}\n", set.best_threshold.f1,
               set.best_threshold.threshold);
  }
  return {{"model", options.model}, {"task", options.task}, {"data", options.data}, {"sets", sets}};
}

}  // namespace

int language_eval(const std::vector<std::string>& arguments) {
  EvalOptions options;
  options.corpus.check_stop = throw_if_stopped;
  CLI::App app("Evaluate a checkpoint on text, or a finetuned checkpoint on its task",
               "gmlp-language eval");
  add_stored_model_options(app, options);
  app.add_option("--json", options.json, "Also write the result to FILE")->type_name("FILE");
  app.option_defaults()->group("Text");
  app.add_option("--text", options.files, "UTF-8 text, plain or gzipped")->type_name("FILE...");
  app.add_option("--val-batches", options.max_batches, "Number of batches of 16 windows, 0 = all")
      ->check(integer_in());
  add_task_options(app, options);
  add_batch_size(app, options);
  app.add_option("--data", options.data, "Folder with the official files of the task")
      ->type_name("DIR");
  separate_groups(app, "Text");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  if (options.task.empty() ? options.files.empty() : options.data.empty()) {
    fail_input("eval needs --text FILE, or --task NAME and --data DIR");
  }
  set_thread_count(resolve_threads(options.threads));

  const Json json = options.task.empty() ? eval_text(options) : eval_task(options);
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
  return kExitSuccess;
}

}  // namespace gmlp
