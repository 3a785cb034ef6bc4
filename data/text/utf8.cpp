#include "data/text/utf8.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>

#include <unistd.h>
#include <utf8proc.h>
#include <zlib.h>

#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kPart = size_t{1} << 20;
constexpr size_t kLongestLine = 16 * kPart;  // a longer line is cut

std::string name_of(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

/// `part` without the lines that are not UTF-8 text; it begins at byte `position` of the file.
std::string good_lines(std::string_view part, const std::string& name, int64_t position,
                       BadRows& bad) {
  std::string good;
  while (!part.empty()) {
    const std::string_view line = part.substr(0, std::min(part.find('\n'), part.size() - 1) + 1);
    bad.attempt([&] {
      check_text(line, name, position);
      good += line;
    });
    position += std::ssize(line);
    part.remove_prefix(line.size());
  }
  return good;
}

}  // namespace

void BadRows::attempt(const std::function<void()>& read) {
  try {
    read();
  } catch (const InputError& error) {
    if (count++ == 0) first = error.what();
    if (count <= allowed) return;
    const std::string more = allowed == 0 ? "" : fmt::format("more than {} ", allowed);
    fail_input("{}, or leave out {}such {} with --skip-bad N", error.what(), more, what);
  }
}

std::string BadRows::note() const {
  return count == 0 ? "" : fmt::format("{} bad {} left out; the first: {}", count, what, first);
}

Utf8Char utf8_at(std::string_view text, int64_t at) {
  const utf8proc_uint8_t* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  utf8proc_int32_t code = 0;
  const int64_t size = utf8proc_iterate(bytes + at, std::ssize(text) - at, &code);
  return size <= 0 ? Utf8Char{} : Utf8Char{static_cast<char32_t>(code), size};
}

int64_t valid_utf8_prefix(std::string_view text) {
  const int64_t size = std::ssize(text);
  for (int64_t at = 0; at < size;) {
    // Most text is ASCII: eight bytes at once while no top bit is set.
    uint64_t eight = 0x80;
    if (at + 8 <= size) std::memcpy(&eight, text.data() + at, 8);
    const bool ascii = (eight & 0x8080808080808080U) == 0;
    const int64_t length = ascii ? 8 : utf8_at(text, at).size;
    if (length == 0) return at;
    at += length;
  }
  return size;
}

void check_text(std::string_view text, const std::string& what, int64_t base) {
  const size_t valid = static_cast<size_t>(valid_utf8_prefix(text));
  const size_t at = std::min(text.find('\0'), valid);
  if (at == text.size()) return;
  const int64_t byte = base + static_cast<int64_t>(at);
  refuse_if(at < valid, "{}: byte {} is NUL; convert the file to UTF-8 text", what, byte);
  const bool utf16 = byte == 0 && (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"));
  fail_input("{}: byte {} ({:#04x}) is not UTF-8; convert it, e.g. with `iconv -f {} -t UTF-8`",
             what, byte, static_cast<unsigned char>(text[at]), utf16 ? "UTF-16" : "WINDOWS-1252");
}

void append_utf8(std::string& text, char32_t code) {
  utf8proc_uint8_t bytes[4];
  const int64_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  text.append(bytes, bytes + size);
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (true) {
    const size_t valid = static_cast<size_t>(valid_utf8_prefix(bytes));
    text.append(bytes.substr(0, valid));
    if (valid == bytes.size()) return text;
    append_utf8(text, 0xFFFD);
    bytes.remove_prefix(valid + 1);
  }
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\n\r\v\f";
  const size_t first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

size_t best_cut(std::string_view text) {
  for (const char mark : {'\n', ' '}) {
    const size_t found = text.rfind(mark);
    if (found != std::string_view::npos) return found + 1;
  }
  // A character has at most four bytes.
  const size_t valid = static_cast<size_t>(valid_utf8_prefix(text));
  return valid > 0 && text.size() - valid < 4 ? valid : text.size();
}

void read_parts(const std::string& path, const std::function<void(std::string_view part)>& use) {
  // zlib decompresses a file that begins like gzip (.dz, too), and reads any other file as it is.
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(
      gzdopen(path == "-" ? dup(STDIN_FILENO) : open_input(path), "rbe"), gzclose_r);
  if (file == nullptr) throw std::bad_alloc();
  gzbuffer(file.get(), 1U << 18);
  std::string part(kPart, '\0');
  int64_t position = 0;
  for (size_t count = kPart; count == kPart;) {
    const int result = gzread(file.get(), part.data(), static_cast<unsigned>(kPart));
    count = static_cast<size_t>(std::max(result, 0));
    position += static_cast<int64_t>(count);
    // For a truncated stream gzread returns its last bytes and then 0. Only gzerror reports it.
    int error = Z_OK;
    std::string_view reason = gzerror(file.get(), &error);
    if (reason.starts_with("<fd:")) reason.remove_prefix(reason.find(": ") + 2);
    const bool interrupted = error == Z_ERRNO && errno == EINTR;  // then the caller ends
    if (count < kPart && error != Z_OK && error != Z_STREAM_END && !interrupted) {
      fail_input("{}: cannot be read after byte {}: {}; copy the file again", name_of(path),
                 position,
                 error == Z_ERRNO ? std::generic_category().message(errno) : std::string(reason));
    }
    use(std::string_view(part).substr(0, count));
  }
}

void read_text_parts(const std::string& path, const std::function<void(std::string_view part)>& use,
                     BadRows* bad) {
  const std::string name = name_of(path);
  std::string buffer;
  int64_t position = 0;  // of the buffer's first byte in the text
  const auto use_part = [&](size_t size) {
    std::string_view part = std::string_view(buffer).substr(0, size);
    std::string good;
    if (bad == nullptr) {
      check_text(part, name, position);
    } else {
      part = good = good_lines(part, name, position, *bad);
    }
    if (position == 0 && part.starts_with(kByteOrderMark)) {
      part.remove_prefix(kByteOrderMark.size());
    }
    if (!part.empty()) use(part);
    position += static_cast<int64_t>(size);
    buffer.erase(0, size);
  };
  read_parts(path, [&](std::string_view bytes) {
    buffer += bytes;
    const bool whole = buffer.find('\n') != std::string::npos || buffer.size() >= kLongestLine;
    if (whole) use_part(best_cut(buffer));
  });
  use_part(buffer.size());
}

}  // namespace gmlp
