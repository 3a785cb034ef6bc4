#pragma once
// Proposals for mistyped names.

#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

/// "; did you mean NAME?" for the one of `known` that is closest to `name`, or "" if none is close.
/// The distance is Levenshtein's: letters to insert, remove or replace.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& known);

}  // namespace gmlp
