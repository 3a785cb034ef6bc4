// Attention of H heads on the block's GEMM. A task is one head of one sample, in the workspace of
// its thread, so only one head's scores per thread are in memory. kernels/reference/attention.h has
// the formulas.
//
//   forward    S = (q / √A) kᵀ + bias      lse[i] = log sum_j exp S[i,j]      y = exp(S - lse) v
//   backward   P = exp(S - lse)            dS = P * (dy vᵀ - y·dy), since sum_j P * dP = y·dy
//              dv = Pᵀ dy                  dk = dSᵀ (q / √A)                  dq = dS k / √A
//              dbias: each task sums the diagonals of its dS; then the samples are added in order
//
// Saved: lse, one number per row and head, as in FlashAttention-2 (Dao 2023). It would round away
// probabilities of scores near 1e4 (linear_cross_entropy.cpp), which attention does not have.
// FlashAttention also splits the rows of S; here a row stays whole. Causal attention computes all
// of S and drops the upper triangle.

#include "kernels/gemm/weight_gradient.h"
#include "kernels/kernels.h"
#include "kernels/math/exp.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

/// Rows in the workspace, of whole vectors. A left operand has zeros in the last one, because a
/// bf16 k-step may read one of them.
template <typename Operand>
struct Rows {
  Operand* data;
  int64_t stride;

  __attribute__((always_inline)) Operand* at(int64_t row) const { return data + row * stride; }
  __attribute__((always_inline)) RowMajor<Operand> as_a() const { return {data, stride}; }
  /// rows = scale * in (rows, cols)
  __attribute__((always_inline)) void copy(const float* in, int64_t in_stride, int64_t rows,
                                           int64_t cols, float scale) const {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < cols; c += kLanes) {
        store(at(r) + c, load(in + r * in_stride + c, min(kLanes, cols - c)) * set1(scale));
      }
    }
  }
};

template <typename Operand>
GMLP_INLINE Rows<Operand> allocate_rows(WorkspaceAllocator& allocator, int64_t rows, int64_t cols) {
  const int64_t stride = row_stride<Operand>(ceil_div(cols, kLanes) * kLanes);
  return {allocate<Operand>(allocator, rows * stride), stride};
}

/// Head h of sample b, and the memory of its thread.
template <typename Operand>
struct Head {
  const AttentionShape& shape;
  int64_t b, h;
  WorkspaceAllocator memory;

  int64_t n = shape.tokens;
  int64_t width = shape.width / shape.heads;     // A
  int64_t stride = shape.parts() * shape.width;  // of qkv
  float scale = 1.0f / __builtin_sqrtf(static_cast<float>(width));
  Triangle lower = shape.causal ? Triangle::kLower : Triangle::kNone;
  Triangle upper = shape.causal ? Triangle::kUpper : Triangle::kNone;

  Rows<Operand> q = allocate_rows<Operand>(memory, n, width);         // q / √A
  PackedB k_t = allocate_b(memory, k_steps_of<Operand>(width), n);    // kᵀ
  PackedB right = allocate_b(memory, k_steps_of<Operand>(n), width);  // v, dy, q or k
  Rows<Operand> p = allocate_rows<Operand>(memory, n, n);
  Rows<float> scores = allocate_rows<float>(memory, min(kMC, n), n);  // forward
  // Backward.
  Rows<Operand> ds = allocate_rows<Operand>(memory, n, n);
  Rows<Operand> dy = allocate_rows<Operand>(memory, n, width);
  PackedB v_t = allocate_b(memory, k_steps_of<Operand>(width), n);  // vᵀ
  TiledA<Operand> left = allocate_tiles<Operand>(memory, n);        // Pᵀ or dSᵀ
  float* y_dot_dy = allocate<float>(memory, n);

  /// The head's columns of part 0, 1 or 2 (q, k or v) of qkv, or of its gradient.
  template <typename T>
  __attribute__((always_inline)) T* part(T* qkv, int64_t which) const {
    return qkv + b * n * stride + min(which, shape.parts() - 1) * shape.width + h * width;
  }
  template <typename T>
  __attribute__((always_inline)) T* output(T* y) const {
    return y + b * n * shape.width + h * width;
  }
  template <typename T>
  __attribute__((always_inline)) T* lse(T* data) const {
    return data + (b * shape.heads + h) * n;
  }
};

/// Calls body(head, task) for each head of each sample.
template <typename Operand, typename Body>
GMLP_INLINE void parallel_heads(void* workspace, const AttentionShape& shape, const Body& body) {
  const int64_t size = Head<Operand>{shape, 0, 0, {}}.memory.used;
  parallel_tasks(shape.batch * shape.heads, [&](const TaskSlot& slot) {
    const WorkspaceAllocator memory{static_cast<char*>(workspace) + omp_get_thread_num() * size};
    body(Head<Operand>{shape, slot.task / shape.heads, slot.task % shape.heads, memory}, slot.task);
  });
}

/// Packs what the scores need.
template <typename Operand>
GMLP_INLINE void prepare_scores(const Head<Operand>& head, const float* qkv) {
  if (!head.shape.content) return;
  head.q.copy(head.part(qkv, 0), head.stride, head.n, head.width, head.scale);
  pack_b_alone<Operand>(head.k_t, head.part(qkv, 1), head.stride, head.width, true);
}
/// Calls body(i, j, count, S) for sixteen scores of row i at a time, i in [r0, r1).
template <typename Operand, typename Body>
GMLP_INLINE void compute_scores(const Head<Operand>& head, const float* bias, int64_t r0,
                                int64_t r1, const Body& body) {
  const int64_t n = head.n;
  const float* distances = bias == nullptr ? nullptr : bias + head.h * (2 * n - 1) + n - 1;
  const auto add_bias = [&](int64_t i, int64_t j, int64_t count, F32x16 sum) {
    body(i, j, count, distances == nullptr ? sum : sum + load(distances + j - i, count));
  };
  if (head.shape.content) {
    gemm_rows(head.q.as_a(), head.k_t, r0, r1, Triangle::kNone, kNoPrefetch, add_bias);
    return;
  }
  for (int64_t i = r0; i < r1; ++i) {
    for (int64_t j = 0; j < n; j += kLanes) add_bias(i, j, min(kLanes, n - j), zero());
  }
}

/// p = exp(S - top) of the first `visible` of n scores, and zeros behind them. Returns their sum.
template <typename Operand>
GMLP_INLINE float exp_row(Operand* p, float* top, float* scores, int64_t visible, int64_t n) {
  for (int64_t j = visible; j % kLanes != 0; ++j) scores[j] = -__builtin_inff();
  F32x16 tops = load(scores);
  for (int64_t j = kLanes; j < visible; j += kLanes) tops = max(load(scores + j), tops);
  *top = reduce_max(tops);
  F32x16 sums = zero();
  for (int64_t j = 0; j < n; j += kLanes) {
    const F32x16 e = j < visible ? exp(load(scores + j) - set1(*top)) : zero();
    sums = sums + e;
    store(p + j, e);
  }
  return sum(sums);
}

template <typename Operand>
void forward_head(float* y, float* lse, const float* qkv, const float* bias,
                  const Head<Operand>& head) {
  const int64_t n = head.n;
  prepare_scores(head, qkv);
  pack_b_alone<Operand>(head.right, head.part(qkv, 2), head.stride, n, false);
  for (int64_t r0 = 0; r0 < n; r0 += kMC) {
    const int64_t r1 = min(r0 + kMC, n);
    compute_scores(head, bias, r0, r1, [&](int64_t i, int64_t j, int64_t count, F32x16 s) {
      store(head.scores.at(i - r0) + j, s, count);
    });
    float sums[kMC];
    for (int64_t i = r0; i < r1; ++i) {
      const int64_t visible = head.shape.causal ? i + 1 : n;
      float top;
      sums[i - r0] = exp_row(head.p.at(i), &top, head.scores.at(i - r0), visible, n);
      head.lse(lse)[i] = top + __builtin_logf(sums[i - r0]);
    }
    gemm_rows(head.p.as_a(), head.right, r0, r1, head.lower, kNoPrefetch,
              [&](int64_t i, int64_t col, int64_t count, F32x16 sum) {
                store(head.output(y) + i * head.shape.width + col, sum * set1(1.0f / sums[i - r0]),
                      count);
              });
  }
}

/// out = Mᵀ B, M (N,N) and B (N,A).
template <typename Operand>
GMLP_INLINE void transposed_product(float* out, const Rows<Operand>& m, const Rows<Operand>& b,
                                    const Head<Operand>& head) {
  const int64_t n = head.n;
  const int64_t k_steps = head.left.k_steps;
  pack_b_alone<Operand>(head.right, b.data, b.stride, n, false);
  for (int64_t tile = 0; tile < tiles_of<Operand>(n); ++tile) {
    pack_tiles(head.left.data + tile * packed_tile_size<Operand>(k_steps), nullptr, m.data,
               m.stride, n, 0, k_steps, tile, tile + 1, n);
  }
  gemm_rows(head.left, head.right, 0, n, head.upper, kNoPrefetch,
            [&](int64_t i, int64_t col, int64_t count, F32x16 sum) {
              store(out + i * head.stride + col, sum, count);
            });
}

/// The sums of dS's diagonals, (2N-1).
template <typename Operand>
GMLP_INLINE void sum_diagonals(float* sums, const Head<Operand>& head) {
  for (int64_t j = 0; j < 2 * head.n - 1; ++j) sums[j] = 0;
  for (int64_t i = 0; i < head.n; ++i) {
    float* row = sums + head.n - 1 - i;
    for_each_vector(head.n, [&](int64_t j, int64_t count) {
      store(row + j, load(row + j, count) + load(head.ds.at(i) + j, count), count);
    });
  }
}

template <typename Operand>
void backward_head(float* dqkv, float* diagonals, const float* dy, const float* y, const float* lse,
                   const float* qkv, const float* bias, const Head<Operand>& head) {
  const int64_t n = head.n;
  const int64_t width = head.shape.width;
  prepare_scores(head, qkv);  // first P and dS
  compute_scores(head, bias, 0, n, [&](int64_t i, int64_t j, int64_t /*count*/, F32x16 s) {
    store(head.p.at(i) + j, exp(s - set1(head.lse(lse)[i])));
  });
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = head.shape.causal ? i + 1 : n; j < head.p.stride; ++j) head.p.at(i)[j] = {};
    F32x16 dot = zero();
    for (int64_t c = 0; c < head.width; c += kLanes) {
      const int64_t count = min(kLanes, head.width - c);
      dot = fma(load(head.output(y) + i * width + c, count),
                load(head.output(dy) + i * width + c, count), dot);
    }
    head.y_dot_dy[i] = sum(dot);
  }
  head.dy.copy(head.output(dy), width, n, head.width, 1);
  pack_b_alone<Operand>(head.v_t, head.part(qkv, 2), head.stride, head.width, true);
  gemm_rows(head.dy.as_a(), head.v_t, 0, n, Triangle::kNone, kNoPrefetch,
            [&](int64_t i, int64_t j, int64_t /*count*/, F32x16 dp) {
              store(head.ds.at(i) + j, load(head.p.at(i) + j) * (dp - set1(head.y_dot_dy[i])));
            });
  if (bias != nullptr) sum_diagonals(diagonals, head);
  transposed_product(head.part(dqkv, 2), head.p, head.dy, head);
  if (!head.shape.content) return;
  transposed_product(head.part(dqkv, 1), head.ds, head.q, head);
  pack_b_alone<Operand>(head.right, head.part(qkv, 1), head.stride, n, false);
  float* dq = head.part(dqkv, 0);
  gemm_rows(head.ds.as_a(), head.right, 0, n, head.lower, kNoPrefetch,
            [&](int64_t i, int64_t col, int64_t count, F32x16 sum) {
              store(dq + i * head.stride + col, sum * set1(head.scale), count);
            });
}

}  // namespace

int64_t attention_workspace(const AttentionShape& shape) {
  WorkspaceAllocator allocator;
  allocate<float>(allocator, shape.batch * shape.heads * (2 * shape.tokens - 1));  // diagonals
  return dispatch_precision(shape.precision, [&]<typename Operand>(Operand, auto /*saved*/) {
    return allocator.used + omp_get_max_threads() * Head<Operand>{shape, 0, 0, {}}.memory.used;
  });
}

void attention_forward(float* y, float* lse, const float* qkv, const float* bias, void* workspace,
                       const AttentionShape& shape) {
  dispatch_precision(shape.precision, [&]<typename Operand>(Operand, auto /*saved*/) {
    parallel_heads<Operand>(workspace, shape, [&](const Head<Operand>& head, int64_t /*task*/) {
      forward_head(y, lse, qkv, bias, head);
    });
  });
}

void attention_backward(float* dqkv, float* dbias, const float* dy, const float* y,
                        const float* lse, const float* qkv, const float* bias, void* workspace,
                        const AttentionShape& shape) {
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  const int64_t distances = 2 * shape.tokens - 1;
  float* diagonals = allocate<float>(allocator, shape.batch * shape.heads * distances);
  dispatch_precision(shape.precision, [&]<typename Operand>(Operand, auto /*saved*/) {
    parallel_heads<Operand>(
        allocator.base + allocator.used, shape, [&](const Head<Operand>& head, int64_t task) {
          backward_head(dqkv, diagonals + task * distances, dy, y, lse, qkv, bias, head);
        });
  });
  if (bias == nullptr) return;
  for (int64_t task = 0; task < shape.batch * shape.heads; ++task) {
    float* sums = dbias + task % shape.heads * distances;
    const float* own = diagonals + task * distances;
    for_each_vector(distances, [&](int64_t j, int64_t count) {
      store(sums + j, load(sums + j, count) + load(own + j, count), count);
    });
  }
}

}  // namespace gmlp::fused::GMLP_ISA
