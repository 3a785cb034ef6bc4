#pragma once
// Which models `gmlp-language ablate` trains: the rows of the paper's Table 3, and its series by
// depth (Table 4, Figure 5), at laptop scale and at the paper's.

#include <cstdint>
#include <string>
#include <vector>

namespace gmlp {

struct AblationRow {
  const char* name;        // of the folder of its runs, and of --only
  const char* title;       // of the table's row; in the series by depth, the line it belongs to
  const char* tiny;        // --scale tiny: the model, and what overrides it
  const char* paper;       // --scale paper
  double perplexity;       // the paper's, after 125,000 steps on C4; 0: not in it
  const char* paper_size;  // of the series by depth: how the paper calls the model
};

/// Table 3 in the paper's order, and aMLP.
const std::vector<AblationRow>& table3_rows();
/// gMLP with the split gate and Toeplitz W, and the Transformer with relative positions, each at
/// three depths.
const std::vector<AblationRow>& depth_rows();

/// Names of Table 3's rows by falling perplexity, as the paper has them.
const std::vector<std::string>& paper_order();

/// pretrain's options of a row; `scale` is tiny or paper.
std::vector<std::string> row_options(const AblationRow& row, const std::string& scale);

/// What `needle` is among the words: itself, or in the spelling --name=value.
bool gives_option(const std::vector<std::string>& words, const std::string& name);

}  // namespace gmlp
