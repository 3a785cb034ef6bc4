// Softmax cross-entropy, with soft targets t (rows sum to 1; label smoothing and Mixup make them)
// or with one class id per row; a row of id -100 is not scored.
//
//   forward    p = softmax(z)      loss[r] = -sum_c t[c] log p[c] = logsumexp(z) - sum_c t[c] z[c]
//   backward   dz = dloss (p - t)                       z, p, t (R,C)
//
// logsumexp subtracts the row's maximum first, so no exp overflows. Saved: p.

#include <cmath>

#include "core/parallel.h"
#include "kernels/reference/matrix.h"
#include "kernels/reference/reference.h"

namespace gmlp::reference {

namespace {

/// p = softmax(z); returns log sum exp z.
template <typename T>
T softmax_row(T* probs, const T* logits, int64_t classes) {
  const auto z = row(logits, classes).array();
  auto p = row(probs, classes).array();
  const T top = z.maxCoeff();
  p = (z - top).exp();
  const T sum = (p + T(0)).sum();  // an expression's sum: see layernorm.cpp
  p /= sum;
  return top + std::log(sum);
}

}  // namespace

template <typename T>
void cross_entropy_forward(T* loss_rows, T* probs, const T* logits, const T* targets, int64_t rows,
                           int64_t classes) {
  for_each_row(rows, [&](int64_t r) {
    const T* z = logits + r * classes;
    const T lse = softmax_row(probs + r * classes, z, classes);
    // sum_c t (lse - z), not lse - sum_c t z: no cancellation, and right when t sums to about 1.
    loss_rows[r] =
        (row(targets + r * classes, classes).array() * (lse - row(z, classes).array())).sum();
  });
}

template <typename T>
void cross_entropy_backward(T* dlogits, double dloss, const T* probs, const T* targets,
                            int64_t rows, int64_t classes) {
  parallel_ranges(rows * classes, kElementChunk, [&](int64_t begin, int64_t end) {
    row(dlogits + begin, end - begin) = static_cast<T>(dloss) * (row(probs + begin, end - begin) -
                                                                 row(targets + begin, end - begin));
  });
}

template <typename T>
void cross_entropy_ids_forward(T* loss_rows, T* probs, const T* logits, const int64_t* ids,
                               int64_t rows, int64_t classes) {
  for_each_row(rows, [&](int64_t r) {
    const T* z = logits + r * classes;
    const T lse = softmax_row(probs + r * classes, z, classes);
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

GMLP_INSTANTIATE(cross_entropy_forward);
GMLP_INSTANTIATE(cross_entropy_backward);
GMLP_INSTANTIATE(cross_entropy_ids_forward);
GMLP_INSTANTIATE(cross_entropy_ids_backward);

}  // namespace gmlp::reference
