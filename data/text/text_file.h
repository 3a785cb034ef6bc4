#pragma once
// A text file, plain or gzip'd, read in parts of about a mebibyte so that memory does not grow with
// the file.

#include <functional>
#include <string>
#include <string_view>

namespace gmlp {

/// Calls `use` with each part of the text, in order. A part is UTF-8 without NUL. It ends after a
/// newline, or within a line of more than 16 MiB after a space or a character. The concatenated
/// parts are the text as stored, without a byte order mark. Throws InputError naming file and byte.
void read_text_parts(const std::string& path,
                     const std::function<void(std::string_view part)>& use);

/// The best place to cut the text: after its last newline, else after its last space, else before a
/// last character that is incomplete, else text.size().
size_t best_cut(std::string_view text);

}  // namespace gmlp
