// gmlp-language generate: a causal model goes on from a prompt.

#include "models/generate.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/language/text_stream.h"
#include "apps/train/options.h"
#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

void print_now(const std::string& text) {
  if (text.empty()) return;
  fmt::print("{}", text);
  std::fflush(stdout);
}

}  // namespace

int language_generate(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  SamplingOptions sampling;
  std::string prompt;
  int64_t most = 200;
  CLI::App app("Write text", "gmlp-language generate");
  add_stored_model(app, options);
  app.add_option("--prompt", prompt, "The text to go on from")->type_name("TEXT");
  app.add_option("--max-tokens", most, "How many tokens to write")->check(integer_in(1));
  app.add_option("--temperature", sampling.temperature, "0: always the likeliest token")
      ->check(number_in(0.0, 1e6));
  app.add_option("--top-k", sampling.top_k, "Of the K likeliest tokens only; 0: of all")
      ->check(integer_in(0, int64_t{1} << 24));
  app.add_option("--top-p", sampling.top_p, "Of the likeliest that have probability P together")
      ->check(number_in(0.0, 1.0));
  app.add_option("--seed", sampling.seed, "The same seed writes the same text");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  set_thread_count(resolve_threads(options.threads));

  const LoadedLanguage loaded = load_language(options.model);
  if (loaded.objective != Objective::kCausal) {
    fail_input(
        "generate: the model was trained to fill in [MASK], not to go on; use fill, or a "
        "model of pretrain --objective causal");
  }
  const std::vector<int64_t> ids = prompt_ids(*loaded.tokenizer, prompt);
  Generator generator(*loaded.model, writable_ids(*loaded.tokenizer), ids, sampling);
  TextStream stream(*loaded.tokenizer, ids);
  print_now(prompt);
  const auto begin = std::chrono::steady_clock::now();
  int64_t written = 0;
  while (written < most && stop_signal() == 0) {
    print_now(stream.push(generator.next()));
    ++written;
  }
  print_now(stream.flush() + "\n");
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  fmt::print(stderr, "{} tokens, {:.0f} tokens/s\n", written,
             static_cast<double>(written) / seconds);
  return stop_signal() != 0 ? 128 + stop_signal() : kExitSuccess;
}

}  // namespace gmlp
