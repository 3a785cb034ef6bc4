#pragma once
// filters.png: what the spatial projections have learned, as in the paper's Figure 3. A row of the
// picture is a layer; a cell is one token's row of W, laid out on the grid of patches: which places
// it looks at.

#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

/// The spatial weights of one layer over a grid of patches.
struct SpatialFilter {
  Tensor weight;  // (N, N)
};

/// RGB bytes, row-major, of the picture; `width` and `height` are set.
struct Picture {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<unsigned char> rgb;
};

/// Up to 7 layers x 7 tokens, evenly spaced, first and last included. Blue is negative, white zero,
/// red positive, each layer on its own scale; the token's own patch is framed. `skip` tokens in
/// front (the class token) are left out; N - skip must be grid_height * grid_width.
Picture draw_filters(const std::vector<SpatialFilter>& layers, int64_t grid_height,
                     int64_t grid_width, int64_t skip);

/// The whole of W (N, N) of up to 16 layers, evenly spaced, first and last included (the paper's
/// Figure 9): four a row, each on its own scale, rows and columns as in the matrix.
Picture draw_heat_maps(const std::vector<SpatialFilter>& layers);

/// 0..n-1, or `most` of them, evenly spaced, with both ends.
std::vector<int64_t> spread_indices(int64_t n, int64_t most);

/// A PNG file's bytes.
std::string to_png(const Picture& picture);

}  // namespace gmlp
