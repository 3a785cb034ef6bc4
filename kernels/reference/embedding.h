#pragma once
// Token embedding.
//
//   forward    y[r,:] = table[ids[r],:]              ids (R), table (V,D), y (R,D)
//   backward   dtable[ids[r],:] += dy[r,:]           in order of r, whatever the threads
//
// Saved: the ids.

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void embedding_forward(T* y, const int64_t* ids, const T* table, int64_t rows, int64_t width) {
  parallel_ranges(rows, kRowChunk, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      row(y + r * width, width) = row(table + ids[r] * width, width);
    }
  });
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

}  // namespace gmlp::reference
