#include "data/tasks/sentences.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "core/io/file.h"
#include "data/text/utf8.h"

namespace gmlp {

namespace {

using Fields = std::vector<std::string_view>;

Fields split_tabs(std::string_view line) {
  Fields fields;
  for (size_t begin = 0;;) {
    const size_t tab = line.find('\t', begin);
    fields.push_back(line.substr(begin, tab - begin));
    if (tab == std::string_view::npos) return fields;
    begin = tab + 1;
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
  const std::string text = read_text(path);
  check_lines(text, path);
  std::string_view rest = text;
  if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());
  if (rest.empty()) fail_input("{}: the file is empty; its first line names the columns", path);
  bool crlf = false;
  size_t width = 0;
  std::vector<size_t> indices;
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    const bool ended = end != std::string_view::npos;  // the last line may lack its end
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(ended ? end + 1 : rest.size());
    const bool returns = line.ends_with('\r');
    if (number == 1) crlf = returns;
    if (returns != crlf && (ended || returns)) {
      fail_input("{}: line {} ends with {}, the first line with {}; use one of them throughout",
                 path, number, returns ? "CR LF" : "LF", returns ? "LF" : "CR LF");
    }
    if (returns) line.remove_suffix(1);
    if (line.empty()) fail_input("{}: line {} is empty; remove it", path, number);
    const Fields fields = split_tabs(line);
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

// MNLI's mark for a pair on which no three of five annotators agreed (Williams et al. 2018).
constexpr std::string_view kNoGoldLabel = "-";

}  // namespace

SentenceSet read_sentences(Task task, const std::string& path, const std::string& name,
                           bool labelled) {
  const bool pairs = task == Task::kMnli;
  std::vector<std::string> columns = {"sentence"};
  if (pairs) columns = {"sentence1", "sentence2"};
  const size_t sentences = columns.size();
  if (labelled) columns.emplace_back(pairs ? "gold_label" : "label");
  const std::vector<std::string>& labels = task_labels(task);
  SentenceSet set;
  set.name = name;
  set.path = path;
  read_tsv(path, columns, [&](const Fields& fields, int64_t line) {
    if (labelled && pairs && fields.back() == kNoGoldLabel) {
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
    if (labelled) {
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
    fail_input("{}: no {}examples; is the download complete?", path, labelled ? "labelled " : "");
  }
  return set;
}

SentenceSplits open_sentences(Task task, const std::string& folder, bool with_train) {
  const std::filesystem::path root = folder;
  if (!std::filesystem::is_directory(root)) {
    fail_input("--data {}: no such folder; use the folder with {}'s tsv files", folder,
               task_name(task));
  }
  const bool mnli = task == Task::kMnli;
  const auto read = [&](const char* file, const char* name) {
    return read_sentences(task, (root / file).string(), name, true);
  };
  SentenceSplits splits;
  if (with_train) splits.train = read("train.tsv", "train");
  splits.dev.push_back(mnli ? read("dev_matched.tsv", "matched") : read("dev.tsv", "dev"));
  if (mnli && std::filesystem::exists(root / "dev_mismatched.tsv")) {
    splits.dev.push_back(read("dev_mismatched.tsv", "mismatched"));
  } else if (mnli) {
    splits.notes.push_back(folder + ": no dev_mismatched.tsv, so only the matched set is scored");
  }
  std::vector<const SentenceSet*> sets = {&splits.train};
  for (const SentenceSet& set : splits.dev) sets.push_back(&set);
  for (const SentenceSet* set : sets) {
    if (set->skipped == 0) continue;
    splits.notes.push_back(
        fmt::format("{}: {} pairs without a gold label ('-') skipped", set->path, set->skipped));
  }
  return splits;
}

}  // namespace gmlp
