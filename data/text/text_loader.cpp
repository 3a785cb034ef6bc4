// Windows of N ids, side by side. An epoch's start and order and a window's masks come from Philox
// under (seed, epoch, window), so a batch needs none of the batches before it: neither a shuffled
// list nor a generator's state is kept.
#include <algorithm>
#include <bit>

#include "core/error.h"
#include "core/random.h"
#include "data/text/corpus.h"

namespace gmlp {
namespace {

constexpr int64_t kNotScored = -100;

/// Window `index` of an epoch's order of n: a permutation without a list. Four Feistel rounds
/// permute the numbers of 2h bits, the smallest such set that holds n (so at most four times as
/// many); numbers not below n go through again until one is (cycle walking).
int64_t permuted(int64_t index, int64_t n, uint64_t seed, int64_t epoch) {
  const int bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(n - 1)));
  const int half = (bits + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  uint64_t value = static_cast<uint64_t>(index);
  do {
    uint64_t left = value >> half;
    uint64_t right = value & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      // h is at most 24 (2^48 windows), so the round's number has its own bits.
      Random random(seed, Purpose::kShuffle, static_cast<uint64_t>(epoch), round << 28 | right);
      const uint64_t mixed = left ^ (random.next_u32() & mask);
      left = right;
      right = mixed;
    }
    value = left << half | right;
  } while (value >= static_cast<uint64_t>(n));
  return static_cast<int64_t>(value);
}

}  // namespace

TextLoader::TextLoader(const TokenRow& tokens, const TextBatchOptions& options)
    : tokens_(tokens), options_(options) {
  if (options.tokens < 1) fail_input("--seq-len {}: must be at least 1", options.tokens);
  if (options.batch_size < 1) {
    fail_input("--batch-size {}: must be at least 1", options.batch_size);
  }
  const bool causal = options.objective == Objective::kCausal;
  span_ = options.tokens + (causal ? 1 : 0);
  const int64_t spare = tokens.size() - span_;
  if (spare < 0) {
    fail_input(
        "the {} text has {} tokens, a window {}; take a longer text, a shorter --seq-len or "
        "another share for validation",
        options.train ? "training" : "validation", tokens.size(), span_);
  }
  if (!causal) {
    if (options.special.mask < 0) {
      fail_input("the tokenizer has no [MASK]; take another one or --objective causal");
    }
    if (!(options.mask_share > 0 && options.mask_share <= 1)) {
      fail_input("a share of {} masked tokens: must be above 0 and at most 1", options.mask_share);
    }
    int64_t plain = 0;  // ids that a random token can be
    for (int64_t id = 0; id < options.vocab && plain == 0; ++id) plain += is_special(id) ? 0 : 1;
    require(plain > 0, "a vocabulary of special tokens only");
  }
  // Evaluation: all whole windows, and one more for what is left. Training: as many as there are
  // from the latest start, so that an epoch has always the same number.
  const int64_t whole = spare / options.tokens + 1;
  windows_ = options.train ? std::max<int64_t>(1, (spare + 1) / options.tokens)
                           : whole + (spare % options.tokens != 0 ? 1 : 0);
  batch_size_ = std::min(options.batch_size, windows_);
}

int64_t TextLoader::batches_per_epoch() const {
  return options_.train ? windows_ / batch_size_ : (windows_ - 1) / batch_size_ + 1;
}

bool TextLoader::is_special(int64_t id) const {
  const SpecialIds& special = options_.special;
  return id == special.pad || id == special.unknown || id == special.cls || id == special.sep ||
         id == special.mask;
}

/// Where a window begins; `fresh` is its first position that no window before it has.
int64_t TextLoader::window_begin(int64_t epoch, int64_t window, int64_t* fresh) const {
  const int64_t spare = tokens_.size() - span_;
  const int64_t begin = window * options_.tokens;
  *fresh = 0;
  if (!options_.train) {
    *fresh = std::max<int64_t>(0, begin - spare);
    return begin - *fresh;
  }
  if (!options_.shuffle) return begin;
  const int64_t starts = std::min(options_.tokens, spare - (windows_ - 1) * options_.tokens + 1);
  // The order's draws have samples below 2^31.
  constexpr uint64_t kStart = uint64_t{1} << 31;
  Random random(options_.seed, Purpose::kShuffle, static_cast<uint64_t>(epoch), kStart);
  return begin + random.below(starts);
}

TextBatch TextLoader::batch(int64_t epoch, int64_t index) const {
  require(epoch >= 0 && index >= 0 && index < batches_per_epoch(), "a batch outside of the epoch");
  TextBatch batch;
  batch.epoch = epoch;
  batch.index = index;
  const int64_t first = index * batch_size_;
  batch.batch = std::min(batch_size_, windows_ - first);
  batch.ids.reserve(static_cast<size_t>(batch.batch * options_.tokens));
  batch.targets.reserve(static_cast<size_t>(batch.batch * options_.tokens));
  const bool shuffled = options_.train && options_.shuffle && windows_ > 1;
  for (int64_t i = first; i < first + batch.batch; ++i) {
    const int64_t window = shuffled ? permuted(i, windows_, options_.seed, epoch) : i;
    int64_t fresh = 0;
    const int64_t begin = window_begin(epoch, window, &fresh);
    if (options_.objective == Objective::kCausal) {
      append_causal(begin, fresh, batch);
    } else {
      append_masked(begin, fresh, epoch, window, batch);
    }
  }
  return batch;
}

void TextLoader::append_causal(int64_t begin, int64_t fresh, TextBatch& batch) const {
  for (int64_t i = 0; i < options_.tokens; ++i) {
    batch.ids.push_back(tokens_[begin + i]);
    batch.targets.push_back(i < fresh ? kNotScored : tokens_[begin + i + 1]);
  }
}

void TextLoader::append_masked(int64_t begin, int64_t fresh, int64_t epoch, int64_t window,
                               TextBatch& batch) const {
  Random random(options_.seed, Purpose::kMask, static_cast<uint64_t>(epoch),
                static_cast<uint64_t>(window));
  // A window without a chosen token would have no loss: this one is then chosen.
  const int64_t fallback = fresh + random.below(options_.tokens - fresh);
  bool any = false;
  const size_t start = batch.targets.size();
  const auto choose = [&](int64_t i) {
    int64_t& id = batch.ids[start + static_cast<size_t>(i)];
    batch.targets[start + static_cast<size_t>(i)] = id;
    const double fate = random.uniform();
    if (fate < 0.8) {
      id = options_.special.mask;
    } else if (fate < 0.9) {
      do {
        id = random.below(options_.vocab);
      } while (is_special(id));
    }
    any = true;
  };
  for (int64_t i = 0; i < options_.tokens; ++i) {
    batch.ids.push_back(tokens_[begin + i]);
    batch.targets.push_back(kNotScored);
    if (i >= fresh && random.uniform() < options_.mask_share) choose(i);
  }
  if (!any) choose(fallback);
}

}  // namespace gmlp
