#include "core/arena.h"

#include <algorithm>

#include <sys/mman.h>

#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

constexpr int64_t kAlignment = 64;          // a cache line, and the widest vector
constexpr int64_t kSlabBytes = 64LL << 20;  // the minimum that is allocated from the system
constexpr int64_t kHugePageBytes = 2LL << 20;

}  // namespace

Arena::~Arena() {
  for (const Slab& slab : slabs_) munmap(slab.data, static_cast<size_t>(slab.size));
}

Tensor Arena::allocate(DType dtype, const Shape& shape) {
  const int64_t bytes = checked_mul(shape.elements(), dtype_size(dtype), "tensor");
  return Tensor::over(allocate_bytes(bytes), dtype, shape);
}

void* Arena::allocate_bytes(int64_t bytes) {
  const int64_t size = chunk_count(std::max<int64_t>(bytes, 1), kAlignment) * kAlignment;
  auto& [slab, offset, used] = position_;
  used += size;
  peak_ = std::max(peak_, used);
  if (is_counting()) return kMetaAddress;
  // Skips slabs that are too small for this request; a rewind returns to them.
  while (slab < slabs_.size() && offset + size > slabs_[slab].size) {
    ++slab;
    offset = 0;
  }
  if (slab == slabs_.size()) {
    const int64_t slab_bytes =
        chunk_count(std::max(size, kSlabBytes), kHugePageBytes) * kHugePageBytes;
    void* memory = mmap(nullptr, static_cast<size_t>(slab_bytes), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      fail_run(
          "out of memory: cannot allocate {} MB for activations after {} MB; "
          "use a smaller --batch-size with --grad-accum-steps",
          slab_bytes >> 20, reserved_ >> 20);
    }
#if defined(MADV_HUGEPAGE)
    // For fewer TLB misses. It is only advice: a kernel without huge pages is no error.
    madvise(memory, static_cast<size_t>(slab_bytes), MADV_HUGEPAGE);
#endif
    slabs_.push_back({static_cast<char*>(memory), slab_bytes});
    reserved_ += slab_bytes;
    offset = 0;
  }
  char* data = slabs_[slab].data + offset;
  offset += size;
  return data;
}

}  // namespace gmlp
