#include "data/tasks/table.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

constexpr size_t kMostColumns = 1 << 16;

}  // namespace

TableReader::TableReader(const std::string& path) : path_(path), text_(read_text(path)) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // a byte order mark
  const bool json = path.ends_with(".jsonl") || path.ends_with(".ndjson");
  format_ = json ? Format::kJson : path.ends_with(".csv") ? Format::kCsv : Format::kTabs;
  if (at_ == text_.size()) {
    fail_input("{}: the file is empty; its first line names the columns", path);
  }
  const std::string_view first = rest_of_line();
  check_text(first, place());
  if (json) {
    const nlohmann::ordered_json row = parse_json(first, place());
    for (const auto& [key, value] : row.items()) columns_.push_back(key);
    return;
  }
  if (format_ == Format::kCsv) {
    separator_ = first.find(',') == first.npos && first.find(';') != first.npos ? ';' : ',';
  }
  size_t count = 0;
  columns_ = take_fields(kMostColumns, count);
  if (count <= kMostColumns) return;
  fail_input("{}: has {} columns, more than {}; is it a table?", place(), count, kMostColumns);
}

std::string TableReader::place() const {
  return fmt::format("{}: line {}", path_, row_line_);
}

void TableReader::select(const std::vector<std::string>& columns) {
  selected_ = columns;
  indices_.clear();
  for (const std::string& column : columns) {
    const auto found = std::find(columns_.begin(), columns_.end(), column);
    if (found == columns_.end()) {
      fail_input("{}: line 1: no column '{}', only {}; is this the right task's file?", path_,
                 printable(column), printable(fmt::format("{}", fmt::join(columns_, ", "))));
    }
    if (std::find(found + 1, columns_.end(), column) != columns_.end()) {
      fail_input("{}: line 1: two columns are called '{}'; remove one", path_, printable(column));
    }
    indices_.push_back(static_cast<size_t>(found - columns_.begin()));
  }
}

std::string_view TableReader::rest_of_line() const {
  return std::string_view(text_).substr(at_, text_.find('\n', at_) - at_);
}

std::string_view TableReader::take_line() {
  const std::string_view line = rest_of_line();
  at_ = std::min(at_ + line.size() + 1, text_.size());
  ++line_;
  return line;
}

/// The fields of the next row, at most `most` of them, and their number.
std::vector<std::string> TableReader::take_fields(size_t most, size_t& count) {
  std::vector<std::string> fields(1);
  count = 1;
  bool quoted = false;
  bool ended = false;
  for (; at_ < text_.size() && !ended; ++at_) {
    const char c = text_[at_];
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\n';
    if (c == '\n') ++line_;
    if (c == '"' && (quoted || (format_ == Format::kCsv && fields.back().empty()))) {
      const bool doubled = quoted && next == '"';
      if (doubled) ++at_;
      if (doubled && count <= most) fields.back() += '"';
      if (!doubled) quoted = !quoted;
    } else if (!quoted && c == separator_) {
      if (++count <= most) fields.emplace_back();
    } else if (!quoted && c == '\n') {
      ended = true;
    } else if ((quoted || c != '\r' || next != '\n') && count <= most) {
      fields.back() += c;
    }
  }
  if (quoted) fail_input("{}: a quotation mark is not closed; add or double it", place());
  return fields;
}

bool TableReader::next(std::vector<std::string>& fields) {
  row_line_ = line_;
  bool blank = trimmed(rest_of_line()).empty();
  for (; blank && format_ != Format::kTabs && at_ < text_.size(); row_line_ = line_) {
    take_line();
    blank = trimmed(rest_of_line()).empty();
  }
  if (at_ == text_.size()) return false;
  const size_t begin = at_;
  fields.clear();
  if (format_ == Format::kJson) {
    constexpr size_t kMostBytes = 4 << 20;
    const std::string_view line = take_line();
    if (line.size() > kMostBytes) fail_input("{} is longer than 4 MiB; shorten it", place());
    check_text(line, place(), static_cast<int64_t>(begin));
    const nlohmann::ordered_json row = parse_json(line, place());
    for (const std::string& column : selected_) {
      const bool there = row.is_object() && row.contains(column);
      const nlohmann::ordered_json value = there ? row.at(column) : nlohmann::ordered_json();
      if (!there || value.is_null() || value.is_structured()) {
        fail_input("{} has no text or number '{}'; add it", place(), printable(column));
      }
      fields.push_back(value.is_string() ? value.get<std::string>() : value.dump());
    }
    return true;
  }
  size_t count = 0;
  const std::vector<std::string> all = take_fields(columns_.size(), count);
  check_text(std::string_view(text_).substr(begin, at_ - begin), place(),
             static_cast<int64_t>(begin));
  if (blank && count < columns_.size()) fail_input("{} is empty; remove it", place());
  if (count != columns_.size()) {
    fail_input("{} has {} fields, the first line {}; a separator is missing or too many", place(),
               count, columns_.size());
  }
  for (const size_t index : indices_) fields.push_back(all[index]);
  return true;
}

}  // namespace gmlp
