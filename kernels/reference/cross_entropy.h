#pragma once
// Softmax cross-entropy, with soft targets t (rows sum to 1; label smoothing and Mixup make them)
// or with one class id per row. Rows with a negative id are not scored.
//
//   forward    p = softmax(z)      loss[r] = -sum_c t[c] log p[c] = logsumexp(z) - sum_c t[c] z[c]
//   backward   dz = dloss (p - t)                       z, p, t (R,C)
//
// Saved: p.

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void cross_entropy_forward(T* loss_rows, T* probs, const T* logits, const T* targets, int64_t rows,
                           int64_t classes) {
  for_each_row(rows, [&](int64_t r) {
    const auto z = row(logits + r * classes, classes).array();
    const T lse = softmax_row<T>(row(probs + r * classes, classes).array(), z);
    // sum_c t (lse - z), not lse - sum_c t z: no cancellation, and right when t sums to about 1.
    loss_rows[r] = (row(targets + r * classes, classes).array() * (lse - z)).sum();
  });
}

template <typename T>
void cross_entropy_backward(T* dlogits, double dloss, const T* probs, const T* targets,
                            int64_t rows, int64_t classes) {
  for_each_element(rows * classes, [&](int64_t i) {
    dlogits[i] = static_cast<T>(dloss) * (probs[i] - targets[i]);
  });
}

template <typename T>
void cross_entropy_ids_forward(T* loss_rows, T* probs, const T* logits, const int64_t* ids,
                               int64_t rows, int64_t classes) {
  for_each_row(rows, [&](int64_t r) {
    const auto z = row(logits + r * classes, classes).array();
    const T lse = softmax_row<T>(row(probs + r * classes, classes).array(), z);
    loss_rows[r] = ids[r] < 0 ? T(0) : lse - z[ids[r]];
  });
}

template <typename T>
void cross_entropy_ids_backward(T* dlogits, double dloss, const T* probs, const int64_t* ids,
                                int64_t rows, int64_t classes) {
  for_each_row(rows, [&](int64_t r) {
    auto dz = row(dlogits + r * classes, classes);
    if (ids[r] < 0) {
      dz.setZero();
    } else {
      dz = static_cast<T>(dloss) * row(probs + r * classes, classes);
      dz[ids[r]] -= static_cast<T>(dloss);
    }
  });
}

}  // namespace gmlp::reference
