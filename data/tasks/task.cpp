// Facts and batches of all tasks; tables, the examples in their rows, and the rows of ids that
// these become.
#include "data/tasks/task.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <unordered_map>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/random.h"

namespace gmlp {
namespace {

const TaskFacts kTaskFacts[] = {
    {.task = Task::kSst2,
     .name = "sst2",
     .files = {{"train", "train.tsv"}, {"dev", "dev.tsv"}},
     .columns = {"sentence", "label"},
     .labels = {"0", "1"}},  // negative, positive
    {.task = Task::kMnli,
     .name = "mnli",
     .files = {{"train", "train.tsv"},
               {"matched", "dev_matched.tsv"},
               {"mismatched", "dev_mismatched.tsv"}},
     .columns = {"sentence1", "sentence2", "gold_label"},
     .labels = {"entailment", "neutral", "contradiction"}},
    {.task = Task::kSquad1,
     .name = "squad1",
     .files = {{"train", "train-v1.1.json"}, {"dev", "dev-v1.1.json"}}},
    {.task = Task::kSquad2,
     .name = "squad2",
     .files = {{"train", "train-v2.0.json"}, {"dev", "dev-v2.0.json"}}},
    {.task = Task::kClassify, .name = "classify", .files = {{"train", "train"}, {"val", "val"}}},
};

class TableReader {
 public:
  /// Reads the file and the names of its columns.
  explicit TableReader(const std::string& path) : path_(path), text_(read_text(path)) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // a byte order mark
    json_ = path.ends_with(".jsonl") || path.ends_with(".ndjson");
    csv_ = path.ends_with(".csv");
    const std::string_view first = rest_of_line();
    refuse_if(at_ == text_.size(), "{}: the file is empty; its first line names the columns", path);
    check_text(first, place());
    if (json_) {
      const Json row = parse_json(first, place());
      for (const auto& [key, value] : row.items()) columns_.push_back(key);
      return;
    }
    const bool semicolons = first.find(',') == first.npos && first.find(';') != first.npos;
    if (csv_) separator_ = semicolons ? ';' : ',';
    constexpr size_t kMostColumns = 1 << 16;
    columns_ = take_fields(kMostColumns);
    refuse_if(columns_.size() > kMostColumns, "{}: has more than {} columns; is it a table?",
              place(), kMostColumns);
  }

  const Names& columns() const { return columns_; }
  std::string place() const { return fmt::format("{}: line {}", path_, row_line_); }

  size_t index_of(const std::string& column) const {
    const auto count = std::ranges::count(columns_, column);
    refuse_if(count == 0, "{}: line 1: no column '{}', only {}; wrong file or --text-columns?",
              path_, printable(column), printable(fmt::format("{}", fmt::join(columns_, ", "))));
    refuse_if(count > 1, "{}: line 1: two columns are called '{}'; remove one", path_,
              printable(column));
    return static_cast<size_t>(std::ranges::find(columns_, column) - columns_.begin());
  }

  /// Whether there is another row. Only tabs have rows of nothing.
  bool find_row() {
    while ((json_ || csv_) && at_ < text_.size() && trimmed(rest_of_line()).empty()) take_line();
    row_line_ = line_;
    return at_ < text_.size();
  }

  /// The row's fields of these columns. If it throws, the next row is still the one behind it.
  Names take_row(const Names& columns, const std::vector<size_t>& indices) {
    const size_t first = at_;
    const int64_t begin = static_cast<int64_t>(first);
    if (json_) return json_fields(take_line(), begin, columns);
    Names all = take_fields(columns_.size());
    check_text(std::string_view(text_).substr(first, at_ - first), place(), begin);
    if (all.size() != columns_.size()) {
      fail_input("{} has {}{} fields, the first line {}; a separator is missing or too many",
                 place(), all.size(), all.size() > columns_.size() ? " or more" : "",
                 columns_.size());
    }
    Names fields;
    for (const size_t index : indices) fields.push_back(all[index]);
    return fields;
  }

 private:
  Names json_fields(std::string_view line, int64_t begin, const Names& columns) const {
    constexpr size_t kMostBytes = 4 << 20;
    if (line.size() > kMostBytes) fail_input("{} is longer than 4 MiB; shorten it", place());
    check_text(line, place(), begin);
    const Json row = parse_json(line, place());
    Names fields;
    for (const std::string& column : columns) {
      const auto value = row.find(column);
      if (value == row.end() || value->is_null() || value->is_structured()) {
        fail_input("{} has no text or number '{}'; add it", place(), printable(column));
      }
      fields.push_back(value->is_string() ? value->get<std::string>() : value->dump());
    }
    return fields;
  }

  std::string_view rest_of_line() const {
    return std::string_view(text_).substr(at_, text_.find('\n', at_) - at_);
  }

  std::string_view take_line() {
    const std::string_view line = rest_of_line();
    at_ = std::min(at_ + line.size() + 1, text_.size());
    ++line_;
    return line;
  }

  /// The fields of a row. After `most` of them the others are one that is empty.
  Names take_fields(size_t most) {
    Names fields(1);
    bool quoted = false;
    for (bool ended = false; at_ < text_.size() && !ended; ++at_) {
      const char c = text_[at_];
      const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\n';
      const bool stored = fields.size() <= most;
      if (c == '\n') ++line_;
      if (c == '"' && quoted && next == '"') {
        ++at_;
        if (stored) fields.back() += '"';
      } else if (c == '"' && (quoted || (csv_ && fields.back().empty()))) {
        quoted = !quoted;
      } else if (!quoted && c == separator_) {
        if (stored) fields.emplace_back();
      } else if (!quoted && c == '\n') {
        ended = true;
      } else if (stored && (quoted || c != '\r' || next != '\n')) {
        fields.back() += c;
      }
    }
    if (quoted) fail_input("{}: a quotation mark is not closed; add or double it", place());
    return fields;
  }

  std::string path_, text_;
  bool json_ = false, csv_ = false;
  char separator_ = '\t';
  Names columns_;
  size_t at_ = 0;         // the byte behind the last row
  int64_t line_ = 1;      // in which it lies
  int64_t row_line_ = 1;  // the last row's first line
};

/// The first of `wanted` that is among the names, whatever its case; or "".
std::string find_name(const Names& names, const Names& wanted) {
  for (const std::string& want : wanted) {
    for (const std::string& name : names) {
      const auto same = [](char a, char b) { return std::tolower(a) == b; };
      if (std::equal(name.begin(), name.end(), want.begin(), want.end(), same)) return name;
    }
  }
  return "";
}

}  // namespace

const TaskFacts& task_facts(const std::string& name) {
  for (const TaskFacts& facts : kTaskFacts) {
    if (name == facts.name) return facts;
  }
  fail_input("--task {}: no such task; choose sst2, mnli, squad1, squad2 or classify", name);
}

TaskRows::TaskRows(const Tokenizer& tokenizer, int64_t tokens)
    : tokens_(tokens), special_(tokenizer.special()) {
  if (special_.pad >= 0 && special_.cls >= 0 && special_.sep >= 0) return;
  fail_input("tokenizer {}: has no pad, cls or sep; train one with `gmlp-language tokenizer train`",
             tokenizer.kind());
}

TaskLoader::TaskLoader(const TaskRows& rows, const TaskLoaderOptions& options)
    : rows_(rows), options_(options) {
  refuse_if(options.train && rows.size() < options.batch_size,
            "--batch-size {} is more than the {} training examples; use a smaller one",
            options.batch_size, rows.size());
}

int64_t TaskLoader::batches_per_epoch() const {
  const int64_t extra = options_.train ? 0 : options_.batch_size - 1;
  return (rows_.size() + extra) / options_.batch_size;
}

TaskBatch TaskLoader::batch(int64_t epoch, int64_t index) {
  if (order_epoch_ != epoch) {
    order_.resize(static_cast<size_t>(rows_.size()));
    if (options_.train && options_.shuffle) {
      shuffle_indices(order_.data(), rows_.size(), options_.seed, Purpose::kShuffle,
                      static_cast<uint64_t>(epoch));
    } else {
      std::iota(order_.begin(), order_.end(), int64_t{0});
    }
    order_epoch_ = epoch;
  }
  const int64_t begin = index * options_.batch_size;
  const int64_t count = std::min(options_.batch_size, rows_.size() - begin);
  TaskBatch batch;
  for (int64_t i = begin; i < begin + count; ++i) {
    batch.rows.push_back(order_[static_cast<size_t>(i)]);
    const TaskRow row = rows_.row(batch.rows.back());
    batch.ids.insert(batch.ids.end(), row.ids.begin(), row.ids.end());
    batch.targets.insert(batch.targets.end(), row.target.begin(), row.target.end());
  }
  return batch;
}

void read_table(
    const std::string& path, const Names& columns, BadRows& bad,
    const std::function<void(Names& fields, const std::string& place, int64_t row)>& use) {
  TableReader table(path);
  std::vector<size_t> indices;
  for (const std::string& column : columns) indices.push_back(table.index_of(column));
  for (int64_t row = 0; table.find_row(); ++row) {
    bad.attempt([&] {
      Names fields = table.take_row(columns, indices);
      use(fields, table.place(), row);
    });
  }
}

Names guess_columns(const std::string& path) {
  const Names names = TableReader(path).columns();
  std::string label = find_name(names, {"label", "labels", "gold_label", "class", "category",
                                        "target", "sentiment", "intent", "topic", "y"});
  Names texts = {find_name(names, {"sentence1", "premise", "question1", "text1", "text_a"}),
                 find_name(names, {"sentence2", "hypothesis", "question2", "text2", "text_b"})};
  if (texts[0].empty() || texts[1].empty()) {
    texts = {find_name(names, {"text", "sentence", "content", "review", "comment", "tweet",
                               "message", "body", "document", "question", "title"})};
  }
  if (names.size() == 2 && texts[0].empty() != label.empty()) {
    std::string& missing = label.empty() ? label : texts[0];
    missing = names[0] == texts[0] || names[0] == label ? names[1] : names[0];
  }
  refuse_if(texts[0].empty() || label.empty(),
            "{}: which of its columns have the text and the label? They are called {}; choose with "
            "--text-columns and --label-column",
            path, printable(fmt::format("{}", fmt::join(names, ", "))));
  texts.push_back(label);
  return texts;
}

Names find_labels(const std::string& path, const std::string& column) {
  constexpr size_t kMost = 1000;
  std::set<std::string> labels;
  BadRows ignored;  // read_sentences counts them
  ignored.allowed = INT64_MAX;
  read_table(path, {column}, ignored, [&](const Names& fields, const std::string& place, int64_t) {
    const std::string& label = fields[0];
    if (trimmed(label).empty() || label != printable(label, 200)) {
      fail_input("{}: the label '{}' is empty, long or has control characters; correct it", place,
                 printable(label));
    }
    if (labels.size() <= kMost) labels.insert(label);
  });
  refuse_if(labels.size() < 2 || labels.size() > kMost,
            "{}: column '{}' has {} labels, where 2 to {} belong; choose another --label-column{}",
            path, printable(column),
            labels.size() > kMost ? "too many" : std::to_string(labels.size()), kMost,
            ignored.count > 0 ? fmt::format(" ({})", ignored.note()) : "");
  return {labels.begin(), labels.end()};
}

SentenceSet read_sentences(const TaskFacts& facts, const std::string& path, bool labeled,
                           int64_t skip_bad) {
  Names columns = facts.columns;
  const size_t sentences = columns.size() - 1;
  if (!labeled) columns.pop_back();
  std::unordered_map<std::string, int64_t> labels;
  for (const std::string& label : facts.labels) labels.emplace(label, labels.size());
  SentenceSet set;
  set.bad.allowed = skip_bad;
  const auto add = [&](Names& fields, const std::string& place, int64_t row) {
    if (labeled && facts.task == Task::kMnli && fields.back() == "-") {
      ++set.skipped;
      return;
    }
    for (size_t i = 0; i < sentences; ++i) {
      if (!trimmed(fields[i]).empty()) continue;
      fail_input("{}: column '{}' is empty; add its text or remove the line", place,
                 printable(columns[i]));
    }
    SentenceExample example{
        .first = fields[0], .second = sentences == 2 ? fields[1] : "", .row = row};
    if (labeled) {
      const auto label = labels.find(fields.back());
      if (label == labels.end()) {
        fail_input("{}: label '{}' is none of {}; {}", place, printable(fields.back()),
                   printable(fmt::format("{}", fmt::join(facts.labels, ", "))),
                   facts.task == Task::kClassify
                       ? std::string("the training table has no other; correct it")
                       : std::string("is this a file of ") + facts.name + "?");
      }
      example.label = label->second;
    }
    set.examples.push_back(std::move(example));
  };
  read_table(path, columns, set.bad, add);
  refuse_if(set.examples.empty(), "{}: no {}examples; is the download complete?", path,
            labeled ? "labeled " : "");
  return set;
}

SentenceRows::SentenceRows(const SentenceSet& set, const Tokenizer& tokenizer, int64_t tokens,
                           const std::function<void()>& check_stop)
    : TaskRows(tokenizer, tokens) {
  for (const SentenceExample& example : set.examples) {
    if (check_stop) check_stop();
    rows_.push_back(encode(example, tokenizer));
  }
}

SentenceRows::Row SentenceRows::encode(const SentenceExample& example, const Tokenizer& tokenizer) {
  const bool pair = !example.second.empty();
  const int64_t marks = pair ? 3 : 2;
  refuse_if(tokens_ <= marks,
            "sequences of {} tokens are too short for text; use a model of at least {}", tokens_,
            marks + 1);
  std::vector<int64_t> a = tokenizer.encode_ids(example.first);
  std::vector<int64_t> b = tokenizer.encode_ids(example.second);
  const size_t most = static_cast<size_t>(tokens_ - marks);
  counts_.tokens += std::ssize(a) + std::ssize(b);
  counts_.unknown +=
      std::ranges::count(a, special_.unknown) + std::ranges::count(b, special_.unknown);
  if (a.size() + b.size() > most) ++counts_.cut;
  while (a.size() + b.size() > most) (a.size() > b.size() ? a : b).pop_back();
  a.insert(a.begin(), special_.cls);
  a.push_back(special_.sep);
  if (pair) b.push_back(special_.sep);
  Row row{{a.begin(), a.end()}, example.label};
  row.ids.insert(row.ids.end(), b.begin(), b.end());
  return row;
}

TaskRow SentenceRows::row(int64_t index) const {
  const auto& [ids, label] = rows_[static_cast<size_t>(index)];
  TaskRow row{{ids.begin(), ids.end()}, {label}};
  row.ids.resize(static_cast<size_t>(tokens_), special_.pad);
  return row;
}

}  // namespace gmlp
