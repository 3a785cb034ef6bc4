#include "data/text/corpus.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "core/error.h"
#include "core/random.h"

namespace gmlp {
namespace {

constexpr int64_t kNotScored = -100;

// An epoch's offset and order and a window's masks come from Philox under (seed, epoch, window). So
// neither a list of millions of windows nor a generator's state has to be kept or saved.

/// Entry `index` of an epoch's permutation of many windows, without a list. Four Feistel rounds
/// permute the numbers of 2h bits, the smallest such set that contains n (at most four times as
/// many). A result that is not below n is permuted again until it is (cycle walking).
int64_t permuted(int64_t index, int64_t n, uint64_t seed, int64_t epoch) {
  const int bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(n - 1)));
  const int half = (bits + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  uint64_t value = static_cast<uint64_t>(index);
  do {
    uint64_t left = value >> half, right = value & mask;
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
  constexpr size_t kMemory = (size_t{32} << 20) / sizeof(Block);
  if (size_ % kTokenBlock == 0) {
    if (memory_.size() >= kMemory) spill();
    memory_.push_back({position, {}});
  }
  memory_.back().ids[static_cast<size_t>(size_++ % kTokenBlock)] = static_cast<uint32_t>(id);
}

void TokenStorage::spill() {
  const char* folder = std::getenv("TMPDIR");
  std::string path = folder != nullptr && *folder != '\0' ? folder : "/var/tmp";
  const auto check = [&](bool done) {
    if (done) return;
    fail_run("{}: the ids of the text cannot be stored there: {}; name another folder in TMPDIR",
             path, std::generic_category().message(errno));
  };
  if (file_ == nullptr) {
    path += "/gmlp-XXXXXX";
    const int descriptor = mkostemp(path.data(), O_CLOEXEC);
    check(descriptor >= 0);
    unlink(path.c_str());
    file_.reset(fdopen(descriptor, "w"));
    check(file_ != nullptr);
  }
  const size_t written = std::fwrite(memory_.data(), sizeof(Block), memory_.size(), file_.get());
  check(written == memory_.size() && std::fflush(file_.get()) == 0);
  spilled_ += std::ssize(memory_);
  memory_.clear();
}

TokenStorage::Block TokenStorage::block(int64_t index) const {
  if (index >= spilled_) return memory_[static_cast<size_t>(index - spilled_)];
  Block block;
  constexpr int64_t kBytes = sizeof block;
  if (pread(fileno(file_.get()), &block, sizeof block, index * kBytes) == kBytes) return block;
  fail_run("the temporary file of the text's ids cannot be read; start again");
}

std::vector<int64_t> TokenRow::ids(int64_t begin, int64_t count) const {
  require(begin >= 0 && begin + count <= size(), "ids outside of the row");
  std::vector<int64_t> ids;
  for (int64_t at = begin_ + begin; std::ssize(ids) < count;) {
    const TokenStorage::Block block = storage_->block(at / kTokenBlock);
    const int64_t first = at % kTokenBlock;
    const int64_t part = std::min(kTokenBlock - first, count - std::ssize(ids));
    ids.insert(ids.end(), block.ids.begin() + first, block.ids.begin() + first + part);
    at += part;
  }
  return ids;
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
  const auto position = [&](int64_t index) {  // the byte of the text at which an id begins
    const int64_t block = index / kTokenBlock, size = storage_->size();
    const auto block_begin = [&](int64_t i) {
      if (i * kTokenBlock >= size) return storage_->text_bytes;
      return i == 0 ? 0 : storage_->block(i).position;  // white space in front counts, too
    };
    const int64_t begin = block_begin(block);
    const int64_t ids = std::clamp<int64_t>(size - block * kTokenBlock, 1, kTokenBlock);
    return begin + (block_begin(block + 1) - begin) * (index % kTokenBlock) / ids;
  };
  return position(end_) - position(begin_);
}

double TokenRow::unknown_share() const {
  if (storage_ == nullptr) return 0;
  return static_cast<double>(storage_->unknown) / static_cast<double>(storage_->size());
}

TokenRow encode_files(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                      const CorpusOptions& options) {
  refuse_if(files.empty(), "--text: no file is given");
  const auto tokens = std::make_shared<TokenStorage>();
  const int64_t unknown = tokenizer.special().unknown;
  std::vector<Piece> pieces;
  const auto encode = [&](std::string_view text) {
    if (options.check_stop) options.check_stop();
    for (size_t begin = 0; begin < text.size();) {
      pieces.clear();
      begin = tokenizer.encode_part(text, begin, pieces);
      for (const Piece& piece : pieces) {
        require(piece.id >= 0 && piece.id < tokenizer.vocab(), "an id beyond the vocabulary");
        tokens->add(piece.id, tokens->text_bytes + piece.begin);
        if (piece.id == unknown) ++tokens->unknown;
      }
    }
    tokens->text_bytes += std::ssize(text);
  };
  for (const std::string& path : files) read_text_parts(path, encode, options.bad);
  if (options.check_stop) options.check_stop();
  refuse_if(tokens->size() == 0, "{}: has no text (0 tokens); use another file",
            files[0] == "-" ? "standard input" : files[0]);
  return TokenRow(tokens);
}

TextSplits open_corpus(const std::vector<std::string>& text,
                       const std::vector<std::string>& val_text, const Tokenizer& tokenizer,
                       const CorpusOptions& options) {
  refuse_if(val_text.empty() && !(options.val_fraction >= 0 && options.val_fraction < 1),
            "--val-fraction {}: must be at least 0 and below 1", options.val_fraction);
  const TokenRow all = encode_files(text, tokenizer, options);
  const std::string file = std::filesystem::path(text.front()).filename().string();
  TextSplits splits{
      .name = file == "-" ? "stdin" : file.substr(0, file.find('.', 1)), .train = all, .val = {}};
  if (text.size() > 1) splits.name += fmt::format("+{}", text.size() - 1);
  if (!val_text.empty()) {
    splits.val = encode_files(val_text, tokenizer, options);
    return splits;
  }
  // The cut is at the beginning of a block, where the bytes of both parts are known.
  int64_t cut = static_cast<int64_t>(static_cast<double>(all.size()) * (1 - options.val_fraction));
  if (cut >= kTokenBlock && cut < all.size()) cut -= cut % kTokenBlock;
  splits.train = all.slice(0, cut);
  splits.val = all.slice(cut, all.size());
  return splits;
}

int64_t scored_tokens(const TextBatch& batch) {
  return std::ranges::count_if(batch.targets, [](int64_t target) { return target >= 0; });
}

TextLoader::TextLoader(const TokenRow& tokens, const TextBatchOptions& options)
    : tokens_(tokens), options_(options) {
  require(options.tokens >= 1 && options.batch_size >= 1, "an empty batch of text");
  const bool causal = options.objective == Objective::kCausal;
  span_ = options.tokens + (causal ? 1 : 0);
  const int64_t spare = tokens.size() - span_;
  refuse_if(spare < 0,
            "the {} text has {} tokens, a window {}; use a longer text, or in training a shorter "
            "--seq-len or another --val-fraction",
            options.train ? "training" : "validation", tokens.size(), span_);
  if (!causal) {
    refuse_if(options.special.mask < 0,
              "the tokenizer has no [MASK]; use another one or --objective causal");
    // A masked id can become any but the five special ones.
    require(options.vocab > 5, "a vocabulary of special tokens only");
  }
  // Evaluation has one more window for the rest. Training uses as many as fit after the latest
  // offset, so that every epoch has the same number.
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
  // Four rounds on the few bits of a small n would prefer some orders: a list is shuffled instead.
  constexpr int64_t kFew = 1024;
  std::vector<int64_t> list(static_cast<size_t>(shuffled && windows_ <= kFew ? windows_ : 0));
  shuffle_indices(list.data(), std::ssize(list), options_.seed, Purpose::kShuffle,
                  static_cast<uint64_t>(epoch));
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
    const int64_t window = !shuffled      ? i
                           : list.empty() ? permuted(i, windows_, options_.seed, epoch)
                                          : list[static_cast<size_t>(i)];
    // Only evaluation's last window can exceed the row. It moves back, and its first ids are not
    // fresh: an earlier window has scored them.
    const int64_t begin = std::min(window * n + offset, spare);
    const int64_t fresh = window * n + offset - begin;
    if (options_.objective == Objective::kMasked) {
      append_masked(begin, fresh, epoch, window, batch);
      continue;
    }
    const std::vector<int64_t> ids = tokens_.ids(begin, span_);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end() - 1);
    batch.targets.insert(batch.targets.end(), ids.begin() + 1, ids.end());
    std::fill_n(batch.targets.end() - n, fresh, kNotScored);
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
  const std::vector<int64_t> ids = tokens_.ids(begin, span_);
  batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
  batch.targets.resize(batch.ids.size(), kNotScored);
  for (int64_t i = 0; i < options_.tokens; ++i) {
    if (i >= fresh && random.uniform() < options_.mask_share) choose(i);
  }
  if (!any) choose(fallback);
}

}  // namespace gmlp
