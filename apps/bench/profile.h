#pragma once
// Where the time of a step goes, by the marks of core/profile.h.

#include <functional>

#include "apps/bench/report.h"

namespace gmlp {

/// Runs `step` `repeat` times with marks on, prints a line for each name, most time first, and
/// returns the same as rows of {name, ms, percent, marks}.
Json profile_steps(const std::function<void()>& step, int repeat);

}  // namespace gmlp
