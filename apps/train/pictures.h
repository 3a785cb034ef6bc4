#pragma once
// Pictures: samples of the data in a terminal, and the learned spatial weights as PNG files.

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

struct Thumbnail {
  Tensor image;  // (C, H, W) f32 with C 1 or 3, normalised to about [-1, 1]
  std::string label;
};

/// The pictures side by side above their labels, at most 80 columns in all: two pixels per
/// character in color, or shades of grey in plain text. Ends with a newline.
std::string draw_thumbnails(const std::vector<Thumbnail>& pictures, bool colors);

// The bytes of a PNG. Blue is negative, white zero, red positive; each layer has its own scale.
/// Figure 3 of the paper: one row per layer, and per cell one token's row of W (N, N), arranged as
/// the grid of patches, the token's own patch framed. Up to 7 layers and 7 tokens, evenly spaced.
/// `skip` is the number of tokens before the patches (the class token).
std::string draw_filters(const std::vector<Tensor>& layers, int64_t grid_height, int64_t grid_width,
                         int64_t skip);
/// Figure 9 of the paper: the whole W (N, N) of up to 16 layers, evenly spaced, four per row.
std::string draw_heat_maps(const std::vector<Tensor>& layers);

}  // namespace gmlp
