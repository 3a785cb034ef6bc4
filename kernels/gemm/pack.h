#pragma once
// The layouts of the GEMM's operands, their place in a kernel's workspace, and the functions that
// write them.
//
//   k-step      32 bits along k: one f32, or two neighboring bf16. A product over k elements has
//               k_steps_of(k) of them; if k is odd, the second half of the last pair is zero.
//               Packed buffers are float* in both cases, one float per k-step.
//   panel of B  kNR columns, [k-step][kNR], padded with zeros: each row tile reads it in order
//   tile of A   kMR rows, [k-step][kMR]: for an A that is used transposed, or often
//   with tmm    32 rows, [16 k-steps][row][k-step of the 16], padded with zeros
//
// Sources are row-major: f32 for weights, Operand for activations.

#include "kernels/gemm/scheduler.h"
#include "kernels/kernels.h"
#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

/// Kernels allocate nothing: the caller passes a workspace. This places buffers in it, each at the
/// start of a cache line. With `base` nullptr it only counts the bytes that they need.
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
/// Calls body(operand, saved) with values of the two types of this precision.
template <typename Body>
GMLP_INLINE auto dispatch_precision(Precision precision, const Body& body) {
  return precision == Precision::kBf16 ? body(Bf16Operand{}, Bf16{}) : body(0.0f, 0.0f);
}

/// What f32 and bf16 operands do differently in one k-step of sixteen columns.
template <typename Operand>
struct KStep;
template <>
struct KStep<float> {
  static constexpr int64_t kElements = 1;
  GMLP_INLINE F32x16 broadcast(const float* a) { return set1(*a); }
  GMLP_INLINE void add_product(F32x16& sum, F32x16 a, F32x16 b) { add_fma(sum, a, b); }
  GMLP_INLINE F32x16 pack(F32x16 row, F32x16 /*odd*/) { return row; }
  /// From two rows of k (`odd` is nullptr beyond the last row), the first `count` columns.
  GMLP_INLINE F32x16 load_rows(const float* row, const float* /*odd*/, int64_t count) {
    return load(row, count);
  }
  /// From one row of Bᵀ in which `left` elements are left.
  GMLP_INLINE void copy(float* out, const float* row, int64_t /*left*/) { *out = *row; }
};
#if defined(GMLP_HAS_BF16_DOT)
template <>
struct KStep<Bf16> {
  static constexpr int64_t kElements = 2;
  GMLP_INLINE F32x16 broadcast(const Bf16* a) { return broadcast_pair(a); }
  GMLP_INLINE void add_product(F32x16& sum, F32x16 a, F32x16 b) { add_pair_product(sum, a, b); }
  GMLP_INLINE F32x16 pack(F32x16 even, F32x16 odd) { return pack_pairs(even, odd); }
  GMLP_INLINE F32x16 add_odd(F32x16 pairs, F32x16 odd) { return pack_pairs(low_half(pairs), odd); }
  GMLP_INLINE F32x16 load_rows(const float* even, const float* odd, int64_t count) {
    return pack_pairs(load(even, count), odd == nullptr ? zero() : load(odd, count));
  }
  GMLP_INLINE F32x16 load_rows(const Bf16* even, const Bf16* odd, int64_t count) {
    return interleave_bf16(load(even, count), odd == nullptr ? zero() : load(odd, count));
  }
  GMLP_INLINE void copy(float* out, const Bf16* row, int64_t left) {
    const Bf16 pair[2] = {row[0], left > 1 ? row[1] : Bf16{0}};
    __builtin_memcpy(out, pair, sizeof pair);
  }
};
#endif

/// Whether products use tmm registers. A register tile of C is then 2 x 2 of them.
template <typename Operand>
constexpr bool kUsesTmm = false;
#if defined(GMLP_HAS_TMM)
template <>
inline constexpr bool kUsesTmm<Bf16> = true;
static_assert(kNRVectors == 2);
#endif
constexpr int64_t kTmmRows = 16;
/// Rows of a register tile.
template <typename Operand>
constexpr int64_t kMROf = kUsesTmm<Operand> ? 2 * kTmmRows : kMR;

template <typename Operand>
GMLP_INLINE int64_t k_steps_of(int64_t k) {
  return ceil_div(k, KStep<Operand>::kElements);
}
GMLP_INLINE int64_t panels_of(int64_t n) {
  return ceil_div(n, kNR);
}
template <typename Operand>
GMLP_INLINE int64_t tiles_of(int64_t m) {
  return ceil_div(m, kMROf<Operand>);
}
/// The row stride of a workspace buffer, in elements: whole k-steps, and no multiple of 2 KB, which
/// would map the rows of a tile to the same few sets of the L1 cache.
template <typename Operand>
GMLP_INLINE int64_t row_stride(int64_t cols) {
  constexpr int64_t kSize = sizeof(Operand);
  const int64_t whole = k_steps_of<Operand>(cols) * KStep<Operand>::kElements;
  return whole * kSize % 2048 == 0 ? whole + 64 / kSize : whole;
}

/// B (k,n) in panels. `cold`: in DRAM, so a product prefetches the next panel while it uses one.
struct PackedB {
  float* data;
  int64_t k_steps;
  int64_t n;
  bool cold = false;
};
GMLP_INLINE int64_t packed_b_size(int64_t k_steps, int64_t n) {
  return k_steps * panels_of(n) * kNR;
}
/// B (k,n), packed, of k_steps.
GMLP_INLINE PackedB allocate_b(WorkspaceAllocator& allocator, int64_t k_steps, int64_t n) {
  return {allocate<float>(allocator, packed_b_size(k_steps, n)), k_steps, n};
}
GMLP_INLINE float* panel_at(const PackedB& b, int64_t panel) {
  return b.data + panel * b.k_steps * kNR;
}
GMLP_INLINE float* panel_address(const PackedB& b, int64_t k_step, int64_t col) {
  return b.data + (col / kNR * b.k_steps + k_step) * kNR + col % kNR;
}

/// Stores sixteen numbers of row `row` of B (k,n), from column `col` on. Rows are stored in order:
/// in bf16 an odd row joins the even row before it.
template <typename Operand>
GMLP_INLINE void store_in_panel(const PackedB& b, int64_t row, int64_t col, F32x16 x) {
  using Step = KStep<Operand>;
  float* place = panel_address(b, row / Step::kElements, col);
  if constexpr (Step::kElements == 1) {
    store(place, x);
  } else {
    store(place, row % 2 == 0 ? Step::pack(x, zero()) : Step::add_odd(load(place), x));
  }
}

/// Sixteen columns of a panel from Bᵀ (n,k): `rows` of its rows, eight k-steps at a time.
template <typename Operand>
GMLP_INLINE void pack_columns(float* out, const Operand* source, int64_t stride, int64_t k,
                              int64_t k_steps, int64_t rows) {
  using Step = KStep<Operand>;
  int64_t k_step = 0;
  if (rows == kLanes && stride % Step::kElements == 0) {
    const float* in = reinterpret_cast<const float*>(source);
    const int64_t step_stride = stride / Step::kElements;
    for (; (k_step + 8) * Step::kElements <= k; k_step += 8) {
      transpose8(out + k_step * kNR, kNR, in + k_step, step_stride);
      transpose8(out + k_step * kNR + 8, kNR, in + 8 * step_stride + k_step, step_stride);
    }
  }
  for (; k_step < k_steps; ++k_step) {
    float* place = out + k_step * kNR;
    const int64_t element = k_step * Step::kElements;
    store(place, zero());
    for (int64_t j = 0; j < rows; ++j) {
      Step::copy(place + j, source + j * stride + element, k - element);
    }
  }
}

/// The same from f32 weights, rounded to Operand in a buffer on the stack.
template <typename Operand>
GMLP_INLINE void pack_rounded_columns(float* out, const float* source, int64_t stride, int64_t k,
                                      int64_t k_steps, int64_t rows) {
  constexpr int64_t kElements = KStep<Operand>::kElements;
  alignas(64) Operand square[kLanes * kLanes] = {};
  for (int64_t k0 = 0; k0 < k; k0 += kLanes) {
    const int64_t count = min(kLanes, k - k0);
    for (int64_t j = 0; j < rows; ++j) {
      store(square + j * kLanes, load(source + j * stride + k0, count));
    }
    pack_columns(out + k0 / kElements * kNR, square, kLanes, count,
                 min(kLanes / kElements, k_steps - k0 / kElements), rows);
  }
}

/// One panel from Bᵀ (n,k), row-major.
template <typename Operand, typename Source>
GMLP_INLINE void pack_panel_transposed(const PackedB& b, const Source* source, int64_t stride,
                                       int64_t k, int64_t panel) {
  float* out = panel_at(b, panel);
  for (int64_t v = 0; v < kNRVectors; ++v) {
    const int64_t row = panel * kNR + v * kLanes;
    const int64_t rows = row < b.n ? min(kLanes, b.n - row) : 0;
    if constexpr (sizeof(Source) == sizeof(Operand)) {
      pack_columns(out + v * kLanes, source + row * stride, stride, k, b.k_steps, rows);
    } else {
      pack_rounded_columns<Operand>(out + v * kLanes, source + row * stride, stride, k, b.k_steps,
                                    rows);
    }
  }
}

/// One panel from B (k,n), row-major, or from Bᵀ (n,k).
template <typename Operand, typename Source>
GMLP_INLINE void pack_panel(const PackedB& b, const Source* source, int64_t stride, int64_t k,
                            bool transposed, int64_t panel) {
  using Step = KStep<Operand>;
  if (transposed) {
    pack_panel_transposed<Operand>(b, source, stride, k, panel);
    return;
  }
  float* out = panel_at(b, panel);
  for (int64_t k_step = 0; k_step < b.k_steps; ++k_step) {
    const Source* row = source + k_step * Step::kElements * stride;
    const Source* odd = k_step * Step::kElements + 1 < k ? row + stride : nullptr;
    for (int64_t v = 0; v < kNRVectors; ++v, out += kLanes) {
      const int64_t col = panel * kNR + v * kLanes;
      const int64_t count = min(kLanes, b.n - col);
      const Source* odd_col = odd == nullptr ? nullptr : odd + col;
      store(out, count > 0 ? Step::load_rows(row + col, odd_col, count) : zero());
    }
  }
}

/// All of B, on all threads, and on one.
template <typename Operand, typename Source>
GMLP_INLINE void pack_b(const PackedB& b, const Source* source, int64_t stride, int64_t k,
                        bool transposed) {
  parallel_tasks(panels_of(b.n), [&](const TaskSlot& slot) {
    pack_panel<Operand>(b, source, stride, k, transposed, slot.task);
  });
}
template <typename Operand, typename Source>
GMLP_INLINE void pack_b_alone(const PackedB& b, const Source* source, int64_t stride, int64_t k,
                              bool transposed) {
  for (int64_t i = 0; i < panels_of(b.n); ++i) {
    pack_panel<Operand>(b, source, stride, k, transposed, i);
  }
}

/// Sixteen vectors, transposed.
GMLP_INLINE void transpose16(float* out, const float* in) {
  for (int64_t i = 0; i < kLanes; i += 8) {
    for (int64_t j = 0; j < kLanes; j += 8) {
      transpose8(out + j * kLanes + i, kLanes, in + i * kLanes + j, kLanes);
    }
  }
}

/// Floats from one tile of A to the next. A k-step is stored as whole vectors, which overrun its
/// kMR places. The next store overwrites the overrun, and the last one lands in kLanes of padding.
template <typename Operand>
GMLP_INLINE int64_t packed_tile_size(int64_t k_steps) {
  if (kUsesTmm<Operand>) return ceil_div(k_steps, kLanes) * kLanes * kMROf<Operand>;
  return k_steps * kMR + kLanes;
}

constexpr int64_t kMaxTaskTiles = 16;  // pack_tiles keeps a sum for each

/// Tiles [t0, t1), at most kMaxTaskTiles, of k-steps [step0, step0 + k_steps) of A (m,k), given as
/// Aᵀ (k,m), row-major. Adds each row of A to row_sums (m), in the order of k, unless that is
/// nullptr. Some k-steps of a vector of rows at a time keep its sum in a register and its lines in
/// L1. A tile is one such vector, or two with tmm, where sixteen k-steps of it are transposed.
template <typename Operand>
GMLP_INLINE void pack_tiles(float* out, float* row_sums, const Operand* at, int64_t stride,
                            int64_t k, int64_t step0, int64_t k_steps, int64_t t0, int64_t t1,
                            int64_t m) {
  using Step = KStep<Operand>;
  constexpr bool kTmm = kUsesTmm<Operand>;
  constexpr int64_t kStepsAtOnce = kTmm ? 16 : 8;
  constexpr int64_t kRows = kTmm ? kTmmRows : kMR;  // of a vector
  constexpr int64_t kVectors = kMROf<Operand> / kRows;
  const int64_t v0 = t0 * kVectors;
  const int64_t v1 = t1 * kVectors;
  F32x16 sums[kMaxTaskTiles * kVectors];
  const auto rows_of = [&](int64_t v) { return max(0, min(kRows, m - v * kRows)); };
  for (int64_t v = v0; v < v1; ++v) {
    sums[v - v0] = row_sums == nullptr ? zero() : load(row_sums + v * kRows, rows_of(v));
  }
  for (int64_t first = 0; first < k_steps; first += kStepsAtOnce) {
    for (int64_t v = v0; v < v1; ++v) {
      const int64_t col = v * kRows;
      // Whole vectors if possible, since partial loads are slow: the lanes beyond the tile's rows
      // are overwritten (see packed_tile_size), and row_sums is stored partially.
      const int64_t lanes = col + kLanes <= m ? kLanes : rows_of(v);
      float* tile = out + (v / kVectors - t0) * packed_tile_size<Operand>(k_steps);
      float* place = tile + first * kMROf<Operand>;
      alignas(64) float square[kTmm ? kLanes * kLanes : 1] = {};
      if (kTmm) place = square;
      F32x16 total = sums[v - v0];
      for (int64_t k_step = first; k_step < min(first + kStepsAtOnce, k_steps); ++k_step) {
        const int64_t row = (step0 + k_step) * Step::kElements;
        const Operand* even = at + row * stride + col;
        const Operand* odd = Step::kElements == 2 && row + 1 < k ? even + stride : nullptr;
        store_rows(place, Step::load_rows(even, odd, lanes));
        place += kRows;
        total = total + load(even, lanes);
        if (odd != nullptr) total = total + load(odd, lanes);
      }
      sums[v - v0] = keep_rows(total);
      if (kTmm) {
        transpose16(tile + (first * kVectors + v % kVectors * kLanes) * kTmmRows, square);
      }
    }
  }
  for (int64_t v = v0; row_sums != nullptr && v < v1; ++v) {
    store(row_sums + v * kRows, sums[v - v0], rows_of(v));
  }
}

/// A (m,k) in tiles, all of it: one sequential stream instead of kMR rows.
template <typename Operand>
struct TiledA {
  static constexpr bool kPacked = true;
  using Element = Operand;
  float* data;
  int64_t k_steps;
  /// Row `row` must be a tile's first.
  __attribute__((always_inline)) const Operand* at(int64_t row, int64_t k_step) const {
    return reinterpret_cast<const Operand*>(
        data + row / kMROf<Operand> * packed_tile_size<Operand>(k_steps) + k_step * kMROf<Operand>);
  }
  __attribute__((always_inline)) int64_t row_stride() const { return 0; }
};
/// A (n,n) in tiles.
template <typename Operand>
GMLP_INLINE TiledA<Operand> allocate_tiles(WorkspaceAllocator& allocator, int64_t n) {
  const int64_t k_steps = k_steps_of<Operand>(n);
  return {allocate<float>(allocator, tiles_of<Operand>(n) * packed_tile_size<Operand>(k_steps)),
          k_steps};
}

/// A weight W (n,n), or its transpose.
template <typename Operand>
GMLP_INLINE void pack_weight_tiles(const TiledA<Operand>& a, const float* source, int64_t n,
                                   bool transposed) {
  using Step = KStep<Operand>;
  constexpr bool kTmm = kUsesTmm<Operand>;
  constexpr int64_t kRows = kMROf<Operand>;
  constexpr int64_t kUsedLanes = kTmm ? kLanes : kMR;
  const int64_t size = packed_tile_size<Operand>(a.k_steps);
  const int64_t vectors = kTmm ? size / kLanes : a.k_steps;
  parallel_tasks(tiles_of<Operand>(n), [&](const TaskSlot& slot) {
    float* place = a.data + slot.task * size;
    for (int64_t v = 0; v < vectors; ++v, place += kUsedLanes) {
      // A k-step of all rows; with tmm sixteen k-steps of a row.
      alignas(64) float element[2][kLanes] = {};
      for (int64_t lane = 0; lane < kUsedLanes; ++lane) {
        const int64_t row = slot.task * kRows + (kTmm ? v % kRows : lane);
        const int64_t k_step = kTmm ? v / kRows * kLanes + lane : v;
        for (int64_t i = 0; i < Step::kElements; ++i) {
          const int64_t col = k_step * Step::kElements + i;
          if (row >= n || col >= n) continue;
          element[i][lane] = source[transposed ? col * n + row : row * n + col];
        }
      }
      store(place, Step::load_rows(element[0], element[1], kLanes));
    }
  });
}

}  // namespace gmlp::fused::GMLP_ISA
