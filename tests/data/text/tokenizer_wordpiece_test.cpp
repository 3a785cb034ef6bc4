// WordPiece beside what BERT's own tokenizer gives, and damaged vocabularies.

#include "data/text/kinds.h"
#include "data/text/tokenizer.h"
#include "tests/data/data_files.h"
#include "tests/data/shared_files.h"
#include "tests/support/catch.h"

using gmlp::Piece;
using gmlp::Tokenizer;
using gmlp::test::input_error;

namespace {

const std::string kSpecials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

std::unique_ptr<Tokenizer> vocabulary(const std::string& lines) {
  return gmlp::read_wordpiece(kSpecials + lines, "vocab.txt");
}

std::vector<std::string> names(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<std::string> result;
  for (const int64_t id : tokenizer.encode_ids(text)) result.push_back(tokenizer.name(id));
  return result;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("wordpiece takes the longest piece that fits, or all of a word is unknown") {
  const std::unique_ptr<Tokenizer> tokenizer =
      vocabulary("un\n##aff\n##able\n##a\nwant\n##want\n##ed\nrunn\n##ing\n");
  CHECK(names(*tokenizer, "unwanted running") == Names{"un", "##want", "##ed", "runn", "##ing"});
  CHECK(names(*tokenizer, "unaffable") == Names{"un", "##aff", "##able"});
  CHECK(names(*tokenizer, "unwantedX running") == Names{"[UNK]", "runn", "##ing"});
  CHECK(names(*tokenizer, "").empty());
  CHECK(names(*tokenizer, " \t\r\n ").empty());
  CHECK(tokenizer->decode(tokenizer->encode_ids("UNWANTED running")) == "unwanted running");
}

TEST_CASE("a word of more than a hundred characters is unknown") {
  const std::unique_ptr<Tokenizer> tokenizer = vocabulary("a\n##a\n");
  CHECK(names(*tokenizer, std::string(100, 'a')).size() == 100);
  CHECK(names(*tokenizer, std::string(101, 'a')) == Names{"[UNK]"});
}

TEST_CASE("an uncased vocabulary loses capitals and accents, a cased one keeps them") {
  const std::string text = "H\u00e9llo \u00c9cole";
  const std::unique_ptr<Tokenizer> uncased = vocabulary("hello\necole\n");
  CHECK(names(*uncased, text) == Names{"hello", "ecole"});
  CHECK(names(*uncased, "he\u0301llo") == Names{"hello"});
  const std::unique_ptr<Tokenizer> cased = vocabulary("H\u00e9llo\n\u00c9cole\nhello\n");
  CHECK(names(*cased, text) == Names{"H\u00e9llo", "\u00c9cole"});
  CHECK(names(*cased, "Hello") == Names{"[UNK]"});
}

TEST_CASE("punctuation and ideographs are words, control characters vanish") {
  const std::unique_ptr<Tokenizer> tokenizer =
      vocabulary("a\nb\nab\n$\n^\n,\n\u3002\n\u65e5\n\u672c\n\u304b\n##\u306a\n");
  CHECK(names(*tokenizer, "a,b$^") == Names{"a", ",", "b", "$", "^"});
  CHECK(names(*tokenizer, "a\u65e5\u672cb\u3002") == Names{"a", "\u65e5", "\u672c", "b", "\u3002"});
  CHECK(names(*tokenizer, "\u304b\u306a") == Names{"\u304b", "##\u306a"});
  CHECK(names(*tokenizer, "a\u200bb\x01") == Names{"ab"});  // U+200B is of the class Cf
  CHECK(names(*tokenizer, "a\u00a0b\u3000a\u2028b\u2029a") == Names{"a", "b", "a", "b", "a"});
}

TEST_CASE("a capital sigma at a word's end becomes a final one") {
  const std::unique_ptr<Tokenizer> tokenizer = vocabulary("\u03b1\n##\u03c3\n##\u03c2\n##\u03b1\n");
  const std::string end = "##\u03c2";
  const std::string inside = "##\u03c3";
  CHECK(names(*tokenizer, "\u0391\u03a3") == Names{"\u03b1", end});
  CHECK(names(*tokenizer, "\u0391\u03a3\u0391") == Names{"\u03b1", inside, "##\u03b1"});
  CHECK(names(*tokenizer, "\u0391\u0301\u03a3\u00ad \u0391") == Names{"\u03b1", end, "\u03b1"});
  CHECK(names(*tokenizer, "\u0391\u03a3\u2028\u0391") == Names{"\u03b1", end, "\u03b1"});
}

TEST_CASE("each piece knows its bytes in the text as it was") {
  const std::unique_ptr<Tokenizer> tokenizer = vocabulary("caf\n##e\ne\n.\nun\n##want\n##ed\n");
  const std::string text = " Cafe\u0301  UNwanted. \u00c9";
  Names parts;
  int64_t last = 0;
  for (const Piece& piece : tokenizer->encode(text)) {
    CHECK(piece.begin >= last);
    const std::string between =
        text.substr(static_cast<size_t>(last), static_cast<size_t>(piece.begin - last));
    CHECK(between.find_first_not_of(' ') == std::string::npos);
    last = piece.end;
    parts.push_back(text.substr(static_cast<size_t>(piece.begin),
                                static_cast<size_t>(piece.end - piece.begin)));
  }
  CHECK(last == static_cast<int64_t>(text.size()));
  CHECK(parts == Names{"Caf", "e\u0301", "UN", "want", "ed", ".", "\u00c9"});
}

TEST_CASE("special tokens typed by a user are text") {
  const std::unique_ptr<Tokenizer> tokenizer = vocabulary("[\n]\nmask\nis\n");
  CHECK(names(*tokenizer, "[MASK]") == Names{"[", "mask", "]"});
  Names masked;
  for (const Piece& piece : gmlp::encode_with_mask(*tokenizer, "is [MASK] is")) {
    masked.push_back(tokenizer->name(piece.id));
  }
  CHECK(masked == Names{"is", "[MASK]", "is"});
}

TEST_CASE("a damaged vocab.txt is an error that names the line") {
  const auto error = [](const std::string& bytes) {
    return input_error([&] { gmlp::read_wordpiece(bytes, "v.txt"); });
  };
  CHECK(error(kSpecials + "a\n\nb\n").find("v.txt: line 7 is empty") == 0);
  CHECK(error(kSpecials + "a\nb\na\n").find("v.txt: line 8 has the piece a again") == 0);
  CHECK(error("[PAD]\n[UNK]\n[CLS]\n[SEP]\n").find("v.txt: has no line [MASK]") == 0);
  CHECK(error("").find("v.txt: has no line [PAD]") == 0);
  CHECK(error(kSpecials + "\xFF\n").find("v.txt: byte 31 (0xff) is not UTF-8") == 0);
  CHECK(error(std::string("[PAD]\0", 6)).find("v.txt: byte 5 is NUL") == 0);
}

TEST_CASE("a vocab.txt cut at any length is an error or a shorter vocabulary") {
  const std::string whole = kSpecials + "a\n\u65e5\n##b\n";
  int64_t errors = 0;
  for (size_t length = 0; length <= whole.size(); ++length) {
    const std::string bytes = whole.substr(0, length);
    const std::string message = input_error([&] {
      const std::unique_ptr<Tokenizer> tokenizer = gmlp::read_wordpiece(bytes, "v.txt");
      CHECK(tokenizer->vocab() <= 8);
      tokenizer->encode("a\u65e5b ab [MASK]");
    });
    errors += message.empty() ? 0 : 1;
  }
  // Without the last special piece, and inside of the character.
  CHECK(errors == 30 + 2);
}

TEST_CASE("carriage returns in a vocab.txt belong to the line's end") {
  const std::unique_ptr<Tokenizer> tokenizer =
      gmlp::read_wordpiece("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nab\r\n", "v.txt");
  CHECK(names(*tokenizer, "ab") == Names{"ab"});
}

TEST_CASE("BERT's vocabulary gives BERT's ids") {
  const std::string path = gmlp::test::shared_file("tokenizers/bert-base-uncased-vocab.txt");
  if (path.empty()) return;
  const std::unique_ptr<Tokenizer> tokenizer = gmlp::open_tokenizer(path);
  CHECK(tokenizer->vocab() == 30522);
  CHECK(tokenizer->special().mask == 103);
  CHECK(tokenizer->special().cls == 101);
  const std::vector<int64_t> ids{7592, 1010, 2026, 3899, 2003, 10140};
  CHECK(tokenizer->encode_ids("Hello, my dog is cute") == ids);
  CHECK(names(*tokenizer, "unaffable embeddings") ==
        Names{"una", "##ffa", "##ble", "em", "##bed", "##ding", "##s"});
  CHECK(names(*tokenizer, "Jim Henson was a puppeteer") ==
        Names{"jim", "henson", "was", "a", "puppet", "##eer"});
}
