// Text files and the corpus.
#include "data/text/corpus.h"

#include <algorithm>
#include <filesystem>

#include "core/random.h"
#include "data/text/utf8.h"
#include "tests/core/allocation_peak.h"
#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::CorpusOptions;
using gmlp::Tokenizer;
using gmlp::TokenRow;
using gmlp::test::Bytes;
using gmlp::test::bytes_of;
using gmlp::test::check_holds;
using gmlp::test::gzip;
using gmlp::test::input_error;
using gmlp::test::TemporaryFolder;

namespace {

std::string whole_text(const std::string& path) {
  std::string text;
  gmlp::read_text_parts(path, [&](std::string_view part) { text += part; });
  return text;
}

std::string read_error(const std::string& path) {
  return input_error([&] { whole_text(path); });
}

std::vector<int64_t> ids_of(const TokenRow& row) {
  return row.ids(0, row.size());
}

/// A folder with text files.
struct Corpus {
  TemporaryFolder folder;
  std::unique_ptr<Tokenizer> tokenizer = gmlp::open_tokenizer("bytes");

  TokenRow open(const std::vector<std::string>& names, const CorpusOptions& options = {}) const {
    std::vector<std::string> paths;
    paths.reserve(names.size());
    for (const std::string& name : names) paths.push_back(folder / name);
    return gmlp::encode_files(paths, *tokenizer, options);
  }
};

}  // namespace

TEST_CASE("text reads alike plain and gzipped, but for a byte order mark") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "line " + std::to_string(i) + " \u00e9\r\n";
  folder.write("a.txt", text);
  folder.write("a.txt.gz", gzip(bytes_of(text)));
  folder.write("a.dz", gzip(bytes_of("\xEF\xBB\xBF" + text)));
  CHECK(whole_text(folder / "a.txt") == text);
  CHECK(whole_text(folder / "a.txt.gz") == text);
  CHECK(whole_text(folder / "a.dz") == text);
  folder.write("mark.txt", "\xEF\xBB\xBF");
  CHECK(whole_text(folder / "mark.txt").empty());
  // One line that is longer than any part: cut between characters.
  std::string line;
  while (line.size() < 18'000'000) line += "\u65e5\u672c";
  folder.write("line.txt", line);
  CHECK(whole_text(folder / "line.txt") == line);
}

TEST_CASE("a part of text ends behind a newline, a space or a whole character") {
  CHECK(gmlp::best_cut("ab\ncd e") == 3);
  CHECK(gmlp::best_cut("ab cd") == 3);
  CHECK(gmlp::best_cut("abcd") == 4);
  CHECK(gmlp::best_cut("ab\u00e9") == 4);
  CHECK(gmlp::best_cut("ab\xC3") == 2);
  CHECK(gmlp::best_cut("ab\xF0\x9F\x98") == 2);
  CHECK(gmlp::best_cut("\xC3") == 1);
  CHECK(gmlp::best_cut("\x80\x80\x80\x80\x80") == 5);
}

TEST_CASE("text that is not UTF-8 is refused by file and byte") {
  const TemporaryFolder folder;
  const std::string good(3'000'000, 'x');
  folder.write("bad.txt", good + "\xFF");
  check_holds(read_error(folder / "bad.txt"), "bad.txt: byte 3000000 (0xff) is not UTF-8");
  folder.write("nul.txt", good + std::string("\n\0", 2));
  check_holds(read_error(folder / "nul.txt"), "nul.txt: byte 3000001 is NUL");
  folder.write("marked.txt", "\xEF\xBB\xBFx\xFF");
  check_holds(read_error(folder / "marked.txt"), "marked.txt: byte 4 ");
  folder.write("cut.txt", "x\xC3");
  check_holds(read_error(folder / "cut.txt"), "cut.txt: byte 1 ");
  check_holds(read_error(folder / "none.txt"), "none.txt: cannot be opened");
  check_holds(read_error(folder.path()), "is a folder");
  check_holds(read_error("/dev/null"), "/dev/null: is not a regular file");
}

TEST_CASE("a damaged gzip file is an error, wherever it is cut") {
  const TemporaryFolder folder;
  std::string text;
  gmlp::Random random(1, gmlp::Purpose::kSample);
  for (int i = 0; i < 300; ++i) text += std::to_string(random.below(1'000'000)) + "\n";
  const Bytes whole = gzip(bytes_of(text));
  for (size_t length = 2; length < whole.size(); length += 7) {
    INFO(length);
    folder.write("t.gz", Bytes(whole.begin(), whole.begin() + static_cast<int64_t>(length)));
    CHECK(read_error(folder / "t.gz").find("t.gz") != std::string::npos);
  }
  Bytes flipped = whole;
  flipped[flipped.size() - 6] ^= 1;  // in the checksum
  folder.write("t.gz", flipped);
  check_holds(read_error(folder / "t.gz"), "incorrect data check");
}

TEST_CASE("a corpus is its files one after the other") {
  Corpus corpus;
  corpus.folder.write("a.txt", "one two\n");
  corpus.folder.write("b.txt", "three");
  const TokenRow row = corpus.open({"a.txt", "b.txt"});
  CHECK(corpus.tokenizer->decode(ids_of(row)) == "one two\nthree");
  CHECK(row.text_bytes() == 13);
  corpus.tokenizer =
      gmlp::read_tokenizer_json(R"({"type": "chars", "characters": ["T", "e", "h", "r"]})", "t");
  const TokenRow chars = corpus.open({"a.txt", "b.txt"});
  CHECK(ids_of(chars)[9] == 7);
  CHECK(chars.unknown_share() == Approx(8.0 / 13));  // all but e, h and r
}

TEST_CASE("ids of large vocabularies are stored whole") {
  const auto storage = std::make_shared<gmlp::TokenStorage>();
  for (int64_t i = 0; i < 1000; ++i) storage->add(i < 10 ? 65'526 + i : 99'999 - i, 3 * i);
  storage->text_bytes = 3000;
  const TokenRow row(storage);
  CHECK(row.size() == 1000);
  CHECK(row.ids(0, 1) == std::vector<int64_t>{65'526});
  CHECK(row.ids(9, 2) == std::vector<int64_t>{65'535, 99'989});
  CHECK(row.ids(999, 1) == std::vector<int64_t>{99'000});
  CHECK(row.slice(64, 1000).text_bytes() == 3 * 936);
}

TEST_CASE("a large text needs little memory, and its ids are those of a small one") {
  if (!gmlp::test::AllocationPeak::counts()) return;
  constexpr int64_t kBytes = 150'000'000;
  Corpus corpus;
  std::string line;
  for (int i = 0; i < 997; ++i) line += static_cast<char>('a' + i % 26);
  line += '\n';
  std::string text;
  while (static_cast<int64_t>(text.size()) < kBytes) text += line;
  corpus.folder.write("t.txt.gz", gzip(bytes_of(text)));
  text = std::string();
  const gmlp::test::AllocationPeak peak;
  const TokenRow row = corpus.open({"t.txt.gz"});
  CHECK(peak.bytes() < (100 << 20));
  REQUIRE(row.size() > kBytes);
  CHECK(row.text_bytes() == row.size());
  for (const int64_t begin : {int64_t{0}, int64_t{16'500'000}, row.size() / 2, row.size() - 500}) {
    const std::vector<int64_t> ids = row.ids(begin, 500);
    for (int64_t i = 0; i < 500; ++i) {
      REQUIRE(ids[static_cast<size_t>(i)] == line[static_cast<size_t>((begin + i) % 998)]);
    }
  }
}

TEST_CASE("lines that are no text are left out and counted") {
  Corpus corpus;
  corpus.folder.write("t.txt", std::string("one\ntw\xFFo\nthree\nfo\0ur\nfive", 25));
  gmlp::BadRows bad;
  bad.allowed = 2;
  CorpusOptions options;
  options.bad = &bad;
  CHECK(corpus.tokenizer->decode(ids_of(corpus.open({"t.txt"}, options))) == "one\nthree\nfive");
  CHECK(bad.count == 2);
  check_holds(bad.first, "t.txt: byte 6 (0xff) is not UTF-8");
  bad = {};
  bad.allowed = 1;
  const std::string error = input_error([&] { corpus.open({"t.txt"}, options); });
  check_holds(error, "t.txt: byte 17 is NUL");
  check_holds(error, "leave out more than 1 such rows with --skip-bad N");
}

TEST_CASE("a row knows the bytes of its parts") {
  Corpus corpus;
  std::string text;
  for (int i = 0; i < 300; ++i) text += "\u65e5\u672c ab";
  corpus.folder.write("t.txt", text);
  corpus.tokenizer = gmlp::read_tokenizer_json(
      R"({"type": "chars", "characters": [" ", "a", "b", "日", "本"]})", "t");
  const TokenRow row = corpus.open({"t.txt"});
  REQUIRE(row.size() == 1500);
  CHECK(row.text_bytes() == 2700);
  const int64_t cut = 5 * gmlp::kTokenBlock;
  CHECK(row.slice(0, cut).text_bytes() == cut / 5 * 9);
  CHECK(row.slice(0, cut).text_bytes() + row.slice(cut, 1500).text_bytes() == 2700);
  CHECK(row.slice(10, 20).slice(5, 10).size() == 5);
  CHECK(row.slice(10, 20).slice(5, 10).ids(0, 5) == row.ids(15, 5));
  CHECK(row.slice(0, 32).text_bytes() == row.slice(0, 64).text_bytes() / 2);
}

TEST_CASE("the end of a text is for validation unless there is a text for that") {
  const TemporaryFolder folder;
  folder.write("novel.txt.gz", gzip(bytes_of(std::string(6400, 'a') + std::string(6400, 'b'))));
  folder.write("other.txt", "ccc");
  const std::unique_ptr<Tokenizer> tokenizer = gmlp::open_tokenizer("bytes");
  CorpusOptions options;
  options.val_fraction = 0.25;
  const std::string novel = folder / "novel.txt.gz";
  const gmlp::TextSplits own = gmlp::open_corpus({novel}, {}, *tokenizer, options);
  CHECK(own.name == "novel");
  CHECK(own.train.size() == 9600);
  CHECK(own.train.text_bytes() == 9600);
  CHECK(own.val.size() == 3200);
  CHECK(own.val.text_bytes() == 3200);
  CHECK(own.val.ids(0, 1)[0] == 'b');
  const std::string other = folder / "other.txt";
  const gmlp::TextSplits two = gmlp::open_corpus({novel, other}, {other}, *tokenizer, options);
  CHECK(two.name == "novel+1");
  CHECK(two.train.size() == 12'803);
  CHECK(two.val.size() == 3);
  options.val_fraction = 0;
  CHECK(gmlp::open_corpus({novel}, {}, *tokenizer, options).val.size() == 0);
  options.val_fraction = 0.1;
  folder.write("short.txt", std::string(60, 'x'));
  const gmlp::TextSplits part = gmlp::open_corpus({folder / "short.txt"}, {}, *tokenizer, options);
  CHECK(part.train.size() == 54);
  CHECK(part.val.text_bytes() == 6);
  options.val_fraction = 1;
  check_holds(input_error([&] { gmlp::open_corpus({novel}, {}, *tokenizer, options); }),
              "--val-fraction 1");
}

TEST_CASE("a text without tokens is refused and encoding can be stopped") {
  Corpus corpus;
  corpus.folder.write("empty.txt", "");
  check_holds(input_error([&] { corpus.open({"empty.txt"}); }), "empty.txt: has no text");
  check_holds(input_error([&] { corpus.open({}); }), "no file is given");
  corpus.folder.write("t.txt", "words");
  CorpusOptions options;
  options.check_stop = [] { throw std::domain_error("stopped"); };
  CHECK_THROWS_AS(corpus.open({"t.txt"}, options), std::domain_error);
}
