#include "data/text/corpus.h"

#include <algorithm>
#include <bit>
#include <filesystem>

#include "core/error.h"
#include "core/random.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

/// "novels" of "/data/novels.txt.gz".
std::string short_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  for (const std::string_view extension : {".gz", ".dz", ".txt", ".dict"}) {
    const bool longer = name.size() > extension.size();
    if (longer && name.ends_with(extension)) name.resize(name.size() - extension.size());
  }
  return name;
}

constexpr int64_t kNotScored = -100;

// An epoch's offset and order and a window's masks come from Philox under (seed, epoch, window). So
// neither a shuffled list nor a generator's state has to be kept or saved.

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

void TokenStorage::add(int64_t id, int64_t position) {
  if (low.size() % kTokenBlock == 0) positions.push_back(position);
  if (id > UINT16_MAX || !high.empty()) {
    high.resize(low.size());
    high.push_back(static_cast<uint16_t>(id >> 16));
  }
  low.push_back(static_cast<uint16_t>(id));
}

TokenRow::TokenRow(TokenStorage storage)
    : storage_(std::make_shared<TokenStorage>(std::move(storage))),
      end_(static_cast<int64_t>(storage_->low.size())) {}

int64_t TokenRow::operator[](int64_t i) const {
  const size_t at = static_cast<size_t>(begin_ + i);
  const int64_t high = storage_->high.empty() ? 0 : storage_->high[at];
  return high << 16 | storage_->low[at];
}

TokenRow TokenRow::slice(int64_t begin, int64_t end) const {
  require(begin >= 0 && begin <= end && end <= size(), "a slice outside of the row");
  TokenRow part = *this;
  part.begin_ = begin_ + begin;
  part.end_ = begin_ + end;
  return part;
}

int64_t TokenRow::text_bytes() const {
  if (size() == 0) return 0;
  const auto position = [&](int64_t i) {
    if (i == 0) return int64_t{0};  // white space before the first token counts, too
    if (i == static_cast<int64_t>(storage_->low.size())) return storage_->text_bytes;
    return storage_->positions[static_cast<size_t>(i / kTokenBlock)];
  };
  return position(end_) - position(begin_);
}

TokenRow encode_files(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                      const CorpusOptions& options) {
  // Each byte of text may cost two bytes or more, and gzip can inflate a file a thousandfold.
  constexpr int64_t kMaxText = int64_t{8} << 30;
  if (files.empty()) fail_input("--text: no file is given");
  TokenStorage tokens;
  for (const std::string& path : files) {
    read_text_parts(path, [&](std::string_view part) {
      if (options.check_stop) options.check_stop();
      for (const Piece& piece : tokenizer.encode(part)) {
        require(piece.id >= 0 && piece.id < tokenizer.vocab(), "an id beyond the vocabulary");
        tokens.add(piece.id, tokens.text_bytes + piece.begin);
      }
      tokens.text_bytes += static_cast<int64_t>(part.size());
      if (tokens.text_bytes > kMaxText) {
        fail_input("{}: with it the text exceeds {} GiB; use less text", path, kMaxText >> 30);
      }
    });
  }
  if (tokens.low.empty()) fail_input("{}: has no text (0 tokens); use another file", files.front());
  return TokenRow(std::move(tokens));
}

TextSplits open_corpus(const std::vector<std::string>& text,
                       const std::vector<std::string>& val_text, const Tokenizer& tokenizer,
                       const CorpusOptions& options) {
  if (val_text.empty() && !(options.val_fraction >= 0 && options.val_fraction < 1)) {
    fail_input("--val-fraction {}: must be at least 0 and below 1", options.val_fraction);
  }
  const TokenRow all = encode_files(text, tokenizer, options);
  TextSplits splits{.name = short_name(text.front()), .train = all, .val = {}};
  if (text.size() > 1) splits.name += fmt::format("+{}", text.size() - 1);
  if (!val_text.empty()) {
    splits.val = encode_files(val_text, tokenizer, options);
    return splits;
  }
  // The cut is at the beginning of a block, where the bytes of both parts are known.
  const double share = static_cast<double>(all.size()) * (1 - options.val_fraction);
  int64_t cut = static_cast<int64_t>(share) / kTokenBlock * kTokenBlock;
  if (options.val_fraction == 0) cut = all.size();
  splits.train = all.slice(0, cut);
  splits.val = all.slice(cut, all.size());
  return splits;
}

TextLoader::TextLoader(const TokenRow& tokens, const TextBatchOptions& options)
    : tokens_(tokens), options_(options) {
  if (options.tokens < 1) fail_input("--seq-len {}: must be at least 1", options.tokens);
  if (options.batch_size < 1) fail_input("--batch-size {}: must be at least 1", options.batch_size);
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
    // A masked id can become any but the five special ones.
    require(options.vocab > 5, "a vocabulary of special tokens only");
  }
  // Evaluation uses all whole windows and one more for the rest. Training uses as many as fit after
  // the latest offset, so that every epoch has the same number.
  windows_ = options.train ? std::max<int64_t>(1, (spare + 1) / options.tokens)
                           : (spare + options.tokens - 1) / options.tokens + 1;
  batch_size_ = std::min(options.batch_size, windows_);
}

int64_t TextLoader::batches_per_epoch() const {
  return options_.train ? windows_ / batch_size_ : (windows_ - 1) / batch_size_ + 1;
}

TextBatch TextLoader::batch(int64_t epoch, int64_t index) const {
  require(epoch >= 0 && index >= 0 && index < batches_per_epoch(), "a batch outside of the epoch");
  const int64_t n = options_.tokens;
  const int64_t spare = tokens_.size() - span_;
  const bool shuffled = options_.train && options_.shuffle;
  int64_t offset = 0;
  if (shuffled) {
    // The permutation's draws have samples below 2^31.
    constexpr uint64_t kOffset = uint64_t{1} << 31;
    Random random(options_.seed, Purpose::kShuffle, static_cast<uint64_t>(epoch), kOffset);
    offset = random.below(std::min(n, spare - (windows_ - 1) * n + 1));
  }
  TextBatch batch;
  const int64_t first = index * batch_size_;
  batch.batch = std::min(batch_size_, windows_ - first);
  batch.ids.reserve(static_cast<size_t>(batch.batch * n));
  batch.targets.reserve(static_cast<size_t>(batch.batch * n));
  for (int64_t i = first; i < first + batch.batch; ++i) {
    const int64_t window =
        shuffled && windows_ > 1 ? permuted(i, windows_, options_.seed, epoch) : i;
    // Only evaluation's last window can exceed the row. It moves back, and its first ids are not
    // fresh: an earlier window has scored them.
    const int64_t begin = std::min(window * n + offset, spare);
    const int64_t fresh = window * n + offset - begin;
    if (options_.objective == Objective::kMasked) {
      append_masked(begin, fresh, epoch, window, batch);
      continue;
    }
    for (int64_t j = 0; j < n; ++j) {
      batch.ids.push_back(tokens_[begin + j]);
      batch.targets.push_back(j < fresh ? kNotScored : tokens_[begin + j + 1]);
    }
  }
  return batch;
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
