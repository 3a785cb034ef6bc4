#include "data/tasks/task.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace gmlp {
namespace {

const TaskFacts kTaskFacts[] = {
    {.task = Task::kSst2,
     .name = "sst2",
     .files = {{"train", "train.tsv"}, {"dev", "dev.tsv"}},
     .columns = {"sentence", "label"},
     .labels = {"0", "1"}},  // negative, positive
    {.task = Task::kMnli,
     .name = "mnli",
     .files = {{"train", "train.tsv"},
               {"matched", "dev_matched.tsv"},
               {"mismatched", "dev_mismatched.tsv"}},
     .columns = {"sentence1", "sentence2", "gold_label"},
     .labels = {"entailment", "neutral", "contradiction"}},
    {.task = Task::kSquad1,
     .name = "squad1",
     .files = {{"train", "train-v1.1.json"}, {"dev", "dev-v1.1.json"}}},
    {.task = Task::kSquad2,
     .name = "squad2",
     .files = {{"train", "train-v2.0.json"}, {"dev", "dev-v2.0.json"}}},
    {.task = Task::kClassify, .name = "classify", .files = {{"train", "train"}, {"val", "val"}}},
};

}  // namespace

const TaskFacts& task_facts(const std::string& name) {
  for (const TaskFacts& facts : kTaskFacts) {
    if (name == facts.name) return facts;
  }
  fail_input("--task {}: no such task; choose sst2, mnli, squad1, squad2 or classify", name);
}

TaskRows::TaskRows(const Tokenizer& tokenizer, int64_t tokens)
    : tokens_(tokens), special_(tokenizer.special()) {
  if (special_.pad >= 0 && special_.cls >= 0 && special_.sep >= 0) return;
  fail_input("tokenizer {}: has no pad, cls or sep; train one with `gmlp-language tokenizer train`",
             tokenizer.kind());
}

TaskLoader::TaskLoader(const TaskRows& rows, const TaskLoaderOptions& options)
    : rows_(rows), options_(options) {
  refuse_if(options.train && rows.size() < options.batch_size,
            "--batch-size {} is more than the {} training examples; use a smaller one",
            options.batch_size, rows.size());
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
  for (int64_t i = begin; i < begin + count; ++i) {
    batch.rows.push_back(order_[static_cast<size_t>(i)]);
    const TaskRow row = rows_.row(batch.rows.back());
    batch.ids.insert(batch.ids.end(), row.ids.begin(), row.ids.end());
    batch.targets.insert(batch.targets.end(), row.target.begin(), row.target.end());
  }
  return batch;
}

}  // namespace gmlp
