#pragma once
// What a masked model thinks stands at a text's [MASK]s.

#include <string>
#include <vector>

#include "apps/language/model_choice.h"
#include "core/arena.h"

namespace gmlp {

struct Guess {
  int64_t id = 0;
  double probability = 0;
};

/// For each [MASK] of `text`, in order, the `topk` likeliest ids, likeliest first. Throws
/// InputError where there is none, the text is longer than the model's window, or the model is
/// causal.
std::vector<std::vector<Guess>> fill_masks(const LoadedLanguage& loaded, const std::string& text,
                                           int64_t topk, const ExecutionOptions& execution,
                                           Arena& arena);

/// The likeliest id at each of the (1, N) ids.
std::vector<int64_t> likeliest_ids(LanguageModel& model, const std::vector<int64_t>& ids,
                                   const ExecutionOptions& execution, Arena& arena);

}  // namespace gmlp
