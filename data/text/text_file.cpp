#include "data/text/text_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

#include <zlib.h>

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

constexpr size_t kPart = size_t{1} << 20;
constexpr size_t kLongestLine = 16 * kPart;  // a longer one is cut

/// A text is read twice, so it must be a file that is still there the second time.
void check_regular(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) fail_input("{}: does not exist; check the path", path);
  if (std::filesystem::is_directory(status)) fail_input("{}: is a folder; name text files", path);
  if (!std::filesystem::is_regular_file(status)) {
    fail_input("{}: is no regular file; store the text in a file first", path);
  }
}

}  // namespace

/// zlib reads what begins like gzip through inflate (.dz too, which is gzip with an index), and
/// anything else as it is.
struct TextFile::Stream {
  explicit Stream(const std::string& path) : file(gzopen(path.c_str(), "rbe")) {}
  ~Stream() {
    if (file != nullptr) gzclose_r(file);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  gzFile file;
};

TextFile::TextFile(const std::string& path) : path_(path) {
  check_regular(path);
  stream_ = std::make_unique<Stream>(path);
  if (stream_->file == nullptr) {
    fail_input("{}: cannot be opened: {}; check its permissions", path,
               std::generic_category().message(errno));
  }
  gzbuffer(stream_->file, 1U << 18);
}

TextFile::~TextFile() = default;

/// One more part into the buffer.
void TextFile::fill() {
  const size_t before = buffer_.size();
  buffer_.resize(before + kPart);
  const int got = gzread(stream_->file, buffer_.data() + before, static_cast<unsigned>(kPart));
  buffer_.resize(before + static_cast<size_t>(std::max(got, 0)));
  if (got == static_cast<int>(kPart)) return;
  // A truncated stream gives its last bytes first and then nothing: only gzerror tells.
  int error = Z_OK;
  const char* reason = gzerror(stream_->file, &error);
  if (error != Z_OK && error != Z_STREAM_END) {
    fail_input("{}: cannot be read after byte {} of the text: {}; copy the file again", path_,
               position_ + static_cast<int64_t>(buffer_.size()),
               error == Z_ERRNO ? std::generic_category().message(errno) : reason);
  }
  ended_ = true;
}

size_t best_cut(std::string_view text) {
  for (const char mark : {'\n', ' '}) {
    const size_t found = text.rfind(mark);
    if (found != std::string_view::npos) return found + 1;
  }
  // Behind the last whole character; the bytes of one not yet whole are at most three.
  size_t begin = text.size();
  while (begin > 0 && text.size() - begin < 4 && (text[begin - 1] & 0xC0) == 0x80) --begin;
  if (begin <= 1) return text.size();
  --begin;
  return utf8_at(text, static_cast<int64_t>(begin)).size > 0 ? text.size() : begin;
}

std::string_view TextFile::next() {
  position_ += static_cast<int64_t>(given_);
  buffer_.erase(0, given_);
  given_ = 0;
  const bool first = position_ == 0;
  while (!ended_ && (buffer_.size() < kPart ||
                     (buffer_.find('\n') == std::string::npos && buffer_.size() < kLongestLine))) {
    fill();
  }
  given_ = ended_ ? buffer_.size() : best_cut(buffer_);
  std::string_view part = std::string_view(buffer_).substr(0, given_);
  check_text(part, path_, position_);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (first && part.starts_with(kByteOrderMark)) {
    part.remove_prefix(kByteOrderMark.size());
    // An empty part means the end, and this is not the end unless the file is.
    if (part.empty() && !ended_) return next();
  }
  return part;
}

FileSum sum_of_file(const std::string& path) {
  check_regular(path);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (file == nullptr) {
    fail_input("{}: cannot be opened: {}; check its permissions", path,
               std::generic_category().message(errno));
  }
  std::vector<unsigned char> bytes(kPart);
  uLong crc = crc32(0, nullptr, 0);
  FileSum sum;
  while (true) {
    const size_t got = std::fread(bytes.data(), 1, bytes.size(), file.get());
    if (got == 0) break;
    crc = crc32(crc, bytes.data(), static_cast<uInt>(got));
    sum.size += static_cast<int64_t>(got);
  }
  if (std::ferror(file.get()) != 0) fail_input("{}: cannot be read; check the disk", path);
  sum.crc = static_cast<uint32_t>(crc);
  return sum;
}

}  // namespace gmlp
