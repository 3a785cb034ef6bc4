#include "data/text/text_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include <zlib.h>

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

constexpr size_t kPart = size_t{1} << 20;
constexpr size_t kLongestLine = 16 * kPart;  // a longer line is cut

// zlib decompresses a file that begins like gzip (.dz too, which is gzip with an index), and reads
// any other file as it is.
using GzipFile = std::unique_ptr<gzFile_s, int (*)(gzFile)>;

GzipFile open_text(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) fail_input("{}: does not exist; check the path", path);
  if (std::filesystem::is_directory(status)) fail_input("{}: is a folder; name text files", path);
  if (!std::filesystem::is_regular_file(status)) {
    fail_input("{}: is not a regular file; store the text in a file first", path);
  }
  GzipFile file(gzopen(path.c_str(), "rbe"), gzclose_r);
  if (file == nullptr) {
    fail_input("{}: cannot be opened: {}; check its permissions", path,
               std::generic_category().message(errno));
  }
  gzbuffer(file.get(), 1U << 18);
  return file;
}

/// Appends up to kPart bytes to `buffer`, which begins at byte `position` of the text. Returns
/// false at the end of the file.
bool read_more(gzFile file, const std::string& path, int64_t position, std::string& buffer) {
  const size_t before = buffer.size();
  buffer.resize(before + kPart);
  const int count = gzread(file, buffer.data() + before, static_cast<unsigned>(kPart));
  buffer.resize(before + static_cast<size_t>(std::max(count, 0)));
  if (count == static_cast<int>(kPart)) return true;
  // For a truncated stream gzread returns its last bytes and then 0. Only gzerror reports it.
  int error = Z_OK;
  const char* reason = gzerror(file, &error);
  if (error != Z_OK && error != Z_STREAM_END) {
    fail_input("{}: cannot be read after byte {} of the text: {}; copy the file again", path,
               position + static_cast<int64_t>(buffer.size()),
               error == Z_ERRNO ? std::generic_category().message(errno) : reason);
  }
  return false;
}

}  // namespace

size_t best_cut(std::string_view text) {
  for (const char mark : {'\n', ' '}) {
    const size_t found = text.rfind(mark);
    if (found != std::string_view::npos) return found + 1;
  }
  // A character has at most three continuation bytes.
  size_t begin = text.size();
  while (begin > 0 && text.size() - begin < 4 && is_continuation(text[begin - 1])) --begin;
  if (begin <= 1) return text.size();
  --begin;
  return utf8_at(text, static_cast<int64_t>(begin)).size > 0 ? text.size() : begin;
}

void read_text_parts(const std::string& path,
                     const std::function<void(std::string_view part)>& use) {
  const GzipFile file = open_text(path);
  std::string buffer;
  int64_t position = 0;  // of the buffer's first byte in the text
  for (bool more = true; more;) {
    more = read_more(file.get(), path, position, buffer);
    const bool whole = buffer.find('\n') != std::string::npos || buffer.size() >= kLongestLine;
    if (more && !whole) continue;
    const size_t size = more ? best_cut(buffer) : buffer.size();
    std::string_view part = std::string_view(buffer).substr(0, size);
    check_text(part, path, position);
    if (position == 0 && part.starts_with(kByteOrderMark)) {
      part.remove_prefix(kByteOrderMark.size());
    }
    if (!part.empty()) use(part);
    position += static_cast<int64_t>(size);
    buffer.erase(0, size);
  }
}

}  // namespace gmlp
