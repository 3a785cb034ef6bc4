#include "core/arena.h"

#include <algorithm>

#include <sys/mman.h>

#include "core/error.h"

namespace gmlp {

namespace {

constexpr int64_t kAlignment = 64;           // a cache line, and the widest vector
constexpr int64_t kBlockBytes = 64LL << 20;  // asked of the system at a time
constexpr int64_t kHugePageBytes = 2LL << 20;

int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

}  // namespace

Arena::~Arena() {
  for (const Block& block : blocks_) munmap(block.data, static_cast<size_t>(block.size));
}

Tensor Arena::allocate(DType dtype, const Shape& shape) {
  const int64_t bytes = checked_mul(shape.elements(), dtype_size(dtype), "tensor");
  return Tensor::over(allocate_bytes(bytes), dtype, shape);
}

void* Arena::allocate_bytes(int64_t bytes) {
  const int64_t size = round_up(std::max<int64_t>(bytes, 1), kAlignment);
  // Walk over blocks that are too small for this request; a rewind comes back to them.
  while (current_ < blocks_.size() && offset_ + size > blocks_[current_].size) {
    ++current_;
    offset_ = 0;
  }
  if (current_ == blocks_.size()) {
    const int64_t block_bytes = round_up(std::max(size, kBlockBytes), kHugePageBytes);
    void* data = mmap(nullptr, static_cast<size_t>(block_bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
      fail_run(
          "out of memory: {} MB more for activations were refused after {} MB; "
          "use a smaller --batch-size, or --grad-accum-steps to keep the effective one",
          block_bytes >> 20, reserved_ >> 20);
    }
    // Fewer TLB misses; only advice, so a kernel without huge pages is no error.
    madvise(data, static_cast<size_t>(block_bytes), MADV_HUGEPAGE);
    blocks_.push_back({static_cast<char*>(data), block_bytes});
    reserved_ += block_bytes;
    offset_ = 0;
  }
  char* place = blocks_[current_].data + offset_;
  offset_ += size;
  used_ += size;
  peak_ = std::max(peak_, used_);
  return place;
}

void Arena::rewind(const Mark& mark) {
  current_ = mark.block;
  offset_ = mark.offset;
  used_ = mark.used;
}

}  // namespace gmlp
