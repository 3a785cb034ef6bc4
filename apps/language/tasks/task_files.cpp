#include "apps/language/tasks/task_files.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"

namespace gmlp {

namespace {

void encode(TaskSet& set, Task task, const TaskEncoding& encoding) {
  if (is_span_task(task)) {
    set.windows = std::make_unique<SquadWindows>(
        set.squad, encoding.tokenizer,
        WindowOptions{encoding.tokens, encoding.text.stride, encoding.text.max_question},
        encoding.check_stop);
  } else {
    set.sentence_rows = std::make_unique<SentenceRows>(set.sentences, encoding.tokenizer,
                                                       encoding.tokens, encoding.check_stop);
  }
}

TaskFiles open_sentence_files(Task task, const std::string& folder, bool with_train) {
  SentenceSplits splits = open_sentences(task, folder, with_train);
  TaskFiles files;
  files.notes = splits.notes;
  if (with_train) {
    files.train = std::make_unique<TaskSet>();
    files.train->sentences = std::move(splits.train);
  }
  for (SentenceSet& part : splits.dev) {
    files.dev.push_back(std::make_unique<TaskSet>());
    files.dev.back()->name = part.name;
    files.dev.back()->sentences = std::move(part);
  }
  return files;
}

TaskFiles open_squad_files(Task task, const std::string& folder, bool with_train) {
  if (!std::filesystem::is_directory(folder)) {
    fail_input("--data {}: no such folder; give the folder with {}'s JSON files", folder,
               task_name(task));
  }
  const std::string version = task == Task::kSquad2 ? "v2.0.json" : "v1.1.json";
  const SquadReading reading = {task == Task::kSquad2, true};
  const std::filesystem::path root = folder;
  TaskFiles files;
  if (with_train) {
    files.train = std::make_unique<TaskSet>();
    files.train->squad = read_squad((root / ("train-" + version)).string(), reading);
  }
  files.dev.push_back(std::make_unique<TaskSet>());
  files.dev.back()->name = "dev";
  files.dev.back()->squad = read_squad((root / ("dev-" + version)).string(), reading);
  return files;
}

/// The first `most` examples or questions.
void shorten(TaskSet& set, int64_t most) {
  const size_t count = static_cast<size_t>(most);
  std::vector<SentenceExample>& examples = set.sentences.examples;
  std::vector<SquadQuestion>& questions = set.squad.questions;
  if (examples.size() > count) examples.resize(count);
  if (questions.size() > count) questions.resize(count);
}

}  // namespace

int64_t TaskSet::size() const {
  return static_cast<int64_t>(windows ? squad.questions.size() : sentences.examples.size());
}

TaskFiles open_task_files(Task task, const std::string& folder, const TaskEncoding& encoding,
                          int64_t most_train) {
  const bool with_train = most_train >= 0;
  TaskFiles files = is_span_task(task) ? open_squad_files(task, folder, with_train)
                                       : open_sentence_files(task, folder, with_train);
  if (with_train) {
    files.train->name = "train";
    if (most_train > 0) shorten(*files.train, most_train);
    encode(*files.train, task, encoding);
  }
  for (const std::unique_ptr<TaskSet>& set : files.dev) encode(*set, task, encoding);
  return files;
}

std::unique_ptr<TaskSet> open_task_input(Task task, const std::string& path,
                                         const TaskEncoding& encoding) {
  std::unique_ptr<TaskSet> set = std::make_unique<TaskSet>();
  set->name = "input";
  if (is_span_task(task)) {
    set->squad = read_squad(path, {task == Task::kSquad2, false});
  } else {
    set->sentences = read_sentences(task, path, "input", false);
  }
  encode(*set, task, encoding);
  return set;
}

}  // namespace gmlp
