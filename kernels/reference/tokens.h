#pragma once
// Sequences of tokens (B,N,D): from images (B,C,H,W) or R = B N ids, to single tokens (B,D), and
// two ops on whole sequences.
//
//   patchify           patches[b, n, (c,p,q)] = images[b, c, y P + p, x P + q]     n = y (W/P) + x
//   embedding          y[r] = table[ids[r]]    dtable[ids[r]] += dy[r], in order of r
//   mean_pool          y[b] = sum_n x[b,n] / N              dx[b,n] = dy[b] / N
//   prepend_token      y[b] = (token, x[b,0], x[b,1], ...)
//                      dx[b] = dy[b,1:]        dtoken += sum_b dy[b,0]
//   select_token       y[b] = x[b,position]    dx[b,position] = dy[b], zero elsewhere
//   add_positions      y[b] = x[b] + table      dx = dy        dtable += sum_b dy[b]
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
void mean_pool_forward(T* y, const T* x, int64_t batch, int64_t tokens, int64_t width) {
  parallel_for(batch, [&](int64_t b) {
    auto sum = row(y + b * width, width);
    sum.setZero();
    for (int64_t n = 0; n < tokens; ++n) sum += row(x + (b * tokens + n) * width, width);
    sum /= static_cast<T>(tokens);
  });
}

template <typename T>
void mean_pool_backward(T* dx, const T* dy, int64_t batch, int64_t tokens, int64_t width) {
  parallel_for(batch, [&](int64_t b) {
    matrix(dx + b * tokens * width, tokens, width).rowwise() =
        row(dy + b * width, width) / static_cast<T>(tokens);
  });
}

template <typename T>
void prepend_token_forward(T* y, const T* x, const T* token, int64_t batch, int64_t tokens,
                           int64_t width) {
  parallel_for(batch, [&](int64_t b) {
    auto y_b = matrix(y + b * (tokens + 1) * width, tokens + 1, width);
    y_b.row(0) = row(token, width);
    y_b.bottomRows(tokens) = matrix(x + b * tokens * width, tokens, width);
  });
}

template <typename T>
void prepend_token_backward(T* dx, T* dtoken, const T* dy, int64_t batch, int64_t tokens,
                            int64_t width) {
  for (int64_t b = 0; b < batch; ++b) {
    const auto dy_b = matrix(dy + b * (tokens + 1) * width, tokens + 1, width);
    row(dtoken, width) += dy_b.row(0);
    matrix(dx + b * tokens * width, tokens, width) = dy_b.bottomRows(tokens);
  }
}

template <typename T>
void select_token_forward(T* y, const T* x, int64_t position, int64_t batch, int64_t tokens,
                          int64_t width) {
  for (int64_t b = 0; b < batch; ++b) {
    row(y + b * width, width) = row(x + (b * tokens + position) * width, width);
  }
}

template <typename T>
void select_token_backward(T* dx, const T* dy, int64_t position, int64_t batch, int64_t tokens,
                           int64_t width) {
  for (int64_t b = 0; b < batch; ++b) {
    auto dx_b = matrix(dx + b * tokens * width, tokens, width);
    dx_b.setZero();
    dx_b.row(position) = row(dy + b * width, width);
  }
}

template <typename T>
void add_positions_forward(T* y, const T* x, const T* table, int64_t batch, int64_t size) {
  parallel_for(batch, [&](int64_t b) {
    row(y + b * size, size) = row(x + b * size, size) + row(table, size);
  });
}

template <typename T>
void add_positions_backward(T* dtable, const T* dy, int64_t batch, int64_t size) {
  parallel_ranges(size, kElementChunk, [&](int64_t begin, int64_t end) {
    for (int64_t b = 0; b < batch; ++b) {
      row(dtable + begin, end - begin) += row(dy + b * size + begin, end - begin);
    }
  });
}

template <typename T>
void transpose_tokens_forward(T* y, const T* x, int64_t batch, int64_t tokens, int64_t width) {
  parallel_for(batch, [&](int64_t b) {
    matrix(y + b * tokens * width, width, tokens) =
        matrix(x + b * tokens * width, tokens, width).transpose();
  });
}

}  // namespace gmlp::reference
