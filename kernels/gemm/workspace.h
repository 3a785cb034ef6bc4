#pragma once
// Kernels allocate nothing: the caller passes a workspace, and a kernel places its buffers in it.

#include "kernels/gemm/pack.h"
#include "kernels/kernels.h"

namespace gmlp::fused::GMLP_ISA {

/// Places buffers in a workspace, each at the start of a cache line. With `base` nullptr it only
/// counts the bytes that they need.
struct WorkspaceAllocator {
  char* base = nullptr;
  int64_t used = 0;
};
template <typename T>
GMLP_INLINE T* allocate(WorkspaceAllocator& allocator, int64_t count) {
  T* buffer =
      allocator.base == nullptr ? nullptr : reinterpret_cast<T*>(allocator.base + allocator.used);
  // 4 bytes more, because the last bf16 of the last row is read as half of a pair.
  allocator.used += ceil_div(count * static_cast<int64_t>(sizeof(T)) + 4, 64) * 64;
  return buffer;
}
/// B (k,n), packed, of k_steps.
GMLP_INLINE PackedB allocate_b(WorkspaceAllocator& allocator, int64_t k_steps, int64_t n) {
  return {allocate<float>(allocator, packed_b_size(k_steps, n)), k_steps, n};
}
/// A (n,n) in tiles.
template <typename Operand>
GMLP_INLINE TiledA<Operand> allocate_tiles(WorkspaceAllocator& allocator, int64_t n) {
  const int64_t k_steps = k_steps_of<Operand>(n);
  return {allocate<float>(allocator, tiles_of<Operand>(n) * packed_tile_size<Operand>(k_steps)),
          k_steps};
}

/// Calls body(operand, saved) with values of the two types of this precision.
template <typename Body>
GMLP_INLINE auto dispatch_precision(Precision precision, const Body& body) {
  return precision == Precision::kBf16 ? body(Bf16Operand{}, Bf16{}) : body(0.0f, 0.0f);
}

}  // namespace gmlp::fused::GMLP_ISA
