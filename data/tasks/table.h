#pragma once
// Tables of examples, with named columns:
//
//   .csv              fields separated by commas, or by semicolons if the first line has no comma;
//                     "quoted" fields may hold separators, line ends and doubled quotation marks
//   .jsonl, .ndjson   a JSON object per line; its keys are the columns
//   any other         fields separated by tabs; a quotation mark is an ordinary character

#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

class TableReader {
 public:
  /// Reads the file, which must be UTF-8 without NUL, and the names of its columns. Throws
  /// InputError that names the file.
  explicit TableReader(const std::string& path);
  /// The names in the first line. In JSON, the keys of the first object.
  const std::vector<std::string>& columns() const { return columns_; }
  /// Chooses what next() returns. Throws InputError if a column is absent or there twice.
  void select(const std::vector<std::string>& columns);
  /// The next row's fields in the order of select(), or false at the end. Throws InputError for a
  /// row that cannot be used. The call after that goes on behind it.
  bool next(std::vector<std::string>& fields);
  /// "FILE: line 7", the last row's first line.
  std::string place() const;

 private:
  enum class Format { kTabs, kCsv, kJson };
  std::string_view rest_of_line() const;
  std::string_view take_line();
  std::vector<std::string> take_fields(size_t most, size_t& count);

  std::string path_;
  std::string text_;
  Format format_;
  char separator_ = '\t';
  std::vector<std::string> columns_;
  std::vector<std::string> selected_;
  std::vector<size_t> indices_;  // of selected_ in columns_
  size_t at_ = 0;                // the byte behind the last row
  int64_t line_ = 1;             // in which it lies
  int64_t row_line_ = 1;
};

}  // namespace gmlp
