#pragma once
// SST-2 and MNLI in GLUE's files: one sentence, or two, and a label.
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
  std::string path;
  std::vector<SentenceExample> examples;
  int64_t skipped = 0;  // MNLI pairs on which the annotators did not agree: gold label "-"
};

/// Reads one file. With `labeled` every line must have a label. Without it labels are ignored, so
/// that test files are accepted. Throws InputError naming file, line, reason and remedy.
SentenceSet read_sentences(Task task, const std::string& path, bool labeled);

}  // namespace gmlp
