#pragma once
// A text file in parts of about a mebibyte, plain or gzip'd, so that memory does not grow with it.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gmlp {

/// Parts are UTF-8 without NUL and end behind a newline, or, where a line is very long, behind a
/// space or a character; a byte order mark at the start is left out. Put together, they are the
/// text, carriage returns and all. Throws InputError naming file and byte.
class TextFile {
 public:
  explicit TextFile(const std::string& path);
  ~TextFile();
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;

  /// The next part, valid until the next call; empty at the end.
  std::string_view next();

 private:
  void fill();

  struct Stream;
  std::unique_ptr<Stream> stream_;
  std::string path_;
  std::string buffer_;
  size_t given_ = 0;      // bytes of the buffer that the last call returned
  int64_t position_ = 0;  // of the buffer's start in the text
  bool ended_ = false;
};

/// Where a cut after at most text.size() bytes is best: behind the last newline, space or character
/// of UTF-8, in this order; text.size() where there is none.
size_t best_cut(std::string_view text);

/// CRC-32 of the file as it lies on the disk, and its size.
struct FileSum {
  uint32_t crc = 0;
  int64_t size = 0;
};
FileSum sum_of_file(const std::string& path);

}  // namespace gmlp
