#include "data/text/corpus.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "core/error.h"
#include "core/io/file.h"
#include "data/text/text_file.h"
#include "data/text/token_cache.h"

namespace gmlp {
namespace {

namespace fs = std::filesystem;

/// To be raised when an encoder gives other ids than before: caches of older ones are then unused.
constexpr uint32_t kEncoders = 1;

/// Ids are collected in memory, two or four bytes each, and a text may inflate a thousandfold.
constexpr int64_t kMostText = int64_t{8} << 30;

uint64_t combine(uint64_t high, uint64_t low) {
  return high << 32 | (low & UINT32_MAX);
}

/// Checksums of the files' own bytes, compressed or not: cheap to make, as nothing is inflated.
TokenKey key_of(const std::vector<std::string>& files, const Tokenizer& tokenizer) {
  std::string sums;
  int64_t size = 0;
  for (const std::string& path : files) {
    const FileSum sum = sum_of_file(path);
    sums += fmt::format("{:08x} {}\n", sum.crc, sum.size);
    size = checked_add(size, sum.size, path);
  }
  const auto sum_of = [](const std::string& bytes) {
    return crc32_of(bytes.data(), static_cast<int64_t>(bytes.size()));
  };
  const std::string file = tokenizer.file_bytes();
  const std::string kind = fmt::format("{} {} {}", tokenizer.kind(), kEncoders, file.size());
  TokenKey key;
  key.text = combine(sum_of(sums), static_cast<uint64_t>(size));
  key.tokenizer = combine(sum_of(file), sum_of(kind));
  key.vocab = tokenizer.vocab();
  return key;
}

/// Where caches lie; empty: nowhere.
std::string cache_folder(const CorpusOptions& options) {
  if (!options.cache_dir.empty()) return options.cache_dir;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  if (std::string own = variable("GMLP_CACHE"); !own.empty()) return own;
  if (const std::string xdg = variable("XDG_CACHE_HOME"); !xdg.empty()) return xdg + "/gmlp";
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.cache/gmlp";
  return "";
}

/// All files, part by part, so that what is in memory at once is a part and its pieces.
std::string encode_files(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                         const TokenKey& key, const CorpusOptions& options) {
  TokenWriter writer(tokenizer.vocab());
  int64_t text_bytes = 0;
  for (const std::string& path : files) {
    TextFile file(path);
    for (std::string_view part = file.next(); !part.empty(); part = file.next()) {
      if (options.check_stop) options.check_stop();
      for (const Piece& piece : tokenizer.encode(part)) {
        require(piece.id >= 0 && piece.id < key.vocab, "an id beyond the vocabulary");
        writer.add(piece.id, text_bytes + piece.begin);
      }
      text_bytes += static_cast<int64_t>(part.size());
      if (text_bytes > kMostText) {
        fail_input("{}: with it the text has more than {} GiB; take less of it", path,
                   kMostText >> 30);
      }
    }
  }
  if (writer.count() == 0) {
    fail_input("{}: holds no text (0 tokens); name a file with text", files.front());
  }
  return writer.finish(key, text_bytes);
}

/// Stores a cache file; returns what to say about it. A text can be trained on without one.
std::string store(const std::string& path, const std::string& bytes) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  try {
    write_file_atomic(path, bytes);
    return "kept in " + path;
  } catch (const RunError& failure) {
    return fmt::format("not kept: {}", failure.what());
  }
}

/// "novels" of "/data/novels.txt.gz".
std::string short_name(const std::string& path) {
  std::string name = fs::path(path).filename().string();
  for (const char* extension : {".gz", ".dz", ".txt", ".dict"}) {
    if (name.size() > std::string_view(extension).size() && name.ends_with(extension)) {
      name.resize(name.size() - std::string_view(extension).size());
    }
  }
  return name;
}

}  // namespace

TokenRow::TokenRow(std::shared_ptr<const TokenStorage> storage)
    : storage_(std::move(storage)), end_(storage_->count) {}

int64_t TokenRow::operator[](int64_t i) const {
  return storage_->id(begin_ + i);
}

TokenRow TokenRow::slice(int64_t begin, int64_t end) const {
  require(begin >= 0 && begin <= end && end <= size(), "a slice outside of the row");
  TokenRow part = *this;
  part.begin_ = begin_ + begin;
  part.end_ = begin_ + end;
  return part;
}

int64_t TokenRow::text_bytes() const {
  if (storage_ == nullptr) return 0;
  // White space before the first token belongs to it.
  const int64_t begin = begin_ == 0 ? 0 : storage_->text_position(begin_);
  return storage_->text_position(end_) - begin;
}

TokenRow open_tokens(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                     const CorpusOptions& options, std::vector<std::string>* notes) {
  if (files.empty()) fail_input("--text: names no file");
  const auto note = [&](const std::string& line) {
    if (notes != nullptr) notes->push_back(line);
  };
  const TokenKey key = key_of(files, tokenizer);
  const std::string folder = cache_folder(options);
  const std::string path = folder + fmt::format("/{:016x}-{:016x}.tokens", key.text, key.tokenizer);
  std::string reason;
  if (!folder.empty()) {
    if (std::shared_ptr<const TokenStorage> found = map_tokens(path, key, reason)) {
      note(fmt::format("{}: {} tokens from {}", files.front(), found->count, path));
      return TokenRow(std::move(found));
    }
    std::error_code error;
    if (fs::exists(path, error)) note(fmt::format("{}: not used, as {}; made again", path, reason));
  }
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::string bytes = encode_files(files, tokenizer, key, options);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const std::string kept = folder.empty() ? "not kept: no $HOME" : store(path, bytes);
  std::shared_ptr<const TokenStorage> storage =
      folder.empty() ? nullptr : map_tokens(path, key, reason);
  if (storage == nullptr) storage = hold_tokens(std::move(bytes), key);
  note(fmt::format("{}: {} bytes are {} tokens, encoded in {:.1f} s, {}", files.front(),
                   storage->text_bytes, storage->count, seconds.count(), kept));
  return TokenRow(std::move(storage));
}

TextSplits open_corpus(const std::vector<std::string>& text,
                       const std::vector<std::string>& val_text, const Tokenizer& tokenizer,
                       const CorpusOptions& options) {
  TextSplits splits;
  splits.train = open_tokens(text, tokenizer, options, &splits.notes);
  splits.name = short_name(text.front());
  if (text.size() > 1) splits.name += fmt::format("+{}", text.size() - 1);
  if (!val_text.empty()) {
    splits.val = open_tokens(val_text, tokenizer, options, &splits.notes);
    return splits;
  }
  if (!(options.val_fraction >= 0 && options.val_fraction < 1)) {
    fail_input("--val-fraction {}: must be at least 0 and below 1", options.val_fraction);
  }
  // At a block's start, where the bytes of both parts are known.
  const TokenRow all = splits.train;
  const double share = static_cast<double>(all.size()) * (1 - options.val_fraction);
  const int64_t cut = options.val_fraction == 0
                          ? all.size()
                          : static_cast<int64_t>(share) / kTokenBlock * kTokenBlock;
  splits.train = all.slice(0, cut);
  splits.val = all.slice(cut, all.size());
  return splits;
}

}  // namespace gmlp
