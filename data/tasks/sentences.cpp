#include "data/tasks/sentences.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "data/tasks/tsv.h"

namespace gmlp {

namespace {

// MNLI's mark for a pair on which no three of five annotators agreed (Williams et al. 2018).
constexpr std::string_view kNoGoldLabel = "-";

int64_t label_of(std::string_view text, Task task, const TsvFile& file, int64_t row) {
  const std::vector<std::string>& labels = task_labels(task);
  const auto it = std::find(labels.begin(), labels.end(), text);
  if (it == labels.end()) {
    fail_input("{}: line {}: label '{}' is none of {}; is this file {}'s?", file.path(),
               TsvFile::line(row), printable(text), fmt::join(labels, ", "), task_name(task));
  }
  return it - labels.begin();
}

}  // namespace

SentenceSet read_sentences(Task task, const std::string& path, const std::string& name,
                           bool labelled) {
  const TsvFile file(path);
  const bool pairs = task == Task::kMnli;
  const int64_t first = file.column(pairs ? "sentence1" : "sentence");
  const int64_t second = pairs ? file.column("sentence2") : -1;
  const int64_t label = labelled ? file.column(pairs ? "gold_label" : "label") : -1;
  SentenceSet set;
  set.name = name;
  set.path = path;
  set.examples.reserve(static_cast<size_t>(file.rows()));
  for (int64_t row = 0; row < file.rows(); ++row) {
    if (labelled && pairs && file.field(row, label) == kNoGoldLabel) {
      ++set.skipped;
      continue;
    }
    SentenceExample example;
    example.first = file.sentence(row, first);
    if (pairs) example.second = file.sentence(row, second);
    if (labelled) example.label = label_of(file.field(row, label), task, file, row);
    set.examples.push_back(std::move(example));
  }
  if (set.examples.empty()) {
    fail_input("{}: no {}examples; is the download complete?", path, labelled ? "labelled " : "");
  }
  return set;
}

SentenceSplits open_sentences(Task task, const std::string& folder, bool with_train) {
  const std::filesystem::path root = folder;
  if (!std::filesystem::is_directory(root)) {
    fail_input("--data {}: no such folder; give the folder with {}'s tsv files", folder,
               task_name(task));
  }
  const std::string matched = task == Task::kMnli ? "dev_matched.tsv" : "dev.tsv";
  SentenceSplits splits;
  if (with_train) {
    splits.train = read_sentences(task, (root / "train.tsv").string(), "train", true);
  }
  splits.dev.push_back(read_sentences(task, (root / matched).string(),
                                      task == Task::kMnli ? "matched" : "dev", true));
  const std::filesystem::path mismatched = root / "dev_mismatched.tsv";
  if (task == Task::kMnli && std::filesystem::exists(mismatched)) {
    splits.dev.push_back(read_sentences(task, mismatched.string(), "mismatched", true));
  } else if (task == Task::kMnli) {
    splits.notes.push_back(folder + ": no dev_mismatched.tsv, so only the matched set is scored");
  }
  std::vector<const SentenceSet*> sets = {&splits.train};
  for (const SentenceSet& set : splits.dev) sets.push_back(&set);
  for (const SentenceSet* set : sets) {
    if (set->skipped == 0) continue;
    splits.notes.push_back(
        fmt::format("{}: {} pairs without a gold label ('-') left out", set->path, set->skipped));
  }
  return splits;
}

}  // namespace gmlp
