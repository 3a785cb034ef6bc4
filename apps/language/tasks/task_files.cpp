#include "apps/language/tasks/task_files.h"

#include <algorithm>
#include <filesystem>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/language/text_format.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/random.h"

namespace gmlp {

namespace {

namespace fs = std::filesystem;

std::unique_ptr<TaskSet> read_set(const TaskFacts& facts, const std::string& name,
                                  const std::string& path, int64_t skip_bad, bool labeled) {
  auto set = std::make_unique<TaskSet>();
  set->name = name;
  if (facts.is_span()) {
    set->squad = read_squad(path, {facts.task == Task::kSquad2, labeled, skip_bad});
  } else {
    set->sentences = read_sentences(facts, path, labeled, skip_bad);
  }
  return set;
}

/// Makes rows of a set that was read from `path`, and notes what is lost.
void add_rows(const TaskFacts& facts, const std::string& path, const WindowOptions& windows,
              const Tokenizer& tokenizer, TaskSet& set, std::vector<std::string>& notes) {
  const auto& stop = throw_if_stopped;
  if (facts.is_span()) {
    set.rows = std::make_unique<SquadWindows>(set.squad, tokenizer, windows, stop);
  } else {
    set.rows = std::make_unique<SentenceRows>(set.sentences, tokenizer, windows.tokens, stop);
  }
  const auto note = [&](int64_t count, const std::string& of, const std::string& text) {
    if (count > 0) notes.push_back(fmt::format("{}: {}", of, text));
  };
  const BadRows& bad = facts.is_span() ? set.squad.bad : set.sentences.bad;
  const int64_t moved = set.squad.moved, skipped = set.sentences.skipped;
  const TextCounts& counts = set.rows->counts();
  note(bad.count, path, bad.note());
  note(moved, path,
       fmt::format("{} answers are not at their answer_start; the nearest place with their text is "
                   "used",
                   moved));
  note(skipped, path, fmt::format("{} pairs without a gold label ('-') skipped", skipped));
  note(counts.cut, set.name,
       fmt::format("{} of {} {} are too long and lose their end", grouped(counts.cut),
                   grouped(set.size()), facts.examples()));
  note(counts.unknown, set.name,
       unknown_text(static_cast<double>(counts.unknown) / static_cast<double>(counts.tokens)));
}

/// `most` of `all`: a draw that is the same for every --seed, because files may be sorted by label;
/// or the first ones.
template <class Row>
void keep_some(std::vector<Row>& all, int64_t most, bool first) {
  const auto size = static_cast<size_t>(most);
  if (all.size() <= size) return;
  if (first) return all.resize(size);
  std::vector<int64_t> order(all.size());
  shuffle_indices(order.data(), std::ssize(all), 0, Purpose::kSplit, 0);
  order.resize(size);
  std::ranges::sort(order);
  std::vector<Row> kept;
  kept.reserve(size);
  for (const int64_t i : order) kept.push_back(std::move(all[static_cast<size_t>(i)]));
  all = std::move(kept);
}

/// The path of an official file in the folder `data`. One of classify is `data` itself, or a table
/// NAME.tsv, .csv, .jsonl or .ndjson in it.
std::string file_of(const TaskFacts& facts, const TaskFacts::File& file, const std::string& data) {
  if (facts.task != Task::kClassify) return (fs::path(data) / file.name).string();
  refuse_if(!fs::exists(data), "--data {}: does not exist; name a table or a folder of them", data);
  if (fs::is_regular_file(data)) return data;
  std::vector<std::string> names = {"train"};
  if (file.set != names[0]) names = {"val", "valid", "validation", "dev", "test"};
  std::vector<std::string> found;
  for (const std::string& name : names) {
    for (const char* ending : {".tsv", ".csv", ".jsonl", ".ndjson"}) {
      const fs::path path = fs::path(data) / (name + ending);
      if (fs::exists(path)) found.push_back(path.string());
    }
    refuse_if(found.size() > 1, "--data {}: has {}; keep one of them", data,
              fmt::join(found, " and "));
    if (!found.empty()) return found[0];
  }
  fail_input("--data {}: has no {} in .tsv, .csv, .jsonl or .ndjson; add it, or name one such file",
             data, fmt::join(names, ", "));
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
                          const TaskReading& reading, const Tokenizer& tokenizer,
                          int64_t max_train) {
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
    std::unique_ptr<TaskSet>& set = train ? files.train : files.dev.emplace_back();
    const bool all = table && !train && reading.split == "all";
    set = read_set(facts, all ? "all" : file.set, path, reading.skip_bad, true);
    std::vector<SentenceExample>& examples = set->sentences.examples;
    if (table && reading.split == "val") {
      std::erase_if(examples, [&](const SentenceExample& example) {
        const std::string text = example.first + example.second;
        return (crc32_of(text.data(), std::ssize(text)) % 10 == 0) == train;
      });
    }
    refuse_if(table && examples.empty(),
              "--data {}: too few rows to hold out a tenth; use a folder with train and val", data);
    if (train && max_train > 0 && set->size() > max_train) {
      files.notes.push_back(fmt::format("{} of {} training {} (--max-train-samples)", max_train,
                                        set->size(), facts.examples()));
      keep_some(set->squad.questions, max_train, reading.first_rows);
      keep_some(examples, max_train, reading.first_rows);
    }
    add_rows(facts, path, reading.windows, tokenizer, *set, files.notes);
  }
  return files;
}

std::unique_ptr<TaskSet> open_task_input(const TaskFacts& facts, const std::string& path,
                                         const TaskReading& reading, const Tokenizer& tokenizer,
                                         std::vector<std::string>& notes) {
  auto set = read_set(facts, "input", path, reading.skip_bad, false);
  add_rows(facts, path, reading.windows, tokenizer, *set, notes);
  return set;
}

}  // namespace gmlp
