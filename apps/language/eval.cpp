// gmlp-language eval: loss, perplexity and bits a byte of a checkpoint on a text.

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/language/commands.h"
#include "apps/language/evaluate.h"
#include "apps/language/model_choice.h"
#include "apps/train/options.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

void report(const TextScore& score, const std::string& model, const std::vector<std::string>& text,
            const TokenRow& tokens, const std::string& path) {
  const bool has_error = std::isfinite(score.standard_error);
  fmt::print("{}: {} tokens of {} bytes, {} scored\n", fmt::join(text, ", "),
             grouped(tokens.size()), grouped(tokens.text_bytes()), grouped(score.samples));
  fmt::print("loss           {:.6f}{} nats a token\n", score.loss,
             has_error ? fmt::format(" ± {:.6f}", score.standard_error) : "");
  fmt::print("perplexity     {:.3f}{}\n", score.perplexity,
             has_error ? fmt::format(" ± {:.3f}", score.perplexity * score.standard_error) : "");
  fmt::print("bits per byte  {:.4f}\n", score.bits_per_byte);
  if (path.empty()) return;
  nlohmann::ordered_json json = {{"model", model},          {"text", text},
                                 {"tokens", tokens.size()}, {"bytes", tokens.text_bytes()},
                                 {"scored", score.samples}, {"loss", score.loss}};
  if (has_error) json["loss_standard_error"] = score.standard_error;
  json["perplexity"] = score.perplexity;
  json["bits_per_byte"] = score.bits_per_byte;
  write_file_atomic(path, json_text(json));
}

}  // namespace

int language_eval(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  std::vector<std::string> text;
  std::string json;
  CorpusOptions corpus;
  int64_t batches = 0;
  CLI::App app("Evaluate a checkpoint on text", "gmlp-language eval");
  app.footer("Of a finetuned model: gmlp-language eval --task NAME --help");
  add_stored_model_options(app, options);
  app.add_option("--text", text, "UTF-8, plain or gzip'd")->required()->type_name("FILE...");
  app.add_option("--val-batches", batches, "The first N batches of 16 windows; 0: all")
      ->check(integer_in());
  app.add_option("--json", json, "Write the result to FILE, too")->type_name("FILE");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  set_thread_count(resolve_threads(options.threads));

  const LoadedLanguage loaded = load_language(options.model);
  corpus.check_stop = throw_if_stopped;
  const TokenRow tokens = encode_files(text, *loaded.tokenizer, corpus);
  const ExecutionOptions execution =
      stored_language_execution(*loaded.model, options.precision, options.kernels);
  const TextLoader loader =
      validation_loader(tokens, *loaded.tokenizer, loaded.model->config(), loaded.objective);
  Arena arena;
  const TextScore score = evaluate_text(*loaded.model, loader, tokens, batches, execution, arena);
  if (!score.complete) return 128 + stop_signal();
  report(score, options.model, text, tokens, json);
  return kExitSuccess;
}

}  // namespace gmlp
