// gmlp-language generate: a causal model continues a prompt.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/evaluate.h"
#include "apps/language/text_format.h"
#include "core/error.h"
#include "models/decoder.h"

namespace gmlp {

namespace {

void print_now(const std::string& text) {
  fmt::print("{}", text);
  std::fflush(stdout);
}

}  // namespace

int language_generate(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  SamplingOptions sampling;
  std::string prompt;
  int64_t max_tokens = 200;
  CLI::App app("Continue a prompt with a causal model", "gmlp-language generate");
  add_stored_model(app, options);
  app.option_defaults()->always_capture_default();
  app.add_option("--prompt", prompt, "Text to continue")->type_name("TEXT");
  app.add_option("--max-tokens", max_tokens, "Number of tokens to generate")->check(integer_in(1));
  app.add_option("--temperature", sampling.temperature,
                 "Divisor of the logits, 0 = always the most likely token")
      ->check(number_in(0.0, 1e6));
  app.add_option("--top-k", sampling.top_k, "Sample from the K most likely tokens, 0 = from all")
      ->check(integer_in());
  app.add_option("--top-p", sampling.top_p,
                 "Sample from the most likely tokens whose probabilities add up to P")
      ->check(number_in(0.0, 1.0));
  app.add_option("--seed", sampling.seed, "Seed of the sampling");
  if (!parse_arguments(app, arguments)) return kExitSuccess;

  const OpenedModel opened(options);
  const LoadedLanguage& loaded = opened.loaded;
  if (loaded.objective != Objective::kCausal) {
    fail_input(
        "generate: the model predicts [MASK], not the next token; use fill, or pretrain a model "
        "with --objective causal");
  }
  const std::vector<int64_t> ids = prompt_ids(*loaded.tokenizer, prompt);
  Generator generator(*loaded.model, writable_ids(*loaded.tokenizer), ids, sampling);
  TextStream stream(*loaded.tokenizer, ids);
  print_now(prompt);
  const auto begin = std::chrono::steady_clock::now();
  int64_t count = 0;
  for (; count < max_tokens && stop_signal() == 0; ++count) {
    print_now(stream.push(generator.next()));
  }
  print_now(stream.flush() + "\n");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  fmt::print(stderr, "{} tokens, {:.0f} tokens/s\n", count,
             static_cast<double>(count) / seconds.count());
  return stop_signal() != 0 ? 128 + stop_signal() : kExitSuccess;
}

}  // namespace gmlp
