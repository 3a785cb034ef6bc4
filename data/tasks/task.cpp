#include "data/tasks/task.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace gmlp {

const TaskFacts& task_facts(Task task) {
  static const std::array<TaskFacts, 4> facts = {{
      {"sst2",
       {{"train", "train.tsv"}, {"dev", "dev.tsv"}},
       {"sentence"},
       "label",
       {"0", "1"}},  // negative, positive
      {"mnli",
       {{"train", "train.tsv"},
        {"matched", "dev_matched.tsv"},
        {"mismatched", "dev_mismatched.tsv"}},
       {"sentence1", "sentence2"},
       "gold_label",
       {"entailment", "neutral", "contradiction"}},
      {"squad1", {{"train", "train-v1.1.json"}, {"dev", "dev-v1.1.json"}}, {}, "", {}},
      {"squad2", {{"train", "train-v2.0.json"}, {"dev", "dev-v2.0.json"}}, {}, "", {}},
  }};
  return facts[static_cast<size_t>(task)];
}

Task task_from_name(const std::string& name) {
  for (const Task task : {Task::kSst2, Task::kMnli, Task::kSquad1, Task::kSquad2}) {
    if (name == task_name(task)) return task;
  }
  fail_input("--task {}: no such task; choose sst2, mnli, squad1 or squad2", name);
}

void check_task_tokens(const Tokenizer& tokenizer) {
  const SpecialIds special = tokenizer.special();
  if (special.pad >= 0 && special.cls >= 0 && special.sep >= 0) return;
  fail_input(
      "tokenizer {}: has no pad, cls or sep token, which a task needs; train one with "
      "`gmlp-language tokenizer train`",
      tokenizer.kind());
}

TaskLoader::TaskLoader(const TaskRows& rows, const TaskLoaderOptions& options)
    : rows_(rows), options_(options) {
  if (options.train && rows.size() < options.batch_size) {
    fail_input("--batch-size {} is more than the {} training examples; use a smaller one",
               options.batch_size, rows.size());
  }
}

int64_t TaskLoader::batches_per_epoch() const {
  const int64_t extra = options_.train ? 0 : options_.batch_size - 1;
  return (rows_.size() + extra) / options_.batch_size;
}

TaskBatch TaskLoader::batch(int64_t epoch, int64_t index) {
  if (order_epoch_ != epoch) {
    order_.resize(static_cast<size_t>(rows_.size()));
    if (options_.train && options_.shuffle) {
      shuffle_indices(order_.data(), rows_.size(), options_.seed, Purpose::kShuffle,
                      static_cast<uint64_t>(epoch));
    } else {
      std::iota(order_.begin(), order_.end(), int64_t{0});
    }
    order_epoch_ = epoch;
  }
  const int64_t begin = index * options_.batch_size;
  const int64_t count = std::min(options_.batch_size, rows_.size() - begin);
  TaskBatch batch;
  batch.ids.resize(static_cast<size_t>(count * rows_.tokens()));
  batch.targets.resize(static_cast<size_t>(count * rows_.target_size()));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = order_[static_cast<size_t>(begin + i)];
    rows_.write_ids(row, batch.ids.data() + i * rows_.tokens());
    rows_.write_target(row, batch.targets.data() + i * rows_.target_size());
    batch.rows.push_back(row);
  }
  return batch;
}

}  // namespace gmlp
