#pragma once
// Small language runs in the tests' own process.

#include <string>
#include <vector>

#include "apps/language/options.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training.h"

namespace gmlp::test {

/// A text of short sentences from a few words, the same for the same length.
inline std::string small_text(size_t bytes) {
  const char* subjects[] = {"the cat", "a dog", "my friend", "the bird"};
  const char* verbs[] = {"sees", "likes", "follows", "hears"};
  const char* objects[] = {"the river", "a tree", "the moon", "bread"};
  std::string text;
  for (size_t i = 0; text.size() < bytes; ++i) {
    const size_t j = i * 7 + i / 3;
    text +=
        std::string(subjects[j % 4]) + " " + verbs[j / 2 % 4] + " " + objects[j / 5 % 4] + ".\n";
  }
  return text.substr(0, bytes);
}

/// A model of a few thousand parameters on a small text of bytes: a step takes milliseconds.
inline std::vector<std::string> tiny_pretraining(const TemporaryFolder& folder,
                                                 const std::string& out,
                                                 const std::string& objective,
                                                 const std::vector<std::string>& more = {}) {
  const std::string text = folder.write("text.txt", small_text(900));
  std::vector<std::string> arguments = {"--text",         text,
                                        "--tokenizer",    "bytes",
                                        "--objective",    objective,
                                        "--model",        "gmlp_lm_tiny",
                                        "--seq-len",      "16",
                                        "--depth",        "2",
                                        "--d-model",      "16",
                                        "--d-ffn",        "32",
                                        "--batch-size",   "8",
                                        "--log-interval", "1",
                                        "--quiet",        "--no-figures",
                                        "--out",          out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// `gmlp-language pretrain`; its exit status.
inline int pretrain_with(const std::vector<std::string>& arguments,
                         const Trainer::Hooks& hooks = {}) {
  return run_without_signal([&] { return pretrain(parse_pretrain(arguments), hooks); });
}

}  // namespace gmlp::test
