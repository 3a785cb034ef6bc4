#pragma once
// Between sequences of tokens (B,N,D) and single tokens (B,D), and two ops on whole sequences.
//
//   mean_pool          y[b] = sum_n x[b,n] / N              dx[b,n] = dy[b] / N
//   prepend_token      y[b] = (token, x[b,0], x[b,1], ...)
//                      dx[b] = dy[b,1:]        dtoken += sum_b dy[b,0]
//   select_token       y[b] = x[b,position]    dx[b,position] = dy[b], zero elsewhere
//   add_positions      y[b] = x[b] + table      dx = dy        dtable += sum_b dy[b]
//   transpose_tokens   y[b] (D,N) = x[b]ᵀ       dx[b] = dy[b]ᵀ, this function again
//
// Saved: nothing.

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

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
