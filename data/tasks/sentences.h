#pragma once
// SST-2 and MNLI in GLUE's layout: one sentence, or two, and a label.
//
//   task   train       dev                                   sentences              label
//   sst2   train.tsv   dev.tsv                               sentence               label
//   mnli   train.tsv   dev_matched.tsv dev_mismatched.tsv    sentence1, sentence2   gold_label
//
// Columns are found by their names, so MNLI's train (12 columns) and dev files (16) are read alike.

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/task.h"

namespace gmlp {

struct SentenceExample {
  std::string first;
  std::string second;  // empty for a task of single sentences
  int64_t label = -1;  // -1: none given
};

struct SentenceSet {
  std::string name;  // "train", "dev", "matched", "mismatched"
  std::string path;
  std::vector<SentenceExample> examples;
  int64_t skipped = 0;  // MNLI pairs whose annotators did not agree: gold label "-"
};

/// One file. `labelled`: every line must have a label; else labels are not looked at, so test files
/// are read too. Throws InputError naming file, line, reason and remedy.
SentenceSet read_sentences(Task task, const std::string& path, const std::string& name,
                           bool labelled);

struct SentenceSplits {
  SentenceSet train;
  std::vector<SentenceSet> dev;    // one for SST-2; matched and, where it is there, mismatched
  std::vector<std::string> notes;  // what was left out, to be shown
};

/// A folder with the task's files. `with_train` false leaves train empty: evaluation needs none.
SentenceSplits open_sentences(Task task, const std::string& folder, bool with_train);

}  // namespace gmlp
