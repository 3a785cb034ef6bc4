#include "data/text/corpus.h"

#include <filesystem>

#include "core/error.h"
#include "data/text/text_file.h"

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
  TextSplits splits;
  splits.name = short_name(text.front());
  if (text.size() > 1) splits.name += fmt::format("+{}", text.size() - 1);
  if (!val_text.empty()) {
    splits.train = all;
    splits.val = encode_files(val_text, tokenizer, options);
    return splits;
  }
  // The cut is at the beginning of a block, where the bytes of both parts are known.
  const double share = static_cast<double>(all.size()) * (1 - options.val_fraction);
  const int64_t cut = options.val_fraction == 0
                          ? all.size()
                          : static_cast<int64_t>(share) / kTokenBlock * kTokenBlock;
  splits.train = all.slice(0, cut);
  splits.val = all.slice(cut, all.size());
  return splits;
}

}  // namespace gmlp
