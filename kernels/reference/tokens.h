#pragma once
// Sequences of tokens (B,N,D): from images (B,C,H,W) or R = B N ids, to single tokens (B,D), and
// transposed.
//
//   patchify           patches[b, n, (c,p,q)] = images[b, c, y P + p, x P + q]     n = y (W/P) + x
//   embedding          y[r] = table[ids[r]]    dtable[ids[r]] += dy[r], in order of r
//   mean_pool          y[b] = sum_n x[b,n] / N              dx[b,n] = dy[b] / N
//   prepend_token      y[b] = (token, x[b,0], x[b,1], ...)
//                      dx[b] = dy[b,1:]        dtoken += sum_b dy[b,0]
//   transpose_tokens   y[b] (D,N) = x[b]ᵀ       dx[b] = dy[b]ᵀ, this function again
//
// Patches have the order (c,p,q) of a convolution's weight (D,C,P,P), so the stem's convolution
// (kernel = stride = P) is a linear layer on them. Images need no gradient.
//
// Saved: the ids.

#include <algorithm>

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void patchify_forward(T* patches, const T* images, int64_t batch, int64_t chans, int64_t height,
                      int64_t width, int64_t patch) {
  const int64_t grid_h = height / patch;
  const int64_t grid_w = width / patch;
  const int64_t size = chans * patch * patch;
  parallel_for(batch * grid_h, [&](int64_t chunk) {
    const int64_t b = chunk / grid_h;
    const int64_t y = chunk % grid_h;
    for (int64_t x = 0; x < grid_w; ++x) {
      T* out = patches + ((b * grid_h + y) * grid_w + x) * size;
      for (int64_t c = 0; c < chans; ++c) {
        for (int64_t p = 0; p < patch; ++p) {
          const T* in = images + ((b * chans + c) * height + y * patch + p) * width + x * patch;
          std::copy(in, in + patch, out + (c * patch + p) * patch);
        }
      }
    }
  });
}

template <typename T>
void embedding_forward(T* y, const int64_t* ids, const T* table, int64_t rows, int64_t width) {
  for_each_row(rows,
               [&](int64_t r) { row(y + r * width, width) = row(table + ids[r] * width, width); });
}

template <typename T>
void embedding_backward(T* dtable, const T* dy, const int64_t* ids, int64_t rows, int64_t width) {
  // Two rows may have the same id, so threads share the columns instead of the rows.
  parallel_ranges(width, kRowChunk, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < rows; ++r) {
      row(dtable + ids[r] * width + begin, end - begin) += row(dy + r * width + begin, end - begin);
    }
  });
}

template <typename T>
void mean_pool_forward(T* y, const T* x, const TokenShape& shape) {
  parallel_for(shape.batch, [&](int64_t b) {
    const auto x_b = sample(x, b, shape);
    auto sum = row(y + b * shape.width, shape.width);
    sum.setZero();
    for (int64_t n = 0; n < shape.tokens; ++n) sum += x_b.row(n);
    sum /= static_cast<T>(shape.tokens);
  });
}

template <typename T>
void mean_pool_backward(T* dx, const T* dy, const TokenShape& shape) {
  parallel_for(shape.batch, [&](int64_t b) {
    sample(dx, b, shape).rowwise() =
        row(dy + b * shape.width, shape.width) / static_cast<T>(shape.tokens);
  });
}

template <typename T>
void prepend_token_forward(T* y, const T* x, const T* token, const TokenShape& shape) {
  const TokenShape longer{shape.batch, shape.tokens + 1, shape.width};
  parallel_for(shape.batch, [&](int64_t b) {
    auto y_b = sample(y, b, longer);
    y_b.row(0) = row(token, shape.width);
    y_b.bottomRows(shape.tokens) = sample(x, b, shape);
  });
}

template <typename T>
void prepend_token_backward(T* dx, T* dtoken, const T* dy, const TokenShape& shape) {
  const TokenShape longer{shape.batch, shape.tokens + 1, shape.width};
  for (int64_t b = 0; b < shape.batch; ++b) {
    const auto dy_b = sample(dy, b, longer);
    row(dtoken, shape.width) += dy_b.row(0);
    sample(dx, b, shape) = dy_b.bottomRows(shape.tokens);
  }
}

/// y (B,width,N) from x (B,N,width).
template <typename T>
void transpose_tokens_forward(T* y, const T* x, const TokenShape& shape) {
  const TokenShape transposed_shape{shape.batch, shape.width, shape.tokens};
  parallel_for(shape.batch, [&](int64_t b) {
    sample(y, b, transposed_shape) = sample(x, b, shape).transpose();
  });
}

}  // namespace gmlp::reference
