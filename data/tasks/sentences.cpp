#include "data/tasks/sentences.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include <fmt/ranges.h>

#include "core/error.h"
#include "data/tasks/table.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

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

void check_label(const std::string& label, const std::string& place) {
  constexpr size_t kMostBytes = 200;
  if (!trimmed(label).empty() && label == printable(label, kMostBytes)) return;
  fail_input("{}: the label '{}' is empty, long or has control characters; correct it", place,
             printable(label));
}

}  // namespace

Names guess_columns(const std::string& path) {
  static const std::array<Names, 5> kPairs = {{{"sentence1", "sentence2"},
                                               {"premise", "hypothesis"},
                                               {"question1", "question2"},
                                               {"text1", "text2"},
                                               {"text_a", "text_b"}}};
  const Names names = table_columns(path);
  std::string label = find_name(names, {"label", "labels", "gold_label", "class", "category",
                                        "target", "sentiment", "intent", "topic", "y"});
  Names texts;
  for (const Names& pair : kPairs) {
    texts = {find_name(names, {pair[0]}), find_name(names, {pair[1]})};
    if (!texts[0].empty() && !texts[1].empty()) break;
    texts = {find_name(names, {"text", "sentence", "content", "review", "comment", "tweet",
                               "message", "body", "document", "question", "title"})};
  }
  if (names.size() == 2 && texts[0].empty() != label.empty()) {
    std::string& missing = label.empty() ? label : texts[0];
    missing = names[0] == texts[0] || names[0] == label ? names[1] : names[0];
  }
  if (texts[0].empty() || label.empty()) {
    fail_input(
        "{}: which of its columns have the text and the label? They are called {}; choose with "
        "--text-columns and --label-column",
        path, printable(fmt::format("{}", fmt::join(names, ", "))));
  }
  texts.push_back(label);
  return texts;
}

Names find_labels(const std::string& path, const std::string& column) {
  constexpr size_t kMost = 1000;
  std::set<std::string> labels;
  BadRows ignored;  // read_sentences counts them
  ignored.allowed = INT64_MAX;
  read_table(path, {column}, ignored, [&](const Names& fields, const std::string& place, int64_t) {
    check_label(fields[0], place);
    if (labels.size() <= kMost) labels.insert(fields[0]);
  });
  if (labels.size() < 2 || labels.size() > kMost) {
    fail_input("{}: column '{}' has {} labels, where 2 to {} belong; choose another --label-column",
               path, printable(column),
               labels.size() > kMost ? "too many" : std::to_string(labels.size()), kMost);
  }
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
    SentenceExample example;
    example.row = row;
    if (labeled && facts.task == Task::kMnli && fields.back() == "-") {
      ++set.skipped;
      return;
    }
    for (size_t i = 0; i < sentences; ++i) {
      if (!trimmed(fields[i]).empty()) continue;
      fail_input("{}: column '{}' is empty; add its text or remove the line", place,
                 printable(columns[i]));
    }
    example.first = std::move(fields[0]);
    if (sentences == 2) example.second = std::move(fields[1]);
    if (labeled) {
      const auto label = labels.find(fields.back());
      if (label == labels.end()) {
        fail_input("{}: label '{}' is none of {}; is this a file of {}?", place,
                   printable(fields.back()),
                   printable(fmt::format("{}", fmt::join(facts.labels, ", "))), facts.name);
      }
      example.label = label->second;
    }
    set.examples.push_back(std::move(example));
  };
  read_table(path, columns, set.bad, add);
  if (set.examples.empty()) {
    fail_input("{}: no {}examples; is the download complete?", path, labeled ? "labeled " : "");
  }
  return set;
}

std::vector<int64_t> encode_sentences(const Tokenizer& tokenizer, std::string_view first,
                                      std::string_view second, int64_t tokens, TextCounts& counts) {
  check_task_tokens(tokenizer);
  const bool pair = !second.empty();
  const int64_t marks = pair ? 3 : 2;
  if (tokens <= marks) {
    fail_input("sequences of {} tokens are too short for text; use a model of at least {}", tokens,
               marks + 1);
  }
  const SpecialIds special = tokenizer.special();
  std::vector<int64_t> a = tokenizer.encode_ids(first);
  std::vector<int64_t> b = tokenizer.encode_ids(second);
  const size_t most = static_cast<size_t>(tokens - marks);
  counts.tokens += std::ssize(a) + std::ssize(b);
  counts.unknown += std::count(a.begin(), a.end(), special.unknown) +
                    std::count(b.begin(), b.end(), special.unknown);
  if (a.size() + b.size() > most) ++counts.cut;
  while (a.size() + b.size() > most) (a.size() > b.size() ? a : b).pop_back();
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
    std::vector<int64_t> ids =
        encode_sentences(tokenizer, example.first, example.second, tokens, counts_);
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
