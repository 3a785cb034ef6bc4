// An epoch's offset and order and a window's masks come from Philox under (seed, epoch, window). So
// neither a shuffled list nor a generator's state has to be kept or saved.
#include "data/text/text_loader.h"

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "core/random.h"

namespace gmlp {
namespace {

constexpr int64_t kNotScored = -100;

/// Entry `index` of an epoch's permutation of n windows, without a list. Four Feistel rounds
/// permute the numbers of 2h bits, the smallest such set that contains n (at most four times as
/// many). A result that is not below n is permuted again until it is (cycle walking).
int64_t permuted(int64_t index, int64_t n, uint64_t seed, int64_t epoch) {
  const int bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(n - 1)));
  const int half = (bits + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  uint64_t value = static_cast<uint64_t>(index);
  do {
    uint64_t left = value >> half;
    uint64_t right = value & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      // h is at most 24 (2^48 windows), so the round's number has bits of its own.
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
        "the {} text has {} tokens, a window {}; use a longer text, a shorter --seq-len or "
        "another --val-fraction",
        options.train ? "training" : "validation", tokens.size(), span_);
  }
  if (!causal) {
    if (options.special.mask < 0) {
      fail_input("the tokenizer has no [MASK]; use another one or --objective causal");
    }
    if (!(options.mask_share > 0 && options.mask_share <= 1)) {
      fail_input("a share of {} masked tokens: must be above 0 and at most 1", options.mask_share);
    }
    int64_t ordinary = 0;  // ids that a random token can be
    for (int64_t id = 0; id < options.vocab && ordinary == 0; ++id) {
      ordinary += options.special.contains(id) ? 0 : 1;
    }
    require(ordinary > 0, "a vocabulary of special tokens only");
  }
  // Evaluation uses all whole windows and one more for the rest. Training uses as many as fit after
  // the latest offset, so that every epoch has the same number.
  const int64_t whole = spare / options.tokens + 1;
  windows_ = options.train ? std::max<int64_t>(1, (spare + 1) / options.tokens)
                           : whole + (spare % options.tokens != 0 ? 1 : 0);
  batch_size_ = std::min(options.batch_size, windows_);
}

int64_t TextLoader::batches_per_epoch() const {
  return options_.train ? windows_ / batch_size_ : (windows_ - 1) / batch_size_ + 1;
}

/// Returns the first id of a window. `fresh` is its first position that no earlier window has.
int64_t TextLoader::window_begin(int64_t epoch, int64_t window, int64_t* fresh) const {
  const int64_t spare = tokens_.size() - span_;
  const int64_t begin = window * options_.tokens;
  *fresh = 0;
  if (!options_.train) {
    *fresh = std::max<int64_t>(0, begin - spare);
    return begin - *fresh;
  }
  if (!options_.shuffle) return begin;
  const int64_t offsets = std::min(options_.tokens, spare - (windows_ - 1) * options_.tokens + 1);
  // The permutation's draws have samples below 2^31.
  constexpr uint64_t kOffset = uint64_t{1} << 31;
  Random random(options_.seed, Purpose::kShuffle, static_cast<uint64_t>(epoch), kOffset);
  return begin + random.below(offsets);
}

TextBatch TextLoader::batch(int64_t epoch, int64_t index) const {
  require(epoch >= 0 && index >= 0 && index < batches_per_epoch(), "a batch outside of the epoch");
  const int64_t first = index * batch_size_;
  TextBatch batch;
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
  // A window without a chosen token would have no loss: then this one is chosen.
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
      do id = random.below(options_.vocab);
      while (options_.special.contains(id));
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
