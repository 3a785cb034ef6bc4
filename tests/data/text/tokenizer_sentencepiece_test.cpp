// SentencePiece: what its library promises, special ids, and models that are damaged.
#include <algorithm>
#include <set>

#include "core/io/file.h"
#include "core/random.h"
#include "data/text/tokenizer.h"
#include "tests/data/data_files.h"
#include "tests/data/shared_files.h"
#include "tests/support/catch.h"

using gmlp::Piece;
using gmlp::Tokenizer;
using gmlp::test::input_error;
using gmlp::test::TemporaryFolder;

namespace {

/// Sentences of made-up words with few syllables.
std::string made_text(int64_t sentences) {
  const std::vector<std::string> syllables = {"ba", "ko", "ri", "ten", "lo", "mus", "e", "na"};
  gmlp::Random random(7, gmlp::Purpose::kSample);
  std::string text;
  for (int64_t i = 0; i < sentences; ++i) {
    for (int64_t words = 3 + random.below(6); words > 0; --words) {
      for (int64_t parts = 1 + random.below(3); parts > 0; --parts) {
        text += syllables[static_cast<size_t>(random.below(8))];
      }
      text += words > 1 ? " " : ".\n";
    }
  }
  return text;
}

std::string trained_model() {
  static const std::string model = [] {
    const TemporaryFolder folder;
    gmlp::write_file_atomic(folder / "t.txt", made_text(500));
    return gmlp::train_tokenizer({folder / "t.txt"}, {"sentencepiece", 320});
  }();
  return model;
}

std::unique_ptr<Tokenizer> read(const std::string& model) {
  return gmlp::read_sentencepiece(model, "t.model");
}

/// A model of Google's tests, without <pad> and the like; empty where it is absent.
std::string foreign_model() {
  const std::string path = gmlp::test::shared_file("tokenizers/sentencepiece-test_model-1k.model");
  return path.empty() ? std::string() : gmlp::read_text(path);
}

/// Reads a model that may be damaged and, if that works, uses it: neither may crash.
bool is_refused(const std::string& model) {
  return !input_error([&] {
            const std::unique_ptr<Tokenizer> tokenizer = read(model);
            const std::string text =
                "bako ritenlo \u00e9\u2126\ufb01\u65e5 [MASK] \x01\n\tx\u0301.";
            const std::vector<int64_t> ids = tokenizer->encode_ids(text);
            for (const int64_t id : ids) {
              if (id < 0 || id >= tokenizer->vocab()) FAIL("an id beyond the vocabulary");
            }
            tokenizer->decode(ids);
          }).empty();
}

void damage(const std::string& model, int64_t flips, uint64_t seed) {
  gmlp::Random random(seed, gmlp::Purpose::kSample);
  int64_t refused = 0;
  for (int64_t i = 0; i < flips; ++i) {
    std::string bytes = model;
    const int64_t count = 1 + random.below(3);
    for (int64_t k = 0; k < count; ++k) {
      char& byte = bytes[static_cast<size_t>(random.below(static_cast<int64_t>(bytes.size())))];
      byte = static_cast<char>(byte ^ (1 << random.below(8)));
    }
    refused += is_refused(bytes) ? 1 : 0;
  }
  CHECK(refused > 0);
}

}  // namespace

TEST_CASE("a trained sentencepiece model has its special ids inside and round-trips any text") {
  const std::unique_ptr<Tokenizer> tokenizer = read(trained_model());
  CHECK(tokenizer->vocab() == 320);
  const gmlp::SpecialIds special = tokenizer->special();
  CHECK(special.pad == 0);
  CHECK(special.unknown == 1);
  CHECK(std::set<int64_t>{special.cls, special.sep, special.mask} == std::set<int64_t>{2, 3, 4});
  CHECK(tokenizer->name(special.mask) == "[MASK]");
  for (const std::string text : {"bako ritenlo.", "not of the text", "\u65e5\u672c \U0001F600 x"}) {
    const std::vector<int64_t> ids = tokenizer->encode_ids(text);
    CHECK(tokenizer->decode(ids) == text);
    CHECK(std::count_if(ids.begin(), ids.end(), [](int64_t id) { return id < 5; }) == 0);
  }
  CHECK(tokenizer->encode_ids("bako ritenlo").size() <= 6);
}

TEST_CASE("the same text trains the same sentencepiece model") {
  const TemporaryFolder folder;
  gmlp::write_file_atomic(folder / "other_name.txt", made_text(500));
  CHECK(gmlp::train_tokenizer({folder / "other_name.txt"}, {"sentencepiece", 320}) ==
        trained_model());
}

TEST_CASE("a bpe model trains, round-trips and is not the unigram one") {
  const TemporaryFolder folder;
  gmlp::write_file_atomic(folder / "t.txt", made_text(500));
  const std::string model =
      gmlp::train_tokenizer({folder / "t.txt"}, {"sentencepiece", 320, "bpe"});
  CHECK(model != trained_model());
  const std::unique_ptr<Tokenizer> tokenizer = read(model);
  CHECK(tokenizer->vocab() == 320);
  const std::string text = "bako ritenlo \u65e5.";
  CHECK(tokenizer->decode(tokenizer->encode_ids(text)) == text);
  CHECK(input_error([&] {
          gmlp::train_tokenizer({folder / "t.txt"}, {"sentencepiece", 9000, "bpe"});
        }).find("--vocab-size 9000: SentencePiece cannot train") == 0);
  CHECK(input_error([&] {
          gmlp::train_tokenizer({folder / "t.txt"}, {"sentencepiece", 320, "word"});
        }).find("--model-type word: must be unigram or bpe") == 0);
}

TEST_CASE("a vocabulary that the text is too short for is an error") {
  const TemporaryFolder folder;
  gmlp::write_file_atomic(folder / "t.txt", "only a few words\n");
  const auto error = [&](const std::string& name, int64_t vocab) {
    std::string message = input_error([&] {
      gmlp::train_tokenizer({folder / name}, {"sentencepiece", vocab});
    });
    INFO(message);
    return message;
  };
  CHECK(error("t.txt", 8000).find("--vocab-size 8000: SentencePiece cannot train") == 0);
  CHECK(error("t.txt", 262).find("--vocab-size 262") == 0);
  CHECK(error("t.txt", 100).find("--vocab-size 100: must be between") == 0);
  // The library ends the process when nothing is left of a text.
  const std::string blank = " \n\n\u2581 \u2581\n\u200b\u200b\n\x01\n\u2585 reserved\n\u3000\n";
  gmlp::write_file_atomic(folder / "blank.txt", blank);
  CHECK(error("blank.txt", 300).find("has no text") != std::string::npos);
}

TEST_CASE("a newline is white space to sentencepiece, and lines encode one by one") {
  const std::unique_ptr<Tokenizer> tokenizer = read(trained_model());
  CHECK(tokenizer->encode_ids("bako\nriten\n") == tokenizer->encode_ids("bako riten"));
  CHECK(tokenizer->encode("\n\n").empty());
  CHECK(tokenizer->encode("").empty());
  const std::vector<Piece> lines = tokenizer->encode("bako\n\nriten");
  CHECK(lines.back().end == 11);
  // A line too long for one call: parted at spaces, nothing lost.
  std::string line;
  while (line.size() < 100'000) line += "bako riten ";
  line.pop_back();
  CHECK(tokenizer->decode(tokenizer->encode_ids(line)) == line);
  const std::string word(100'000, 'b');
  CHECK(tokenizer->encode(word).back().end == 100'000);
}

TEST_CASE("pieces of sentencepiece cover the text") {
  const std::unique_ptr<Tokenizer> tokenizer = read(trained_model());
  const std::string text = "bako  riten\u00e9lo \ufb01 \U0001F600.\n x  ";
  int64_t last = 0;
  for (const Piece& piece : tokenizer->encode(text)) {
    CHECK(piece.begin >= last);
    CHECK(piece.end >= piece.begin);
    const std::string between =
        text.substr(static_cast<size_t>(last), static_cast<size_t>(piece.begin - last));
    CHECK(between.find_first_not_of(" \n") == std::string::npos);
    last = piece.end;
  }
  CHECK(text.substr(static_cast<size_t>(last)).find_first_not_of(' ') == std::string::npos);
}

TEST_CASE("no special id comes of text, and text after a mask goes on without a space") {
  const std::unique_ptr<Tokenizer> tokenizer = read(trained_model());
  const int64_t mask = tokenizer->special().mask;
  for (const int64_t id : tokenizer->encode_ids("[MASK][CLS]<pad><unk>[SEP]")) CHECK(id > 4);
  const std::string text = "bako [MASK] riten[MASK].";
  std::vector<std::string> names;
  for (const Piece& piece : gmlp::encode_with_mask(*tokenizer, text)) {
    names.push_back(tokenizer->name(piece.id));
    CHECK(piece.end <= static_cast<int64_t>(text.size()));
  }
  CHECK(std::count(names.begin(), names.end(), "[MASK]") == 2);
  CHECK(names.back() == ".");
  const auto first = std::find(names.begin(), names.end(), "[MASK]");
  CHECK((first + 1)->starts_with("\u2581"));
  CHECK(tokenizer->name(mask) == "[MASK]");
}

TEST_CASE("a sentencepiece model without special ids gets them behind its own") {
  const std::string model = foreign_model();
  if (model.empty()) return;
  const std::unique_ptr<Tokenizer> tokenizer = read(model);
  CHECK(tokenizer->vocab() == 1004);
  CHECK(tokenizer->special().pad == 1000);
  CHECK(tokenizer->special().mask == 1003);
  CHECK(tokenizer->name(1003) == "[MASK]");
  CHECK(tokenizer->decode(tokenizer->encode_ids("I saw a girl")) == "I saw a girl");
  CHECK(tokenizer->decode({1003, tokenizer->special().unknown}) == "\uFFFD");
  CHECK(tokenizer->file_bytes() == model);
}

TEST_CASE("a truncated sentencepiece model is an error or works") {
  const std::string model = trained_model();
  gmlp::Random random(1, gmlp::Purpose::kSample);
  for (int64_t i = 0; i < 150; ++i) {
    const size_t length =
        i < 100 ? static_cast<size_t>(i)
                : static_cast<size_t>(random.below(static_cast<int64_t>(model.size())));
    INFO(length);
    CHECK(is_refused(model.substr(0, length)));
  }
}

TEST_CASE("a sentencepiece model with flipped bits is an error or works") {
  damage(trained_model(), 100, 2);
}

TEST_CASE("a foreign sentencepiece model with flipped bits is an error or works") {
  const std::string model = foreign_model();
  if (!model.empty()) damage(model, 200, 3);
}

TEST_CASE("pieces that would overflow the library's stack are refused") {
  const auto bytes_field = [](char tag, const std::string& bytes) {
    const char low = static_cast<char>(bytes.size() | 0x80);  // seven bits at a time
    const char high = static_cast<char>(bytes.size() >> 7);
    return std::string{tag, low, high} + bytes;
  };
  const auto piece = [&](const std::string& text) {
    return bytes_field('\x0A', bytes_field('\x0A', text) + "\x18\x04");  // user-defined
  };
  std::string model = trained_model();
  CHECK(!is_refused(model + piece(std::string(8000, 'a'))));
  CHECK(is_refused(model + piece(std::string(8001, 'a'))));
  for (size_t length = 1; length <= 64; ++length) model += piece(std::string(length, '#'));
  CHECK(!is_refused(model));
  CHECK(read(model)->encode(std::string(100, '#')).back().end == 100);
  CHECK(is_refused(model + piece(std::string(65, '#'))));
}

TEST_CASE("garbage is no sentencepiece model") {
  gmlp::Random random(4, gmlp::Purpose::kSample);
  for (int64_t i = 0; i < 200; ++i) {
    std::string bytes(static_cast<size_t>(random.below(200)), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.below(256));
    CHECK(is_refused(bytes));
  }
  const std::string message = input_error([] { read("hello"); });
  CHECK(message.find("t.model: is not a SentencePiece model, or is damaged") == 0);
}
