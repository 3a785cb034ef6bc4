#pragma once
// Attention of H heads over tokens (Vaswani et al. 2017), D = H A. With one head and no bias it is
// the tiny attention of aMLP (paper, section 4.3). The baselines of Table 3 add a learned bias per
// head and distance (T5's, without buckets), or attend by nothing but that bias.
//
//   head_attention
//     forward    S_h = q_h k_hᵀ / √A + R_h      P_h = softmax over j of S_h      y_h = P_h v_h
//                q, k, v (N,D) are the thirds of each row of qkv (N,3D); columns h A.. are head h's
//                R_h[i,j] = bias[h, (N-1) + (j-i)], bias (H, 2N-1) or nullptr
//                causal: S[i,j] = -inf for j > i
//     backward   dv_h = P_hᵀ dy_h      dP_h = dy_h v_hᵀ      dS = P * (dP - sum_j dP * P)
//                dq_h = dS_h k_h / √A  dk_h = dS_hᵀ q_h / √A
//                dbias[h, (N-1) + (j-i)] += sum over the batch and that diagonal of dS_h
//     Saved: P, H N² numbers per sample. dscores is workspace for dS (B,H,N,N).
//
//   position_attention: no q and k, so S_h = R_h and P_h is one for the whole batch
//     forward    P_h = softmax over j of R_h        y_h = P_h v_h, v (N,D)
//     backward   dv_h = P_hᵀ dy_h                   dP_h = sum over the batch of dy_h v_hᵀ
//     Saved: P, H N² numbers in all. dscores (H,N,N).

#include <cmath>

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

/// D = width is divided among the heads.
struct AttentionShape {
  int64_t batch;
  int64_t tokens;
  int64_t width;
  int64_t heads;
};

/// Head h's A columns of part `part` in sample b's rows of data (B,N,parts D).
template <typename T>
auto head_columns(T* data, int64_t parts, int64_t part, int64_t b, int64_t h,
                  const AttentionShape& shape) {
  const int64_t a = shape.width / shape.heads;
  return matrix(data + b * shape.tokens * parts * shape.width, shape.tokens, parts * shape.width)
      .middleCols(part * shape.width + h * a, a);
}

/// Row i of R: the N numbers of bias (2N-1) that begin at (N-1) - i.
template <typename T>
auto distance_row(T* bias, int64_t i, int64_t tokens) {
  return row(bias + tokens - 1 - i, tokens);
}

/// Calls body(b, h) for each head of each sample.
template <typename Body>
void for_each_head(const AttentionShape& shape, const Body& body) {
  parallel_for(shape.batch * shape.heads,
               [&](int64_t i) { body(i / shape.heads, i % shape.heads); });
}

template <typename T>
void add_distances(T* dbias, const T* ds, int64_t tokens) {
  for (int64_t i = 0; i < tokens; ++i) {
    distance_row(dbias, i, tokens) += row(ds + i * tokens, tokens);
  }
}

/// 1 / sqrt(A), A = D / H the width of a head.
template <typename T>
T score_scale(const AttentionShape& shape) {
  const int64_t head_width = shape.width / shape.heads;
  return T(1) / std::sqrt(static_cast<T>(head_width));
}

template <typename T>
void head_attention_forward(T* y, T* probs, const T* qkv, const T* bias,
                            const AttentionShape& shape, bool causal) {
  const int64_t n = shape.tokens;
  const T scale = score_scale<T>(shape);
  for_each_head(shape, [&](int64_t b, int64_t h) {
    auto p = matrix(probs + (b * shape.heads + h) * n * n, n, n);
    const auto k = head_columns(qkv, 3, 1, b, h, shape);
    set_product<T>(p, head_columns(qkv, 3, 0, b, h, shape), transposed<T>(k), scale);
    for (int64_t i = 0; bias != nullptr && i < n; ++i) {
      p.row(i) += distance_row(bias + h * (2 * n - 1), i, n);
    }
    softmax_rows(p, causal);
    set_product<T>(head_columns(y, 1, 0, b, h, shape), p, head_columns(qkv, 3, 2, b, h, shape));
  });
}

template <typename T>
void head_attention_backward(T* dqkv, T* dbias, T* dscores, const T* dy, const T* probs,
                             const T* qkv, const AttentionShape& shape) {
  const int64_t n = shape.tokens;
  const T scale = score_scale<T>(shape);
  for_each_head(shape, [&](int64_t b, int64_t h) {
    const int64_t offset = (b * shape.heads + h) * n * n;
    const auto p = matrix(probs + offset, n, n);
    const auto q = head_columns(qkv, 3, 0, b, h, shape);
    const auto k = head_columns(qkv, 3, 1, b, h, shape);
    const auto v = head_columns(qkv, 3, 2, b, h, shape);
    const auto dy_h = head_columns(dy, 1, 0, b, h, shape);
    auto ds = matrix(dscores + offset, n, n);
    set_product<T>(head_columns(dqkv, 3, 2, b, h, shape), transposed<T>(p), dy_h);
    set_product<T>(ds, dy_h, transposed<T>(v));
    softmax_rows_backward(ds, p);
    set_product<T>(head_columns(dqkv, 3, 0, b, h, shape), ds, k, scale);
    set_product<T>(head_columns(dqkv, 3, 1, b, h, shape), transposed<T>(ds), q, scale);
  });
  if (dbias == nullptr) return;
  // One thread owns a head's bias and adds the samples in order.
  parallel_for(shape.heads, [&](int64_t h) {
    for (int64_t b = 0; b < shape.batch; ++b) {
      add_distances(dbias + h * (2 * n - 1), dscores + (b * shape.heads + h) * n * n, n);
    }
  });
}

template <typename T>
void position_attention_forward(T* y, T* probs, const T* v, const T* bias,
                                const AttentionShape& shape, bool causal) {
  const int64_t n = shape.tokens;
  parallel_for(shape.heads, [&](int64_t h) {
    auto p = matrix(probs + h * n * n, n, n);
    for (int64_t i = 0; i < n; ++i) p.row(i) = distance_row(bias + h * (2 * n - 1), i, n);
    softmax_rows(p, causal);
  });
  for_each_head(shape, [&](int64_t b, int64_t h) {
    set_product<T>(head_columns(y, 1, 0, b, h, shape),
                   matrix(static_cast<const T*>(probs) + h * n * n, n, n),
                   head_columns(v, 1, 0, b, h, shape));
  });
}

template <typename T>
void position_attention_backward(T* dv, T* dbias, T* dscores, const T* dy, const T* probs,
                                 const T* v, const AttentionShape& shape) {
  const int64_t n = shape.tokens;
  for_each_head(shape, [&](int64_t b, int64_t h) {
    set_product<T>(head_columns(dv, 1, 0, b, h, shape),
                   transposed<T>(matrix(probs + h * n * n, n, n)),
                   head_columns(dy, 1, 0, b, h, shape));
  });
  parallel_for(shape.heads, [&](int64_t h) {
    auto ds = matrix(dscores + h * n * n, n, n);
    ds.setZero();
    for (int64_t b = 0; b < shape.batch; ++b) {
      add_product<T>(ds, head_columns(dy, 1, 0, b, h, shape),
                     transposed<T>(head_columns(v, 1, 0, b, h, shape)));
    }
    softmax_rows_backward(ds, matrix(probs + h * n * n, n, n));
    add_distances<T>(dbias + h * (2 * n - 1), dscores + h * n * n, n);
  });
}

}  // namespace gmlp::reference
