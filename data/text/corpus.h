#pragma once
// A corpus: text files as one row of token ids in memory.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp {

constexpr int64_t kTokenBlock = 64;  // ids between two known positions in the text

/// The ids of a text, in two bytes each, or four for a vocabulary above 65,536.
struct TokenStorage {
  void add(int64_t id, int64_t position);

  std::vector<uint16_t> low;
  std::vector<uint16_t> high;      // empty until an id needs it
  std::vector<int64_t> positions;  // the bytes of the text at which ids 0, 64, 128, ... begin
  int64_t text_bytes = 0;
};

/// A read-only row of ids. Copies share the storage.
class TokenRow {
 public:
  TokenRow() = default;
  explicit TokenRow(TokenStorage storage);

  int64_t size() const { return end_ - begin_; }
  int64_t operator[](int64_t i) const;
  TokenRow slice(int64_t begin, int64_t end) const;
  /// The number of bytes of text that the ids stand for, for bits per byte. Exact for a row that
  /// begins and ends at a multiple of kTokenBlock or at the end of the text. Other ends count as
  /// the beginning of their block.
  int64_t text_bytes() const;

 private:
  std::shared_ptr<const TokenStorage> storage_;
  int64_t begin_ = 0;
  int64_t end_ = 0;
};

struct CorpusOptions {
  double val_fraction = 0.1;  // the end of the text, if there is no validation text
  /// Called about once per mebibyte while a text is encoded. Stops it by throwing, e.g. at a
  /// signal.
  std::function<void()> check_stop;
};

/// Encodes `files` one after the other, plain or gzip'd (.gz, .dz). Throws InputError for text that
/// is not UTF-8, naming file and byte, and if there is no text.
TokenRow encode_files(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                      const CorpusOptions& options);

struct TextSplits {
  std::string name;  // short, for the run folder
  TokenRow train;
  TokenRow val;
};
/// Without `val_text` the last val_fraction of `text` is for validation.
TextSplits open_corpus(const std::vector<std::string>& text,
                       const std::vector<std::string>& val_text, const Tokenizer& tokenizer,
                       const CorpusOptions& options);

}  // namespace gmlp
