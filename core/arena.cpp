#include "core/arena.h"

#include <algorithm>

#include <sys/mman.h>

#include "core/error.h"

namespace gmlp {

namespace {

constexpr int64_t kAlignment = 64;          // a cache line, and the widest vector
constexpr int64_t kSlabBytes = 64LL << 20;  // the minimum that is allocated from the system
constexpr int64_t kHugePageBytes = 2LL << 20;

int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

}  // namespace

Arena::~Arena() {
  for (const Slab& slab : slabs_) munmap(slab.data, static_cast<size_t>(slab.size));
}

Tensor Arena::allocate(DType dtype, const Shape& shape) {
  const int64_t bytes = checked_mul(shape.elements(), dtype_size(dtype), "tensor");
  return Tensor::over(allocate_bytes(bytes), dtype, shape);
}

void* Arena::allocate_bytes(int64_t bytes) {
  const int64_t size = round_up(std::max<int64_t>(bytes, 1), kAlignment);
  if (is_counting()) {
    used_ += size;
    peak_ = std::max(peak_, used_);
    return kMetaAddress;
  }
  // Skips slabs that are too small for this request; a rewind returns to them.
  while (current_ < slabs_.size() && offset_ + size > slabs_[current_].size) {
    ++current_;
    offset_ = 0;
  }
  if (current_ == slabs_.size()) {
    const int64_t slab_bytes = round_up(std::max(size, kSlabBytes), kHugePageBytes);
    void* memory = mmap(nullptr, static_cast<size_t>(slab_bytes), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      fail_run(
          "out of memory: cannot allocate {} MB more for activations after {} MB; "
          "use a smaller --batch-size, or --grad-accum-steps to keep the effective one",
          slab_bytes >> 20, reserved_ >> 20);
    }
    // For fewer TLB misses. It is only advice: a kernel without huge pages is no error.
    madvise(memory, static_cast<size_t>(slab_bytes), MADV_HUGEPAGE);
    slabs_.push_back({static_cast<char*>(memory), slab_bytes});
    reserved_ += slab_bytes;
    offset_ = 0;
  }
  char* data = slabs_[current_].data + offset_;
  offset_ += size;
  used_ += size;
  peak_ = std::max(peak_, used_);
  return data;
}

void Arena::rewind(const Mark& mark) {
  current_ = mark.slab;
  offset_ = mark.offset;
  used_ = mark.used;
}

}  // namespace gmlp
