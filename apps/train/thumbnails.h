#pragma once
// Small pictures in a terminal: two pixels a character cell in colour, or shades of grey in plain
// text.

#include <string>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

struct Thumbnail {
  Tensor image;  // (C, H, W) f32 with C 1 or 3, normalised to about [-1, 1]
  std::string label;
};

/// The pictures side by side with their labels below, at most 80 columns in all; ends with a
/// newline.
std::string draw_thumbnails(const std::vector<Thumbnail>& pictures, bool colours);

}  // namespace gmlp
