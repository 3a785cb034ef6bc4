#pragma once
// Pictures: samples of the data in a terminal, and the learned spatial weights as PNG files.

#include <cstdint>
#include <string>
#include <vector>

#include "models/gmlp_block.h"

namespace gmlp {

struct Thumbnail {
  Tensor image;  // (C, H, W) f32 with C 1 or 3, normalized to about [-1, 1]
  std::string label;
};

/// The pictures side by side above their labels, at most 80 columns in all: two pixels per
/// character in color, or shades of gray in plain text. Ends with a newline.
std::string draw_thumbnails(const std::vector<Thumbnail>& pictures, bool colors);

/// 0..n-1, or `most` of them, evenly spaced, with both ends.
std::vector<int64_t> spread_indices(int64_t n, int64_t most);

/// A PNG of bytes (height, width, channels); 1 or 3 channels.
std::string encode_png(const uint8_t* pixels, int64_t height, int64_t width, int64_t channels);

/// W (N, N) of each gMLP block: Toeplitz ones expanded, causal ones zero above the diagonal.
std::vector<Tensor> spatial_weights(const std::vector<Parameter*>& parameters,
                                    const BlockConfig& block);

// The bytes of a PNG. Blue is negative, white zero, red positive; each layer has its own scale.
/// Figure 3 of the paper: one row per layer, and per cell one token's row of W (N, N), arranged as
/// the grid of patches, the token's own patch framed. Up to 7 layers and 7 tokens, evenly spaced.
/// `skip` is the number of tokens before the patches (the class token).
std::string draw_filters(const std::vector<Tensor>& layers, int64_t grid_height, int64_t grid_width,
                         int64_t skip);
/// Figure 9 of the paper: the whole W (N, N) of up to 16 layers, evenly spaced, four per row.
std::string draw_heat_maps(const std::vector<Tensor>& layers);

}  // namespace gmlp
