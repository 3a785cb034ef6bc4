#include "data/tasks/tsv.h"

#include <algorithm>

#include "core/error.h"
#include "core/io/file.h"
#include "data/text/utf8.h"

namespace gmlp {

namespace {

std::vector<std::string> split_tabs(std::string_view line) {
  std::vector<std::string> fields;
  for (size_t begin = 0;;) {
    const size_t tab = line.find('\t', begin);
    fields.emplace_back(line.substr(begin, tab - begin));
    if (tab == std::string_view::npos) return fields;
    begin = tab + 1;
  }
}

void check_columns(const std::vector<std::string>& columns, const std::string& path) {
  for (auto it = columns.begin(); it != columns.end(); ++it) {
    if (it->empty()) {
      fail_input("{}: line 1: column {} has no name; name every column in the first line", path,
                 it - columns.begin() + 1);
    }
    if (std::find(columns.begin(), it, *it) != it) {
      fail_input("{}: line 1: two columns are called '{}'; remove one", path, printable(*it));
    }
  }
}

}  // namespace

TsvFile::TsvFile(const std::string& path) : path_(path), text_(read_text(path)) {
  check_lines(text_, path);
  split_lines();
  check_columns(columns_, path_);
  check_fields();
}

/// Finds the lines, and takes the first for the header.
void TsvFile::split_lines() {
  const int64_t mark = text_.starts_with(kByteOrderMark) ? 3 : 0;
  if (static_cast<int64_t>(text_.size()) == mark) {
    fail_input("{}: the file is empty; its first line names the columns", path_);
  }
  // The last line may or may not be ended; ended here, all lines are alike.
  if (text_.back() != '\n') {
    const size_t end = text_.find('\n');
    const bool returns = end != std::string::npos && end > 0 && text_[end - 1] == '\r';
    text_ += returns ? "\r\n" : "\n";
  }
  const size_t first_end = text_.find('\n');
  line_end_bytes_ = first_end > 0 && text_[first_end - 1] == '\r' ? 2 : 1;
  const size_t header_end = first_end + 1 - static_cast<size_t>(line_end_bytes_);
  columns_ = split_tabs(std::string_view(text_).substr(static_cast<size_t>(mark),
                                                       header_end - static_cast<size_t>(mark)));
  for (size_t begin = first_end + 1; begin < text_.size();) {
    line_begins_.push_back(static_cast<int64_t>(begin));
    begin = text_.find('\n', begin) + 1;
  }
  line_begins_.push_back(static_cast<int64_t>(text_.size()));
}

void TsvFile::check_fields() const {
  const int64_t wanted = static_cast<int64_t>(columns_.size());
  for (int64_t row = 0; row < rows(); ++row) {
    const size_t begin = static_cast<size_t>(line_begins_[static_cast<size_t>(row)]);
    const size_t end = static_cast<size_t>(line_begins_[static_cast<size_t>(row) + 1]) - 1;
    const std::string_view text = std::string_view(text_).substr(begin, end - begin);
    const bool returns = !text.empty() && text.back() == '\r';
    if (returns != (line_end_bytes_ == 2)) {
      fail_input("{}: line {} ends with {}, the first line with {}; use one of them throughout",
                 path_, line(row), returns ? "CR LF" : "LF", returns ? "LF" : "CR LF");
    }
    if (text.size() < static_cast<size_t>(line_end_bytes_)) {
      fail_input("{}: line {} is empty; remove it", path_, line(row));
    }
    const int64_t found = std::count(text.begin(), text.end(), '\t') + 1;
    if (found != wanted) {
      fail_input("{}: line {} has {} fields, the first line {}; a tab is missing or too many",
                 path_, line(row), found, wanted);
    }
  }
}

int64_t TsvFile::find(const std::string& column) const {
  const auto it = std::find(columns_.begin(), columns_.end(), column);
  return it == columns_.end() ? -1 : it - columns_.begin();
}

int64_t TsvFile::column(const std::string& column) const {
  const int64_t index = find(column);
  if (index < 0) {
    fail_input("{}: line 1: no column '{}', only {}; is this the right task's file?", path_, column,
               printable(fmt::format("{}", fmt::join(columns_, ", "))));
  }
  return index;
}

std::string_view TsvFile::field(int64_t row, int64_t column) const {
  const size_t first = static_cast<size_t>(line_begins_[static_cast<size_t>(row)]);
  const size_t last =
      static_cast<size_t>(line_begins_[static_cast<size_t>(row) + 1] - line_end_bytes_);
  std::string_view rest = std::string_view(text_).substr(first, last - first);
  for (int64_t i = 0; i < column; ++i) rest.remove_prefix(rest.find('\t') + 1);
  return rest.substr(0, rest.find('\t'));
}

std::string_view TsvFile::sentence(int64_t row, int64_t column) const {
  const std::string_view text = field(row, column);
  if (trimmed(text).empty()) {
    fail_input("{}: line {}: column '{}' is empty; give it text or remove the line", path_,
               line(row), columns_[static_cast<size_t>(column)]);
  }
  return text;
}

}  // namespace gmlp
