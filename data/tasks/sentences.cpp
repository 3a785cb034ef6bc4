#include "data/tasks/sentences.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include <fmt/ranges.h>

#include "core/error.h"

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

}  // namespace

Names guess_columns(const std::string& path) {
  const Names names = table_columns(path);
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
