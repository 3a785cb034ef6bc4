// gmlp-language: language gMLPs, from a tokenizer to words in the place of [MASK].

#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/language/commands.h"
#include "apps/language/run.h"
#include "apps/language/tasks/finetune_run.h"
#include "core/error.h"

namespace {

constexpr const char* kUsage =
    "gmlp-language trains and runs language gMLPs.\n\n"
    "  gmlp-language tokenizer train --text FILE... --type sentencepiece|chars|bytes\n"
    "                          [--model-type unigram|bpe] --vocab-size N --out FILE\n"
    "  gmlp-language tokenizer encode|decode --tokenizer FILE|bytes [--text FILE | --ids FILE]\n"
    "  gmlp-language pretrain  --text FILE... --tokenizer FILE|bytes --objective mlm|causal\n"
    "                          --model NAME|DIR|FILE.json [--out DIR] ...\n"
    "  gmlp-language finetune  --task sst2|mnli|squad1|squad2 --data DIR --model DIR\n"
    "                          [--runs N] [--from-scratch] ...\n"
    "  gmlp-language eval      --model DIR --text FILE... [--json FILE]\n"
    "                          or --task NAME --data DIR, of a finetuned model\n"
    "  gmlp-language fill      --model DIR \"Paris is the [MASK] of France.\" [--topk 5]\n"
    "  gmlp-language generate  --model DIR --prompt TEXT [--max-tokens N] [--temperature T]\n"
    "  gmlp-language predict   --model DIR --input-array ids.npy --output-array logits.npy\n"
    "                          or --task NAME --input FILE --out FILE, of a finetuned model\n"
    "  gmlp-language ablate    --text FILE... [--seeds N] [--series table3|depth] [--out DIR]\n"
    "  gmlp-language info      --model NAME|DIR [--batch-size N] [--tensors]\n\n"
    "Try: gmlp-language pretrain --text BOOK.txt --tokenizer bytes --objective causal \\\n"
    "       --model gmlp_char\n"
    "`gmlp-language VERB --help` lists a verb's options.\n";

struct Verb {
  const char* name;
  int (*run)(const std::vector<std::string>& arguments);
};

int run_pretrain(const std::vector<std::string>& arguments) {
  const auto command = gmlp::parse_pretrain(arguments);
  return command ? gmlp::pretrain(*command) : gmlp::kExitSuccess;
}

int run_finetune(const std::vector<std::string>& arguments) {
  const auto command = gmlp::parse_finetune(arguments);
  if (!command) return gmlp::kExitSuccess;
  return command->options.runs > 1 ? gmlp::finetune_runs(*command) : gmlp::finetune(*command);
}

constexpr Verb kVerbs[] = {
    {"tokenizer", gmlp::language_tokenizer},
    {"pretrain", run_pretrain},
    {"finetune", run_finetune},
    {"eval", gmlp::language_eval},
    {"fill", gmlp::language_fill},
    {"generate", gmlp::language_generate},
    {"predict", gmlp::language_predict},
    {"ablate", gmlp::language_ablate},
    {"info", gmlp::language_info},
};

std::string verb_names() {
  std::string names;
  const size_t count = std::size(kVerbs);
  for (size_t i = 0; i < count; ++i) {
    names += (i == 0 ? "" : i + 1 == count ? " or " : ", ") + std::string(kVerbs[i].name);
  }
  return names;
}

int dispatch(const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  for (const Verb& verb : kVerbs) {
    if (name == verb.name) return verb.run({arguments.begin() + 1, arguments.end()});
  }
  if (name == "--help" || name == "-h" || name == "help") {
    fmt::print("{}", kUsage);
    return gmlp::kExitSuccess;
  }
  if (name == "--version") {
    fmt::print("gmlp-language {}\n", GMLP_VERSION);
    return gmlp::kExitSuccess;
  }
  if (name.empty()) gmlp::fail_input("a verb is missing; choose {} (--help)", verb_names());
  gmlp::fail_input("{}: no such verb; choose {} (--help)", name, verb_names());
}

}  // namespace

int main(int argc, char** argv) {
  gmlp::install_stop_signals();
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return gmlp::guard_main("gmlp-language", [&] { return dispatch(arguments); });
}
