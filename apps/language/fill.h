#pragma once
// The predictions of a masked language model.

#include <string>
#include <vector>

#include "apps/language/model_choice.h"
#include "core/arena.h"

namespace gmlp {

struct Guess {
  int64_t id = 0;
  double probability = 0;
};

/// For each [MASK] in `text`, the `topk` most likely ids in descending order. Throws InputError if
/// there is no [MASK], if the text is longer than the model's window, or if the model is causal.
std::vector<std::vector<Guess>> fill_masks(const LoadedLanguage& loaded, const std::string& text,
                                           int64_t topk, const ExecutionOptions& execution,
                                           Arena& arena);

/// The most likely id at each position of one window of ids.
std::vector<int64_t> likeliest_ids(LanguageModel& model, const std::vector<int64_t>& ids,
                                   const ExecutionOptions& execution, Arena& arena);

}  // namespace gmlp
