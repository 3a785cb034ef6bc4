#pragma once
// Patch extraction: with it, the stem's convolution (kernel = stride = P) is a linear layer.
//
//   patches[b, n, (c,p,q)] = images[b, c, y P + p, x P + q]       n = y (W/P) + x, raster order
//
// The order (c,p,q) is that of a convolution's weight (D,C,P,P), which therefore fits as it is.
// No backward: images need no gradient.

#include <algorithm>

#include "core/parallel.h"

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

}  // namespace gmlp::reference
