#pragma once
// The most heap memory that was in use at once, to show that a hostile file cannot ask for much.

#include <cstdint>

namespace gmlp::test {

/// Counts from its construction; of what operator new gave since then. One at a time.
class AllocationPeak {
 public:
  AllocationPeak();
  int64_t bytes() const;
  /// Whether anything is counted: not where a sanitizer keeps operator new for itself.
  static bool counts();
};

}  // namespace gmlp::test
