#pragma once
// The peak of heap memory, to show that a hostile file cannot make a reader allocate much.

#include <cstdint>

namespace gmlp::test {

/// Counts what operator new allocates from its construction on. One at a time.
class AllocationPeak {
 public:
  AllocationPeak();
  int64_t bytes() const;
  /// Whether anything is counted: not if a sanitizer replaces operator new.
  static bool counts();
};

}  // namespace gmlp::test
