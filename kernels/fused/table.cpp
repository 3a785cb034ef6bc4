// The table of this instruction set, and what is in it beside the fused kernels: GELU alone, and
// probes: the exponential, a plain product, bursts of nothing but products.

#include "kernels/fused/table.h"

#include "kernels/fused/chunk.h"
#include "kernels/math/exp.h"
#include "kernels/math/gelu.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

void gelu_forward(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t count = min(kLanes, n - i);
    store(y + i, gelu(load(x + i, count)), count);
  }
}

void gelu_backward(float* dx, const float* dy, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t count = min(kLanes, n - i);
    store(dx + i, load(dy + i, count) * gelu_and_slope(load(x + i, count)).slope, count);
  }
}

void vector_exp(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t count = min(kLanes, n - i);
    store(y + i, exp(load(x + i, count)), count);
  }
}

/// Room for any of gemm's forms: packed B, packed A, and A in T.
template <typename T>
struct GemmWorkspace {
  PackedB b;
  float* a_room;
  T* a;
};
template <typename T>
GemmWorkspace<T> allocate_gemm(WorkspaceAllocator& carver, int64_t m, int64_t n, int64_t k) {
  GemmWorkspace<T> room;
  room.b = allocate_b(carver, words_of<T>(k), n);
  room.a_room = allocate<float>(carver, owned_room(m, words_of<T>(k)));
  room.a = allocate<T>(carver, max(m * stride_of<T>(k), k * stride_of<T>(m)));
  return room;
}

/// dst (rows, stride_of<T>) = source (rows, cols) in T, the pad zeroed.
template <typename T>
void copy_operand(T* dst, const float* source, int64_t rows, int64_t cols) {
  const int64_t stride = stride_of<T>(cols);
  parallel_tasks(rows, [&](const TaskSlot& turn) {
    const int64_t i = turn.task;
    alignas(64) float line[kLanes];
    for (int64_t j0 = 0; j0 < stride; j0 += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) {
        const int64_t col = j0 + j;
        line[j] = col >= cols ? 0.0f : source[i * cols + col];
      }
      store(dst + i * stride + j0, load(line), min(kLanes, stride - j0));
    }
  });
}

template <typename T>
void gemm_as(float* c, const float* a, const float* b, bool a_transposed, bool b_transposed,
             void* workspace, int64_t m, int64_t n, int64_t k) {
  WorkspaceAllocator carver{static_cast<char*>(workspace), 0};
  const GemmWorkspace<T> room = allocate_gemm<T>(carver, m, n, k);
  pack_b<T>(room.b, b, b_transposed ? k : n, k, b_transposed);
  if (a_transposed) {
    copy_operand(room.a, a, k, m);
    for (int64_t i = 0; i < m * n; ++i) c[i] = 0;
    const TransposedProduct<T> product[] = {{c, nullptr, room.a, room.b, k}};
    gemm_transposed(product, n, stride_of<T>(m), room.a_room, words_of<T>(k), m);
    return;
  }
  copy_operand(room.a, a, m, k);
  parallel_tasks(row_blocks(m), [&](const TaskSlot& turn) {
    const int64_t block = turn.task;
    const int64_t r0 = block * kMC;
    gemm_rows(
        RowMajor<T>{room.a, stride_of<T>(k)}, room.b, r0, min(r0 + kMC, m), Triangle::kNone,
        [&](Lines& lines, int64_t row, int64_t col) { add_lines(lines, c + row * n + col, n); },
        [&](int64_t row, int64_t col, int64_t cols, F32x16 sum) {
          store(c + row * n + col, sum, cols);
        });
  });
}

int64_t gemm_workspace(int64_t m, int64_t n, int64_t k) {
  WorkspaceAllocator single{nullptr, 0};
  allocate_gemm<float>(single, m, n, k);
  WorkspaceAllocator half{nullptr, 0};
  allocate_gemm<Bf16Operand>(half, m, n, k);
  return max(single.used, half.used);
}

void gemm(float* c, const float* a, const float* b, bool a_transposed, bool b_transposed,
          void* workspace, int64_t m, int64_t n, int64_t k, Precision precision) {
  const auto run = [&](auto operand) {
    gemm_as<decltype(operand)>(c, a, b, a_transposed, b_transposed, workspace, m, n, k);
  };
  precision == Precision::kBf16 ? run(Bf16Operand{}) : run(0.0f);
}

/// As many accumulators as the register tile has rows, each a chain of its own.
template <typename T>
double burst(int64_t iterations) {
  constexpr int kChains = kMR;
  F32x16 c[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) c[i] = set1(static_cast<float>(i));
  F32x16 a = set1(0.5f);
  const F32x16 b = set1(0.25f);
  for (int64_t k = 0; k < iterations; ++k) {
    asm("" : "+m"(a));  // it may have changed: else plain arrays multiply once, before the loop
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) Operand<T>::add_product(c[i], a, b);
  }
  F32x16 total = zero();
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) total = total + c[i];
  // The sum is used, so that nothing of the above may be left out.
  const int64_t multiply_adds = kChains * kLanes * Operand<T>::kPerWord * iterations;
  return sum(total) > 0 ? 2.0 * static_cast<double>(multiply_adds) : -1;
}

double fma_burst(int64_t iterations) {
  return burst<float>(iterations);
}
double bf16_burst(int64_t iterations) {
  return burst<Bf16Operand>(iterations);
}

}  // namespace

const Kernels& table() {
  static constexpr Kernels kTable{.isa = kIsaName,
                                  .multiplies_pairs = Operand<Bf16Operand>::kPerWord == 2,
                                  .linear_workspace = linear_workspace,
                                  .linear_forward = linear_forward,
                                  .linear_backward = linear_backward,
                                  .block_workspace = block_workspace,
                                  .block_packed = block_packed,
                                  .block_forward = block_forward,
                                  .block_backward = block_backward,
                                  .adamw_update = adamw_update,
                                  .linear_cross_entropy_workspace = linear_cross_entropy_workspace,
                                  .linear_cross_entropy_forward = linear_cross_entropy_forward,
                                  .linear_cross_entropy_backward = linear_cross_entropy_backward,
                                  .gelu_forward = gelu_forward,
                                  .gelu_backward = gelu_backward,
                                  .vector_exp = vector_exp,
                                  .norm_fc1_gelu = norm_fc1_gelu,
                                  .gemm_workspace = gemm_workspace,
                                  .gemm = gemm,
                                  .fma_burst = fma_burst,
                                  .bf16_burst = bf16_burst};
  return kTable;
}

}  // namespace gmlp::fused::GMLP_ISA
