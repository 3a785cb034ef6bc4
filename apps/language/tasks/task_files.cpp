#include "apps/language/tasks/task_files.h"

#include <filesystem>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/language/text_format.h"
#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

namespace fs = std::filesystem;

std::unique_ptr<TaskSet> read_set(const TaskFacts& facts, const std::string& name,
                                  const std::string& path, bool labeled,
                                  const TaskEncoding& encoding, TaskFiles& files) {
  auto set = std::make_unique<TaskSet>();
  set->name = name;
  const int64_t skip_bad = encoding.reading.skip_bad;
  if (facts.is_span()) {
    set->squad = read_squad(path, {facts.task == Task::kSquad2, labeled, skip_bad});
  } else {
    set->sentences = read_sentences(facts, path, labeled, skip_bad);
  }
  const BadRows& bad = facts.is_span() ? set->squad.bad : set->sentences.bad;
  if (bad.count > 0) files.notes.push_back(fmt::format("{}: {}", path, bad.note()));
  if (set->squad.moved > 0) {
    files.notes.push_back(fmt::format(
        "{}: {} answers are not at their answer_start; the nearest place with their text is used",
        path, set->squad.moved));
  }
  if (const int64_t skipped = set->sentences.skipped; skipped > 0) {
    files.notes.push_back(
        fmt::format("{}: {} pairs without a gold label ('-') skipped", path, skipped));
  }
  return set;
}

void encode(TaskSet& set, const TaskFacts& facts, const TaskEncoding& encoding, TaskFiles& files) {
  if (facts.is_span()) {
    WindowOptions windows;
    windows.tokens = encoding.tokens;
    if (encoding.reading.stride > 0) windows.stride = encoding.reading.stride;
    if (encoding.reading.max_question > 0) windows.max_question = encoding.reading.max_question;
    set.rows =
        std::make_unique<SquadWindows>(set.squad, encoding.tokenizer, windows, throw_if_stopped);
  } else {
    set.rows = std::make_unique<SentenceRows>(set.sentences, encoding.tokenizer, encoding.tokens,
                                              throw_if_stopped);
  }
  const TextCounts& counts = set.rows->counts();
  if (counts.cut > 0) {
    files.notes.push_back(fmt::format("{}: {} of {} {} are too long and lose their end", set.name,
                                      grouped(counts.cut), grouped(set.size()), facts.examples()));
  }
  const double unknown = static_cast<double>(counts.unknown) / static_cast<double>(counts.tokens);
  if (counts.unknown > 0) files.notes.push_back(set.name + ": " + unknown_text(unknown));
}

/// The table NAME.tsv, .csv or .jsonl of a folder, for the first of the names that has one.
std::string find_table(const std::string& folder, const std::vector<const char*>& names) {
  for (const char* name : names) {
    for (const char* ending : {".tsv", ".csv", ".jsonl"}) {
      const fs::path path = fs::path(folder) / (std::string(name) + ending);
      if (fs::exists(path)) return path.string();
    }
  }
  fail_input("--data {}: has no {} in .tsv, .csv or .jsonl; add it, or name one such file", folder,
             fmt::join(names, ", "));
}

std::string file_of(const TaskFacts& facts, const TaskFacts::File& file, const std::string& data) {
  if (facts.task != Task::kClassify) return (fs::path(data) / file.name).string();
  refuse_if(!fs::exists(data), "--data {}: does not exist; name a table or a folder of them", data);
  if (fs::is_regular_file(data)) return data;
  if (std::string_view(file.set) == "train") return find_table(data, {"train"});
  return find_table(data, {"val", "valid", "validation", "dev", "test"});
}

/// Keeps the held out tenth of a table, or the rest.
void keep(std::vector<SentenceExample>& examples, bool held_out) {
  std::erase_if(examples, [&](const SentenceExample& example) {
    const std::string text = example.first + example.second;
    return (crc32_of(text.data(), std::ssize(text)) % 10 == 0) != held_out;
  });
}

}  // namespace

void check_columns(const TaskFacts& facts, const TaskReading& reading) {
  const size_t texts = reading.text_columns.size();
  refuse_if(facts.task != Task::kClassify && (texts > 0 || !reading.label_column.empty()),
            "--task {}: has columns of its own; leave out --text-columns and --label-column",
            facts.name);
  refuse_if(texts > 2, "--text-columns: names {} columns; name one or two", texts);
}

TaskFacts describe_task(const std::string& task, const std::string& data,
                        const TaskReading& reading, std::vector<std::string>& notes) {
  TaskFacts facts = task_facts(task);
  check_columns(facts, reading);
  if (facts.task != Task::kClassify) return facts;
  const std::string path = file_of(facts, facts.files.front(), data);
  std::vector<std::string> texts = reading.text_columns;
  std::string label = reading.label_column;
  if (texts.empty() || label.empty()) {
    const std::vector<std::string> guessed = guess_columns(path);
    if (texts.empty()) texts = {guessed.begin(), guessed.end() - 1};
    if (label.empty()) label = guessed.back();
    notes.push_back(fmt::format(
        "{}: guessed that '{}' is text and '{}' the label; --text-columns and --label-column "
        "choose others",
        path, fmt::join(texts, "', '"), label));
  }
  facts.columns = texts;
  facts.columns.push_back(label);
  facts.labels = find_labels(path, label);
  notes.push_back(printable(fmt::format("labels: '{}'", fmt::join(facts.labels, "', '")), 200));
  return facts;
}

TaskFiles open_task_files(const TaskFacts& facts, const std::string& data,
                          const TaskEncoding& encoding, int64_t max_train) {
  const bool table = facts.task == Task::kClassify && fs::is_regular_file(data);
  refuse_if(!table && !fs::is_directory(data),
            "--data {}: no such folder; name the folder with the files of {}", data, facts.name);
  TaskFiles files;
  for (const TaskFacts::File& file : facts.files) {
    const bool train = std::string_view(file.set) == "train";
    if (train && max_train < 0) continue;
    const std::string path = file_of(facts, file, data);
    if (!files.dev.empty() && !fs::exists(path)) {  // MNLI's second dev set
      files.notes.push_back(fmt::format("{}: no {}, so only the {} set is scored", data, file.name,
                                        files.dev.front()->name));
      continue;
    }
    const bool all = table && !train && encoding.reading.split == "all";
    std::unique_ptr<TaskSet> set =
        read_set(facts, all ? "all" : file.set, path, true, encoding, files);
    if (table && encoding.reading.split == "val") keep(set->sentences.examples, !train);
    refuse_if(table && set->size() == 0,
              "--data {}: too few rows to hold out a tenth; use a folder with train and val", data);
    (train ? files.train : files.dev.emplace_back()) = std::move(set);
  }
  if (max_train > 0 && files.train->size() > max_train) {
    const auto count = static_cast<size_t>(max_train);
    if (facts.is_span()) files.train->squad.questions.resize(count);
    if (!facts.is_span()) files.train->sentences.examples.resize(count);
  }
  if (files.train) encode(*files.train, facts, encoding, files);
  for (const std::unique_ptr<TaskSet>& set : files.dev) encode(*set, facts, encoding, files);
  return files;
}

TaskFiles open_task_input(const TaskFacts& facts, const std::string& path,
                          const TaskEncoding& encoding) {
  TaskFiles files;
  files.dev.push_back(read_set(facts, "input", path, false, encoding, files));
  encode(*files.dev.front(), facts, encoding, files);
  return files;
}

}  // namespace gmlp
