#pragma once
// SST-2 and MNLI in GLUE's files: one sentence, or two, and a label.
//
//   task   train       dev                                   sentences              label
//   sst2   train.tsv   dev.tsv                               sentence               label
//   mnli   train.tsv   dev_matched.tsv dev_mismatched.tsv    sentence1, sentence2   gold_label
//
// Columns are found by name, as MNLI's train files have 12 and its dev files 16.

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/task.h"

namespace gmlp {

struct SentenceExample {
  std::string first;
  std::string second;  // empty for a task with single sentences
  int64_t label = -1;  // -1: none
};

struct SentenceSet {
  std::string name;  // "train", "dev", "matched", "mismatched"
  std::string path;
  std::vector<SentenceExample> examples;
  int64_t skipped = 0;  // MNLI pairs on which the annotators did not agree: gold label "-"
};

/// Reads one file. With `labelled` every line must have a label. Without it labels are ignored, so
/// that test files are accepted. Throws InputError naming file, line, reason and remedy.
SentenceSet read_sentences(Task task, const std::string& path, const std::string& name,
                           bool labelled);

struct SentenceSplits {
  SentenceSet train;               // empty unless it is wanted
  std::vector<SentenceSet> dev;    // one for SST-2; matched and mismatched, if it is there
  std::vector<std::string> notes;  // what was skipped, to print
};

/// Reads the task's files in a folder.
SentenceSplits open_sentences(Task task, const std::string& folder, bool with_train);

}  // namespace gmlp
