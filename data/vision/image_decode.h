#pragma once
// From a PNG, JPEG or BMP file to bytes. The file is checked in full first
// (data/vision/image_check.h).

#include <cstdint>
#include <string>

#include "data/vision/dataset.h"

namespace gmlp {

/// Files larger than this are refused unread.
constexpr int64_t kMaxImageFileBytes = int64_t{1} << 28;

/// One channel for grey, three (RGB) otherwise. Throws InputError naming the file and the reason.
Image decode_image(const std::string& path);

/// The same from memory; `path` is only for messages.
Image decode_image_bytes(const uint8_t* data, int64_t size, const std::string& path);

}  // namespace gmlp
