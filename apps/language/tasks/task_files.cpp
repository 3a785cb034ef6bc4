#include "apps/language/tasks/task_files.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"

namespace gmlp {

namespace {

std::unique_ptr<TaskSet> read_set(Task task, const std::string& name, const std::string& path,
                                  bool labeled) {
  auto set = std::make_unique<TaskSet>();
  set->name = name;
  if (is_span_task(task)) {
    set->squad = read_squad(path, {task == Task::kSquad2, labeled});
  } else {
    set->sentences = read_sentences(task, path, labeled);
  }
  return set;
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

TaskFiles open_task_files(Task task, const std::string& folder, const TaskEncoding& encoding,
                          int64_t max_train) {
  if (!std::filesystem::is_directory(folder)) {
    fail_input("--data {}: no such folder; name the folder with the official files of {}", folder,
               task_name(task));
  }
  TaskFiles files;
  for (const TaskFacts::File& file : task_facts(task).files) {
    const bool train = std::string_view(file.set) == "train";
    if (train && max_train < 0) continue;
    const std::string path = (std::filesystem::path(folder) / file.name).string();
    if (!files.dev.empty() && !std::filesystem::exists(path)) {  // MNLI's second dev set
      files.notes.push_back(fmt::format("{}: no {}, so only the {} set is scored", folder,
                                        file.name, files.dev.front()->name));
      continue;
    }
    std::unique_ptr<TaskSet> set = read_set(task, file.set, path, true);
    if (const int64_t skipped = set->sentences.skipped; skipped > 0) {
      files.notes.push_back(
          fmt::format("{}: {} pairs without a gold label ('-') skipped", path, skipped));
    }
    (train ? files.train : files.dev.emplace_back()) = std::move(set);
  }
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
  std::unique_ptr<TaskSet> set = read_set(task, "input", path, false);
  encode(*set, task, encoding);
  return set;
}

}  // namespace gmlp
