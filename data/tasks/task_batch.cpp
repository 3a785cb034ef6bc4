#include "data/tasks/task_batch.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace gmlp {

void check_task_tokens(const Tokenizer& tokenizer) {
  const SpecialIds special = tokenizer.special();
  if (special.pad >= 0 && special.cls >= 0 && special.sep >= 0) return;
  fail_input(
      "tokenizer {}: has no pad, cls or sep token, which a task needs; train one with "
      "`gmlp-language tokenizer train`",
      tokenizer.kind());
}

std::vector<int64_t> encode_sentences(const Tokenizer& tokenizer, std::string_view first,
                                      std::string_view second, int64_t tokens) {
  check_task_tokens(tokenizer);
  const bool pair = !second.empty();
  const int64_t marks = pair ? 3 : 2;
  if (tokens <= marks) {
    fail_input("sequences of {} tokens are too short for text; use a model of at least {}", tokens,
               marks + 1);
  }
  std::vector<int64_t> a = tokenizer.encode_ids(first);
  std::vector<int64_t> b;
  if (pair) b = tokenizer.encode_ids(second);
  while (static_cast<int64_t>(a.size() + b.size()) > tokens - marks) {
    (a.size() > b.size() ? a : b).pop_back();
  }
  const SpecialIds special = tokenizer.special();
  std::vector<int64_t> ids = {special.cls};
  ids.insert(ids.end(), a.begin(), a.end());
  ids.push_back(special.sep);
  ids.insert(ids.end(), b.begin(), b.end());
  if (pair) ids.push_back(special.sep);
  ids.resize(static_cast<size_t>(tokens), special.pad);
  return ids;
}

SentenceRows::SentenceRows(const SentenceSet& set, const Tokenizer& tokenizer, int64_t tokens,
                           const std::function<void()>& check_stop)
    : tokens_(tokens), pad_(tokenizer.special().pad) {
  for (const SentenceExample& example : set.examples) {
    if (check_stop) check_stop();
    std::vector<int64_t> ids = encode_sentences(tokenizer, example.first, example.second, tokens);
    while (ids.back() == pad_) ids.pop_back();  // text never becomes a pad
    rows_.push_back({{ids.begin(), ids.end()}, example.label});
  }
}

void SentenceRows::write_ids(int64_t row, int64_t* ids) const {
  const std::vector<int32_t>& stored = rows_[static_cast<size_t>(row)].ids;
  std::fill(std::copy(stored.begin(), stored.end(), ids), ids + tokens_, pad_);
}

void SentenceRows::write_target(int64_t row, int64_t* target) const {
  *target = rows_[static_cast<size_t>(row)].label;
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
