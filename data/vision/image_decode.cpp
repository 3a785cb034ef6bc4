// The decoder is chosen by the file's first bytes, whatever its name. Each one checks the size that
// the header announces before it allocates anything.
#include "data/vision/image_decode.h"

#include <cstdlib>
#include <string_view>

#include "core/io/file.h"
#include "data/vision/formats/formats.h"

namespace gmlp {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 28;
constexpr int64_t kMaxPixels = 200'000'000;
// What a file of any size may take; each of its bytes allows more.
constexpr int64_t kMinMemory = int64_t{64} << 20;
constexpr int64_t kMemoryPerByte = 128;

}  // namespace

void EncodedImage::check_size(int64_t height, int64_t width, int64_t min_bytes,
                              int64_t memory) const {
  if (height < 1 || width < 1) refuse("{} x {} pixels", width, height);
  const char* raised = std::getenv("GMLP_MAX_PIXELS");
  const int64_t most = raised == nullptr ? kMaxPixels : std::atoll(raised);
  if (height > kMaxImageSide || width > kMaxImageSide || height * width > most) {
    fail_input(
        "{}: {} x {} pixels, more than {} per side or {} in total; shrink it, or raise the total: "
        "GMLP_MAX_PIXELS={}",
        path, width, height, kMaxImageSide, most, height * width);
  }
  if (size < min_bytes) refuse("{} x {} pixels in {} bytes; it is truncated", width, height, size);
  if (raised == nullptr && memory > kMinMemory + kMemoryPerByte * size) {
    fail_input(
        "{}: {} x {} pixels in only {} bytes, which would take {} MB of memory; shrink it, or "
        "allow it: GMLP_MAX_PIXELS={}",
        path, width, height, size, memory >> 20, height * width);
  }
}

Image decode_image_bytes(const uint8_t* data, int64_t size, const std::string& path,
                         bool header_only) {
  const EncodedImage file{data, size, path, header_only};
  const std::string_view bytes(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
  if (bytes.empty()) file.refuse("the file is empty");
  if (bytes.starts_with("\x89PNG")) return decode_png(file);
  if (bytes.starts_with("\xFF\xD8")) return decode_jpeg(file);
  if (bytes.starts_with("BM")) return decode_bmp(file);
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return decode_webp(file);
  file.refuse("not a PNG, JPEG, BMP or WebP");
}

Image decode_image(const std::string& path, uint32_t* checksum, bool header_only) {
  const std::string bytes = read_text(path, kMaxFileBytes);
  if (checksum != nullptr) *checksum = crc32_of(bytes.data(), std::ssize(bytes));
  return decode_image_bytes(reinterpret_cast<const uint8_t*>(bytes.data()), std::ssize(bytes), path,
                            header_only);
}

}  // namespace gmlp
