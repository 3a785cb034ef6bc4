#pragma once
// Numbers as people read them.

#include <cstdint>
#include <string>

namespace gmlp {

/// "3m20s", "45s", "2h05m"; "?" when unknown.
std::string duration_text(double seconds);
/// 12345678 as "12,345,678".
std::string grouped(int64_t value);
/// The standard error of a proportion p over n samples: sqrt(p (1 - p) / n).
double standard_error(double p, int64_t n);

}  // namespace gmlp
