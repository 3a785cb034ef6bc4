#pragma once
// Text to token ids and back. A tokenizer is one of three kinds:
//
//   kind            an id is                                     file
//   bytes           a byte                                       tokenizer.json, or none
//   chars           a Unicode character of the training text     tokenizer.json
//   sentencepiece   a subword (Kudo and Richardson 2018)         tokenizer.model

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

/// The special ids of a tokenizer; -1 for one that it does not have.
struct SpecialIds {
  int64_t pad = -1, unknown = -1, cls = -1, sep = -1, mask = -1;

  bool contains(int64_t id) const {
    return id == pad || id == unknown || id == cls || id == sep || id == mask;
  }
};

/// A token and its bytes [begin, end) of the text.
struct Piece {
  int64_t id = 0, begin = 0, end = 0;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// "bytes", "chars" or "sentencepiece".
  virtual const char* kind() const = 0;
  /// The number of ids, special ones included.
  virtual int64_t vocab() const = 0;
  virtual SpecialIds special() const = 0;
  /// Text never becomes a special id, except the id of unknown text. encode(a + "\n" + b) begins
  /// with encode(a). Throws InputError for text that is not UTF-8 without NUL, except of bytes.
  std::vector<Piece> encode(std::string_view text) const;
  /// One step of encode(), whose memory does not grow with the text: appends the pieces of a part
  /// that begins at byte `begin`, and returns where the next part begins. Does not check the text.
  virtual size_t encode_part(std::string_view text, size_t begin,
                             std::vector<Piece>& out) const = 0;
  /// encode() for text that directly follows another token: sentencepiece adds no space before it.
  virtual std::vector<Piece> encode_continued(std::string_view text) const { return encode(text); }
  /// Special ids become nothing, unknown ones U+FFFD.
  virtual std::string decode(const std::vector<int64_t>& ids) const = 0;
  /// One id for display: "▁house", "ing", "[MASK]".
  virtual std::string name(int64_t id) const = 0;
  /// The name and the contents of the tokenizer's file in a checkpoint; open_tokenizer reads it.
  virtual std::string file_name() const = 0;
  virtual std::string file_bytes() const = 0;

  std::vector<int64_t> encode_ids(std::string_view text) const;
};

/// encode(), but each "[MASK]" becomes the mask's id. Throws InputError if there is no mask.
std::vector<Piece> encode_with_mask(const Tokenizer& tokenizer, std::string_view text);

/// Opens `bytes`, a SentencePiece .model, or a tokenizer.json of this program. A SentencePiece
/// model without <pad>, [CLS], [SEP] or [MASK] gets them after its own ids. Throws InputError
/// naming the file, the reason and the remedy.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& spec);
/// Opens the tokenizer in a checkpoint folder.
std::unique_ptr<Tokenizer> open_stored_tokenizer(const std::string& folder);

// The constructors behind open_tokenizer. `name` is the file's name in errors.
/// Reads {"type": "bytes"} or {"type": "chars", "characters": ["a", ...]}.
std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view bytes, const std::string& name);
std::unique_ptr<Tokenizer> read_sentencepiece(std::string bytes, const std::string& name);

/// The options of `tokenizer train`.
struct TokenizerTraining {
  std::string type;                    ///< sentencepiece, chars or bytes
  int64_t vocab = 0;                   ///< with the special ids; 0 with chars: all characters
  std::string model_type = "unigram";  ///< of sentencepiece, or "bpe"
};
/// Returns the contents of a tokenizer file, which depend on the texts and the options alone.
std::string train_tokenizer(const std::vector<std::string>& files,
                            const TokenizerTraining& options);
/// train_tokenizer for one type, with options that it has checked.
std::string train_sentencepiece(const std::vector<std::string>& files,
                                const TokenizerTraining& training);

}  // namespace gmlp
