#include "apps/language/tasks/task_files.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"

namespace gmlp {

namespace {

std::unique_ptr<TaskSet> make_set(const std::string& name, SentenceSet sentences, SquadSet squad) {
  auto set = std::make_unique<TaskSet>();
  set->name = name;
  set->sentences = std::move(sentences);
  set->squad = std::move(squad);
  return set;
}

TaskFiles read_sentence_files(Task task, const std::string& folder, bool with_train) {
  SentenceSplits splits = open_sentences(task, folder, with_train);
  TaskFiles files;
  files.notes = splits.notes;
  if (with_train) files.train = make_set("train", std::move(splits.train), {});
  for (SentenceSet& dev : splits.dev) {
    const std::string name = dev.name;
    files.dev.push_back(make_set(name, std::move(dev), {}));
  }
  return files;
}

TaskFiles read_squad_files(Task task, const std::string& folder, bool with_train) {
  if (!std::filesystem::is_directory(folder)) {
    fail_input("--data {}: no such folder; name the folder with the JSON files of {}", folder,
               task_name(task));
  }
  const bool unanswerable = task == Task::kSquad2;
  const auto read = [&](const std::string& name) {
    const std::string file = name + (unanswerable ? "-v2.0.json" : "-v1.1.json");
    return make_set(
        name, {},
        read_squad((std::filesystem::path(folder) / file).string(), {unanswerable, true}));
  };
  TaskFiles files;
  if (with_train) files.train = read("train");
  files.dev.push_back(read("dev"));
  return files;
}

void encode(TaskSet& set, Task task, const TaskEncoding& encoding) {
  if (is_span_task(task)) {
    WindowOptions windows = encoding.windows;
    windows.tokens = encoding.tokens;
    set.windows =
        std::make_unique<SquadWindows>(set.squad, encoding.tokenizer, windows, encoding.check_stop);
  } else {
    set.sentence_rows = std::make_unique<SentenceRows>(set.sentences, encoding.tokenizer,
                                                       encoding.tokens, encoding.check_stop);
  }
}

template <class Example>
void shorten(std::vector<Example>& examples, int64_t count) {
  examples.resize(std::min(examples.size(), static_cast<size_t>(count)));
}

}  // namespace

int64_t TaskSet::size() const {
  return static_cast<int64_t>(windows ? squad.questions.size() : sentences.examples.size());
}

TaskFiles open_task_files(Task task, const std::string& folder, const TaskEncoding& encoding,
                          int64_t max_train) {
  TaskFiles files = is_span_task(task) ? read_squad_files(task, folder, max_train >= 0)
                                       : read_sentence_files(task, folder, max_train >= 0);
  if (max_train > 0) {
    shorten(files.train->sentences.examples, max_train);
    shorten(files.train->squad.questions, max_train);
  }
  if (files.train) encode(*files.train, task, encoding);
  for (const std::unique_ptr<TaskSet>& set : files.dev) encode(*set, task, encoding);
  return files;
}

std::unique_ptr<TaskSet> open_task_input(Task task, const std::string& path,
                                         const TaskEncoding& encoding) {
  const bool span = is_span_task(task);
  std::unique_ptr<TaskSet> set =
      make_set("input", span ? SentenceSet{} : read_sentences(task, path, "input", false),
               span ? read_squad(path, {task == Task::kSquad2, false}) : SquadSet{});
  encode(*set, task, encoding);
  return set;
}

}  // namespace gmlp
