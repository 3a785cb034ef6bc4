#pragma once
// UTF-8 text, by the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF.
// And the reader of plain and gzip'd files, whatever is in them.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gmlp {

struct Utf8Char {
  char32_t code = 0;
  int64_t size = 0;  ///< in bytes; 0 if the bytes are not a character
};

/// The character that begins at byte `at`, which must be inside `text`.
Utf8Char utf8_at(std::string_view text, int64_t at);

/// True for the bytes 10xxxxxx, which continue a character.
inline bool is_continuation(char byte) {
  return (byte & 0xC0) == 0x80;
}

/// The position of the first byte that is not part of a character, or text.size().
int64_t valid_utf8_prefix(std::string_view text);
inline bool is_utf8(std::string_view text) {
  return valid_utf8_prefix(text) == std::ssize(text);
}

/// Throws InputError, naming `what` and the byte from `base`, unless `text` is UTF-8 without NUL.
void check_text(std::string_view text, const std::string& what, int64_t base = 0);

void append_utf8(std::string& text, char32_t code);

/// `bytes` with U+FFFD for each byte that is not part of a character.
std::string replace_invalid_utf8(std::string_view bytes);

std::string replace_all(std::string text, std::string_view from, std::string_view to);

/// `text` without the ASCII white space at its ends. A no-break space is text.
std::string_view trimmed(std::string_view text);

/// Counts what is left out because it cannot be used: lines of text, rows, questions or images.
struct BadRows {
  int64_t allowed = 0;  // --skip-bad
  const char* what = "rows";
  int64_t count = 0;
  std::string first = {};  // the error of the first one

  /// Calls `read`, which reads a row and throws InputError if the row is to be left out. Throws
  /// that error once more than `allowed` are left out.
  void attempt(const std::function<void()>& read);
  /// "3 bad rows left out; the first: ...", or empty.
  std::string note() const;
};

/// Calls `use` with the bytes of a file in order, a mebibyte at a time. The file is plain or
/// gzip'd, which zlib checks; "-" is standard input. Throws InputError naming file and byte.
void read_parts(const std::string& path, const std::function<void(std::string_view part)>& use);

/// read_parts for text, so that memory does not grow with the file. A part is UTF-8 without NUL. It
/// ends after a newline, or within a line of more than 16 MiB after a space or a character.
/// The concatenated parts are the text as stored, without a byte order mark. Throws InputError
/// naming file and byte, unless `bad` can leave out the line.
void read_text_parts(const std::string& path, const std::function<void(std::string_view part)>& use,
                     BadRows* bad = nullptr);

/// The best place to cut the text: after its last newline, else after its last space, else before a
/// last character that is incomplete, else text.size().
size_t best_cut(std::string_view text);

}  // namespace gmlp
