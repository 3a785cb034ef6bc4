#pragma once
// Linear (a channel projection when applied to every token).
//
//   forward    y[r,o] = sum_i x[r,i] W[o,i] + b[o]           x (R,in), W (out,in), b (out)
//   backward   dx = dy W        dW += dyᵀ x        db += sum_r dy[r,:]
//
// Saved: x.

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void linear_forward(T* y, const T* x, const T* weight, const T* bias, int64_t rows, int64_t in,
                    int64_t out) {
  const auto w = matrix(weight, out, in);
  parallel_ranges(rows, kRowChunk, [&](int64_t begin, int64_t end) {
    auto y_rows = matrix(y + begin * out, end - begin, out);
    set_product<T>(y_rows, matrix(x + begin * in, end - begin, in), transposed<T>(w));
    if (bias != nullptr) y_rows.rowwise() += row(bias, out);
  });
}

template <typename T>
void linear_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* weight,
                     int64_t rows, int64_t in, int64_t out) {
  if (dx != nullptr) {
    const auto w = matrix(weight, out, in);
    parallel_ranges(rows, kRowChunk, [&](int64_t begin, int64_t end) {
      set_product<T>(matrix(dx + begin * in, end - begin, in),
                     matrix(dy + begin * out, end - begin, out), w);
    });
  }
  // Owner computes: each range of W's rows sums over all of x's rows, in order.
  const auto dy_all = matrix(dy, rows, out);
  const auto x_all = matrix(x, rows, in);
  parallel_ranges(out, kRowChunk, [&](int64_t begin, int64_t end) {
    add_product<T>(matrix(dweight + begin * in, end - begin, in),
                   transposed<T>(dy_all.middleCols(begin, end - begin)), x_all);
    if (dbias != nullptr) {
      row(dbias + begin, end - begin) += dy_all.middleCols(begin, end - begin).colwise().sum();
    }
  });
}

}  // namespace gmlp::reference
