#include "data/tasks/sentences.h"

#include <algorithm>

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

using Fields = std::vector<std::string_view>;

Fields split(std::string_view text, char separator) {
  Fields fields;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    fields.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return fields;
    begin = end + 1;
  }
}

/// Returns the indices of `columns` in the header.
std::vector<size_t> find_columns(const Fields& header, const std::vector<std::string>& columns,
                                 const std::string& path) {
  for (auto it = header.begin(); it != header.end(); ++it) {
    if (it->empty()) {
      fail_input("{}: line 1: column {} has no name; name every column in the first line", path,
                 it - header.begin() + 1);
    }
    if (std::find(header.begin(), it, *it) != it) {
      fail_input("{}: line 1: two columns are called '{}'; remove one", path, printable(*it));
    }
  }
  std::vector<size_t> indices;
  for (const std::string& column : columns) {
    const auto found = std::find(header.begin(), header.end(), column);
    if (found == header.end()) {
      fail_input("{}: line 1: no column '{}', only {}; is this the right task's file?", path,
                 column, printable(fmt::format("{}", fmt::join(header, ", "))));
    }
    indices.push_back(static_cast<size_t>(found - header.begin()));
  }
  return indices;
}

/// Calls `use` with each line's fields of `columns`, in this order, and the line's number (from 2).
/// The file must be UTF-8 without NUL, all its lines end alike (\n or \r\n), and none is empty.
/// There is no quoting: a quotation mark is an ordinary character.
void read_tsv(const std::string& path, const std::vector<std::string>& columns,
              const std::function<void(const Fields& fields, int64_t line)>& use) {
  const std::string text = read_utf8(path);
  if (text.empty()) fail_input("{}: the file is empty; its first line names the columns", path);
  const Fields lines = split(text, '\n');
  const bool crlf = lines[0].ends_with('\r');
  size_t width = 0;
  std::vector<size_t> indices;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    const bool ended = i + 1 < lines.size();  // the last line may lack its end
    if (!ended && line.empty()) break;
    const int64_t number = static_cast<int64_t>(i) + 1;
    const bool returns = line.ends_with('\r');
    if (returns != crlf && (ended || returns)) {
      fail_input("{}: line {} ends with {}, the first line with {}; use one of them throughout",
                 path, number, returns ? "CR LF" : "LF", returns ? "LF" : "CR LF");
    }
    if (returns) line.remove_suffix(1);
    if (line.empty()) fail_input("{}: line {} is empty; remove it", path, number);
    const Fields fields = split(line, '\t');
    if (number == 1) {
      width = fields.size();
      indices = find_columns(fields, columns, path);
      continue;
    }
    if (fields.size() != width) {
      fail_input("{}: line {} has {} fields, the first line {}; a tab is missing or too many", path,
                 number, fields.size(), width);
    }
    Fields chosen;
    for (const size_t index : indices) chosen.push_back(fields[index]);
    use(chosen, number);
  }
}

}  // namespace

SentenceSet read_sentences(Task task, const std::string& path, bool labeled) {
  std::vector<std::string> columns = task_facts(task).columns;
  const size_t sentences = columns.size() - 1;
  const bool pairs = sentences == 2;
  if (!labeled) columns.pop_back();
  const std::vector<std::string>& labels = task_labels(task);
  SentenceSet set;
  read_tsv(path, columns, [&](const Fields& fields, int64_t line) {
    if (labeled && pairs && fields.back() == "-") {
      ++set.skipped;
      return;
    }
    for (size_t i = 0; i < sentences; ++i) {
      if (!trimmed(fields[i]).empty()) continue;
      fail_input("{}: line {}: column '{}' is empty; add its text or remove the line", path, line,
                 columns[i]);
    }
    SentenceExample example;
    example.first = fields[0];
    if (pairs) example.second = fields[1];
    if (labeled) {
      const auto label = std::find(labels.begin(), labels.end(), fields.back());
      if (label == labels.end()) {
        fail_input("{}: line {}: label '{}' is none of {}; is this a file of {}?", path, line,
                   printable(fields.back()), fmt::join(labels, ", "), task_name(task));
      }
      example.label = label - labels.begin();
    }
    set.examples.push_back(std::move(example));
  });
  if (set.examples.empty()) {
    fail_input("{}: no {}examples; is the download complete?", path, labeled ? "labeled " : "");
  }
  return set;
}

std::vector<int64_t> encode_sentences(const Tokenizer& tokenizer, std::string_view first,
                                      std::string_view second, int64_t tokens) {
  check_task_tokens(tokenizer);
  const bool pair = !second.empty();
  const int64_t marks = pair ? 3 : 2;
  if (tokens <= marks) {
    fail_input("sequences of {} tokens are too short for text; use a model of at least {}", tokens,
               marks + 1);
  }
  std::vector<int64_t> a = tokenizer.encode_ids(first);
  std::vector<int64_t> b = tokenizer.encode_ids(second);
  while (static_cast<int64_t>(a.size() + b.size()) > tokens - marks) {
    (a.size() > b.size() ? a : b).pop_back();
  }
  const SpecialIds special = tokenizer.special();
  std::vector<int64_t> ids = {special.cls};
  ids.insert(ids.end(), a.begin(), a.end());
  ids.push_back(special.sep);
  ids.insert(ids.end(), b.begin(), b.end());
  if (pair) ids.push_back(special.sep);
  ids.resize(static_cast<size_t>(tokens), special.pad);
  return ids;
}

SentenceRows::SentenceRows(const SentenceSet& set, const Tokenizer& tokenizer, int64_t tokens,
                           const std::function<void()>& check_stop)
    : tokens_(tokens), pad_(tokenizer.special().pad) {
  for (const SentenceExample& example : set.examples) {
    if (check_stop) check_stop();
    std::vector<int64_t> ids = encode_sentences(tokenizer, example.first, example.second, tokens);
    while (ids.back() == pad_) ids.pop_back();  // text never becomes a pad
    rows_.push_back({{ids.begin(), ids.end()}, example.label});
  }
}

void SentenceRows::write_ids(int64_t row, int64_t* ids) const {
  const std::vector<int32_t>& stored = rows_[static_cast<size_t>(row)].ids;
  std::fill(std::copy(stored.begin(), stored.end(), ids), ids + tokens_, pad_);
}

void SentenceRows::write_target(int64_t row, int64_t* target) const {
  *target = rows_[static_cast<size_t>(row)].label;
}

}  // namespace gmlp
