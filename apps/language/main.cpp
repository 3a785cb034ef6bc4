// gmlp-language: trains and runs language gMLPs.

#include "apps/cli/run_main.h"
#include "apps/language/commands.h"

namespace {

constexpr const char* kUsage =
    "gmlp-language trains and runs language gMLPs.\n\n"
    "  gmlp-language tokenizer train --text FILE... --type sentencepiece|chars|bytes\n"
    "                          [--model-type unigram|bpe] --vocab-size N --out FILE\n"
    "  gmlp-language tokenizer encode|decode --tokenizer FILE|bytes [--text FILE | --ids FILE]\n"
    "  gmlp-language pretrain  --text FILE... --tokenizer FILE|bytes --objective mlm|causal\n"
    "                          --model NAME|DIR|FILE.json [--out DIR] ...\n"
    "  gmlp-language finetune  --task sst2|mnli|squad1|squad2|classify --data DIR|FILE\n"
    "                          --model DIR [--from-scratch] ...\n"
    "  gmlp-language eval      --model DIR --text FILE... [--json FILE]\n"
    "                          or --task NAME --data DIR, of a finetuned model\n"
    "  gmlp-language fill      --model DIR \"Paris is the [MASK] of France.\" [--topk 5]\n"
    "  gmlp-language generate  --model DIR --prompt TEXT [--max-tokens N] [--temperature T]\n"
    "  gmlp-language predict   --model DIR --input-array ids.npy --output-array logits.npy\n"
    "                          or --task NAME --input FILE --out FILE, of a finetuned model\n"
    "  gmlp-language ablate    --text FILE... [--seeds N] [--series table3|depth] [--out DIR]\n"
    "  gmlp-language report    RUN... [--out FILE]\n"
    "  gmlp-language info      --model NAME|DIR [--batch-size N] [--tensors]\n\n"
    "Try: gmlp-language pretrain --text BOOK.txt --tokenizer bytes --objective causal \\\n"
    "       --model gmlp_char\n"
    "`gmlp-language SUBCOMMAND --help` lists its options.\n";

}  // namespace

int main(int argc, char** argv) {
  gmlp::install_stop_signals();
  return gmlp::run_main("gmlp-language", kUsage,
                        {{"tokenizer", gmlp::language_tokenizer},
                         {"pretrain", gmlp::language_pretrain},
                         {"finetune", gmlp::language_finetune},
                         {"eval", gmlp::language_eval},
                         {"fill", gmlp::language_fill},
                         {"generate", gmlp::language_generate},
                         {"predict", gmlp::language_predict},
                         {"ablate", gmlp::language_ablate},
                         {"report", gmlp::language_report},
                         {"info", gmlp::language_info}},
                        argc, argv);
}
