#pragma once
// Text to token ids and back. What differs between tokenizers (bytes, characters, WordPiece,
// SentencePiece) is in one file each; everything after this header is the same.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

/// Ids with a meaning of their own; -1 where a tokenizer has none.
struct SpecialIds {
  int64_t pad = -1;
  int64_t unknown = -1;
  int64_t cls = -1;
  int64_t sep = -1;
  int64_t mask = -1;

  bool contains(int64_t id) const {
    return id == pad || id == unknown || id == cls || id == sep || id == mask;
  }
};

/// A token and the bytes [begin, end) of the text that it stands for.
struct Piece {
  int64_t id = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// "bytes", "chars", "wordpiece" or "sentencepiece".
  virtual const char* kind() const = 0;
  /// How many ids there are, special ones included.
  virtual int64_t vocab() const = 0;
  virtual SpecialIds special() const = 0;
  /// `text` must be valid UTF-8 without NUL (bytes takes anything). No special id is ever made of
  /// text. Throws InputError naming the byte's position.
  /// A newline is white space to wordpiece and sentencepiece, and a token of its own to the others;
  /// in any case encode(a + "\n" + b) begins with what encode(a) gives.
  virtual std::vector<Piece> encode(std::string_view text) const = 0;
  /// The same for text that goes on where a token before it ends: sentencepiece supposes no space
  /// before it.
  virtual std::vector<Piece> encode_continued(std::string_view text) const { return encode(text); }
  /// Special ids become nothing, unknown ones U+FFFD.
  virtual std::string decode(const std::vector<int64_t>& ids) const = 0;
  /// What a person is shown for one id: "▁house", "##ing", "[MASK]".
  virtual std::string name(int64_t id) const = 0;
  /// The file that open_tokenizer reads, and how it is called in a checkpoint folder:
  /// tokenizer.model, vocab.txt or tokenizer.json.
  virtual std::string file_name() const = 0;
  virtual std::string file_bytes() const = 0;

  std::vector<int64_t> encode_ids(std::string_view text) const;
};

/// encode(), but each "[MASK]" in the text becomes the mask's id. Throws InputError when there is
/// none.
std::vector<Piece> encode_with_mask(const Tokenizer& tokenizer, std::string_view text);

/// `bytes`, or a file: a SentencePiece .model, a WordPiece vocab.txt, or this project's .json of
/// characters. A SentencePiece model without <pad>, [CLS], [SEP], [MASK] gets them behind its own
/// ids. Throws InputError naming the file, the reason and the remedy.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& spec);
/// The tokenizer file in a checkpoint folder.
std::unique_ptr<Tokenizer> open_stored_tokenizer(const std::string& folder);

/// `tokenizer train`: the bytes of a tokenizer file for these texts; `type` is sentencepiece, chars
/// or bytes. The same files give the same bytes.
struct TokenizerTraining {
  std::string type;
  int64_t vocab = 0;                   // with the special ids; 0 with chars: all characters
  std::string model_type = "unigram";  // of sentencepiece, or "bpe"
};
std::string train_tokenizer(const std::vector<std::string>& files,
                            const TokenizerTraining& options);

}  // namespace gmlp
