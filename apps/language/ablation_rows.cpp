#include "apps/language/ablation_rows.h"

#include <algorithm>
#include <sstream>

namespace gmlp {

const std::vector<AblationRow>& table3_rows() {
  // The gates without a split have as wide a gate as the split one has before it, so a smaller F
  // makes their numbers of parameters comparable, as in the paper. The tiny gates are Toeplitz, as
  // the paper's are from Table 4 on: a free W is a weight for each pair of tokens, and takes
  // several times as many steps to leave its start.
  static const std::vector<AblationRow> rows = {
      {"transformer", "Transformer (BERT)", "transformer_lm_tiny", "bert_base_128", 4.37, ""},
      {"transformer-relpos", "Transformer, relative position bias", "transformer_relpos_lm_tiny",
       "bert_relpos_128", 4.26, ""},
      {"relpos-only", "relative position bias only", "relpos_only_lm_tiny", "bert_relpos_only_128",
       5.64, ""},
      {"mixer", "MLP-Mixer", "mixer_lm_tiny", "mixer_base_128", 5.34, ""},
      {"linear", "gMLP, linear gate", "gmlp_lm_tiny --gate linear --d-ffn 512", "gmlp_linear_128",
       5.14, ""},
      {"additive", "gMLP, additive gate", "gmlp_lm_tiny --gate additive --d-ffn 512",
       "gmlp_additive_128", 4.97, ""},
      {"multiplicative", "gMLP, multiplicative gate",
       "gmlp_lm_tiny --gate multiplicative --d-ffn 512", "gmlp_multiplicative_128", 4.53, ""},
      {"split", "gMLP, split gate", "gmlp_lm_tiny", "gmlp_split_128", 4.35, ""},
      {"amlp", "aMLP (tiny attention)", "amlp_lm_tiny", "amlp_l36_128", 0, ""},
  };
  return rows;
}

const std::vector<AblationRow>& depth_rows() {
  // A Transformer's block has 1.2 times the parameters of a gMLP block here. The middle Transformer
  // is Table 3's, and not trained again.
  static const std::vector<AblationRow> rows = {
      {"gmlp-shallow", "gMLP", "gmlp_lm_tiny --depth 3", "gmlp_l18_128", 5.25, "18 blocks"},
      {"gmlp-middle", "gMLP", "gmlp_lm_tiny", "gmlp_l36_128", 4.35, "36 blocks"},
      {"gmlp-deep", "gMLP", "gmlp_lm_tiny --depth 12", "gmlp_l72_128", 3.79, "72 blocks"},
      {"transformer-shallow", "Transformer", "transformer_relpos_lm_tiny --depth 3",
       "bert_relpos_128 --depth 6", 4.91, "6 + 6 layers"},
      {"transformer-relpos", "Transformer", "transformer_relpos_lm_tiny", "bert_relpos_128", 4.26,
       "12 + 12 layers"},
      {"transformer-deep", "Transformer", "transformer_relpos_lm_tiny --depth 10",
       "bert_relpos_128 --depth 24", 3.83, "24 + 24 layers"},
  };
  return rows;
}

const std::vector<std::string>& paper_order() {
  static const std::vector<std::string> names = {"linear", "additive", "multiplicative", "split",
                                                 "amlp"};
  return names;
}

std::vector<std::string> row_options(const AblationRow& row, const std::string& scale) {
  std::vector<std::string> options = {"--model"};
  std::istringstream words(scale == "tiny" ? row.tiny : row.paper);
  for (std::string word; words >> word;) options.push_back(word);
  return options;
}

bool gives_option(const std::vector<std::string>& words, const std::string& name) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return word == name || word.starts_with(name + "=");
  });
}

}  // namespace gmlp
