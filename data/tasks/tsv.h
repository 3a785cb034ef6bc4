#pragma once
// GLUE's tab-separated files: a line of column names, then lines with as many fields. No quoting:
// a quotation mark is a character like any other.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

class TsvFile {
 public:
  /// Reads the whole file, and all of it is checked at once: UTF-8, no NUL, one kind of line end
  /// (\n or \r\n) throughout, no empty line, every line as many fields as there are columns, no
  /// column twice. A byte order mark is skipped. Throws InputError naming file, line and remedy.
  explicit TsvFile(const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<std::string>& columns() const { return columns_; }
  /// -1 where there is no such column.
  int64_t find(const std::string& column) const;
  /// Throws InputError naming the columns that there are.
  int64_t column(const std::string& column) const;

  int64_t rows() const { return static_cast<int64_t>(line_begins_.size()) - 1; }
  /// The text of one field; it lives as long as the file.
  std::string_view field(int64_t row, int64_t column) const;
  /// field(), which must hold more than white space: else InputError.
  std::string_view sentence(int64_t row, int64_t column) const;
  /// A row's line number in the file, for messages: the header is line 1.
  static int64_t line(int64_t row) { return row + 2; }

 private:
  void split_lines();
  void check_fields() const;

  std::string path_;
  std::string text_;
  std::vector<std::string> columns_;
  std::vector<int64_t> line_begins_;  // of every row, and the text's end
  int64_t line_end_bytes_ = 1;        // 2 with \r\n
};

}  // namespace gmlp
