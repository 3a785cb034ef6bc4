// gmlp-language: trains and runs language gMLPs.

#include "apps/cli/run_main.h"
#include "apps/language/options.h"
#include "apps/language/usage.h"

int main(int argc, char** argv) {
  gmlp::install_stop_signals();
  return gmlp::run_main(
      "gmlp-language", kLanguageUsage,
      {{"tokenizer", gmlp::language_tokenizer},
       {"pretrain", [](const auto& given) { return gmlp::pretrain(gmlp::parse_pretrain(given)); },
        true},
       {"finetune", gmlp::language_finetune, true},
       {"eval", gmlp::language_eval},
       {"fill", gmlp::language_fill},
       {"generate", gmlp::language_generate},
       {"predict", gmlp::language_predict},
       {"export", gmlp::language_export},
       {"ablate", gmlp::language_ablate},
       {"report", gmlp::language_report},
       {"info", gmlp::language_info}},
      argc, argv);
}
