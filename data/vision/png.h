#pragma once
// PNG, read here and not by stb_image: the strict check has to inflate everything anyway, and what
// is left of a decoder after that, undoing the filters, is thirty lines. Format:
// https://www.w3.org/TR/png-3/

#include <cstdint>
#include <string>

#include "data/vision/dataset.h"

namespace gmlp {

/// Chunk order and CRCs, the exact number of pixels, palette indices: all checked; throws
/// InputError. Grey gives 1 channel, colour and palette 3; 16 bits are cut to 8. Transparent pixels
/// are laid over white, as a viewer shows them: what lies under full transparency is often black or
/// arbitrary.
Image decode_png(const uint8_t* data, int64_t size, const std::string& path);

}  // namespace gmlp
