#pragma once
// Arena: activations and their gradients live for one training step and die together, so a bump
// allocator provides their memory and is rewound, not freed. After the first step nothing is
// allocated from the system.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

class Arena {
 public:
  /// With Storage::kMeta the arena only counts: tensors have no memory.
  explicit Arena(Storage storage = Storage::kMemory) : storage_(storage) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Memory for one tensor, 64-byte aligned, *not* zeroed; valid until the next rewind below it.
  Tensor allocate(DType dtype, const Shape& shape);
  void* allocate_bytes(int64_t bytes);

  /// A position to rewind to. Everything allocated after mark() dies at rewind(mark).
  struct Mark {
    size_t slab = 0;
    int64_t offset = 0;
    int64_t used = 0;
  };
  Mark mark() const { return {current_, offset_, used_}; }
  void rewind(const Mark& mark);
  void reset() { rewind({}); }

  bool is_counting() const { return storage_ == Storage::kMeta; }
  int64_t used_bytes() const { return used_; }
  int64_t peak_bytes() const { return peak_; }          ///< the maximum of used_bytes()
  int64_t reserved_bytes() const { return reserved_; }  ///< allocated from the system

 private:
  struct Slab {
    char* data;
    int64_t size;
  };
  Storage storage_;
  std::vector<Slab> slabs_;
  size_t current_ = 0;
  int64_t offset_ = 0;
  int64_t used_ = 0;
  int64_t peak_ = 0;
  int64_t reserved_ = 0;
};

/// Rewinds an arena at the end of a scope.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.rewind(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace gmlp
