// Text files, the corpus and its cache.
#include "data/text/corpus.h"

#include <algorithm>
#include <filesystem>

#include "core/io/file.h"
#include "core/random.h"
#include "data/text/kinds.h"
#include "data/text/text_file.h"
#include "data/text/token_cache.h"
#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::CorpusOptions;
using gmlp::open_tokens;
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
  gmlp::TextFile file(path);
  std::string text;
  for (std::string_view part = file.next(); !part.empty(); part = file.next()) text += part;
  return text;
}

std::string read_error(const std::string& path) {
  return input_error([&] { whole_text(path); });
}

std::vector<int64_t> ids_of(const TokenRow& row) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < row.size(); ++i) ids.push_back(row[i]);
  return ids;
}

/// A folder with text and a cache, and what opening them says.
struct Corpus {
  TemporaryFolder folder;
  std::unique_ptr<Tokenizer> tokenizer = gmlp::open_tokenizer("bytes");
  std::vector<std::string> notes;

  TokenRow open(const std::vector<std::string>& names) {
    CorpusOptions options;
    options.cache_dir = folder / "cache";
    std::vector<std::string> paths;
    paths.reserve(names.size());
    for (const std::string& name : names) paths.push_back(folder / name);
    notes.clear();
    return open_tokens(paths, *tokenizer, options, &notes);
  }
  bool from_cache() const {
    return notes.size() == 1 && notes[0].find(" tokens from ") != std::string::npos;
  }
  std::vector<std::string> cached() const {
    std::vector<std::string> paths;
    for (const std::filesystem::directory_entry& entry :
         std::filesystem::directory_iterator(folder / "cache")) {
      paths.push_back(entry.path().string());
    }
    return paths;
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
  check_holds(read_error(folder / "none.txt"), "none.txt: does not exist");
  check_holds(read_error(folder.path()), "is a folder");
  check_holds(read_error("/dev/null"), "/dev/null: is no regular file");
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

TEST_CASE("a corpus is its files one after the other, and is taken from the cache") {
  Corpus corpus;
  corpus.folder.write("a.txt", "one two\n");
  corpus.folder.write("b.txt", "three");
  const TokenRow first = corpus.open({"a.txt", "b.txt"});
  CHECK(!corpus.from_cache());
  CHECK(corpus.tokenizer->decode(ids_of(first)) == "one two\nthree");
  CHECK(first.text_bytes() == 13);
  const TokenRow second = corpus.open({"a.txt", "b.txt"});
  CHECK(corpus.from_cache());
  CHECK(ids_of(second) == ids_of(first));
  CHECK(second.text_bytes() == 13);
  CHECK(corpus.cached().size() == 1);
  // Another order, another text, another tokenizer: none of them is in the cache.
  corpus.open({"b.txt", "a.txt"});
  CHECK(!corpus.from_cache());
  corpus.folder.write("b.txt", "Three");
  corpus.open({"a.txt", "b.txt"});
  CHECK(!corpus.from_cache());
  corpus.tokenizer = gmlp::make_chars_tokenizer({'T', 'e', 'h', 'r'}, "t");
  const TokenRow chars = corpus.open({"a.txt", "b.txt"});
  CHECK(!corpus.from_cache());
  CHECK(chars[8] == 5);
  corpus.open({"a.txt", "b.txt"});
  CHECK(corpus.from_cache());
}

TEST_CASE("a damaged cache file is found and made again") {
  Corpus corpus;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "some words " + std::to_string(i) + "\n";
  corpus.folder.write("t.txt", text);
  const std::vector<int64_t> expected = ids_of(corpus.open({"t.txt"}));
  const std::string path = corpus.cached().at(0);
  const std::string whole = gmlp::read_text(path);
  const auto check_remade = [&](const std::string& bytes) {
    gmlp::write_file_atomic(path, bytes);
    CHECK(ids_of(corpus.open({"t.txt"})) == expected);
    CHECK(!corpus.from_cache());
    CHECK(gmlp::read_text(path) == whole);
  };
  for (size_t length = 0; length < whole.size(); length += 61) {
    INFO(length);
    check_remade(whole.substr(0, length));
  }
  for (size_t place = 0; place < whole.size(); place += 37) {
    INFO(place);
    std::string bytes = whole;
    bytes[place] = static_cast<char>(bytes[place] ^ 4);
    check_remade(bytes);
  }
  check_remade(whole + "x");
  corpus.open({"t.txt"});
  CHECK(corpus.from_cache());
}

TEST_CASE("a corpus needs no cache") {
  Corpus corpus;
  corpus.folder.write("t.txt", "some words");
  corpus.folder.write("cache", "a file where the folder should be");
  const TokenRow row = corpus.open({"t.txt"});
  CHECK(row.size() == 10);
  check_holds(corpus.notes.at(0), "not kept");
}

TEST_CASE("large vocabularies take four bytes an id") {
  gmlp::TokenWriter writer(100'000);
  for (int64_t i = 0; i < 1000; ++i) writer.add(99'999 - i, 3 * i);
  const gmlp::TokenKey key{1, 2, 100'000};
  const TokenRow row(gmlp::hold_tokens(writer.finish(key, 3000), key));
  CHECK(row.size() == 1000);
  CHECK(row[0] == 99'999);
  CHECK(row[999] == 99'000);
  CHECK(row.slice(0, 10).text_bytes() == 30);
  CHECK(row.slice(1, 990).text_bytes() == 3 * 989);
}

TEST_CASE("a cache whose positions in the text do not rise is not used") {
  const TemporaryFolder folder;
  const gmlp::TokenKey key{1, 2, 300};
  const auto reason_for = [&](int64_t second, int64_t text_bytes) {
    gmlp::TokenWriter writer(300);
    for (int64_t i = 0; i < 2 * gmlp::kTokenBlock; ++i) {
      writer.add(i, i < gmlp::kTokenBlock ? 100 : second);
    }
    gmlp::write_file_atomic(folder / "cache", writer.finish(key, text_bytes));
    std::string reason;
    gmlp::map_tokens(folder / "cache", key, reason);
    return reason;
  };
  CHECK(reason_for(100, 200).empty());
  CHECK(reason_for(99, 200) == "its positions do not rise");
  CHECK(reason_for(201, 200) == "its positions do not rise");
  CHECK(reason_for(INT64_MIN, 200) == "its positions do not rise");
  CHECK(reason_for(200, INT64_MAX) == "its text is too long");
}

TEST_CASE("a row knows the bytes of its parts") {
  Corpus corpus;
  std::string text;
  for (int i = 0; i < 300; ++i) text += "\u65e5\u672c ab";
  corpus.folder.write("t.txt", text);
  corpus.tokenizer = gmlp::make_chars_tokenizer({' ', 'a', 'b', U'\u65e5', U'\u672c'}, "t");
  const TokenRow row = corpus.open({"t.txt"});
  REQUIRE(row.size() == 1500);
  CHECK(row.text_bytes() == 2700);
  const int64_t cut = 5 * gmlp::kTokenBlock;
  CHECK(row.slice(0, cut).text_bytes() == cut / 5 * 9);
  CHECK(row.slice(0, cut).text_bytes() + row.slice(cut, 1500).text_bytes() == 2700);
  CHECK(row.slice(10, 20).slice(5, 10).size() == 5);
  CHECK(row.slice(10, 20).slice(5, 10)[0] == row[15]);
}

TEST_CASE("the end of a text is for validation unless there is a text for that") {
  const TemporaryFolder folder;
  folder.write("novel.txt.gz", gzip(bytes_of(std::string(6400, 'a') + std::string(6400, 'b'))));
  folder.write("other.txt", "ccc");
  const std::unique_ptr<Tokenizer> tokenizer = gmlp::open_tokenizer("bytes");
  CorpusOptions options;
  options.cache_dir = folder / "cache";
  options.val_fraction = 0.25;
  const std::string novel = folder / "novel.txt.gz";
  const gmlp::TextSplits own = gmlp::open_corpus({novel}, {}, *tokenizer, options);
  CHECK(own.name == "novel");
  CHECK(own.train.size() == 9600);
  CHECK(own.train.text_bytes() == 9600);
  CHECK(own.val.size() == 3200);
  CHECK(own.val.text_bytes() == 3200);
  CHECK(own.val[0] == 'b');
  const std::string other = folder / "other.txt";
  const gmlp::TextSplits two = gmlp::open_corpus({novel, other}, {other}, *tokenizer, options);
  CHECK(two.name == "novel+1");
  CHECK(two.train.size() == 12'803);
  CHECK(two.val.size() == 3);
  options.val_fraction = 1;
  check_holds(input_error([&] { gmlp::open_corpus({novel}, {}, *tokenizer, options); }),
              "--val-fraction 1");
}

TEST_CASE("a text without tokens is refused and encoding can be stopped") {
  Corpus corpus;
  corpus.folder.write("empty.txt", "");
  check_holds(input_error([&] { corpus.open({"empty.txt"}); }), "empty.txt: holds no text");
  check_holds(input_error([&] { corpus.open({}); }), "names no file");
  corpus.folder.write("t.txt", "words");
  CorpusOptions options;
  options.cache_dir = corpus.folder / "cache";
  options.check_stop = [] { throw std::domain_error("stopped"); };
  CHECK_THROWS_AS(open_tokens({corpus.folder / "t.txt"}, *corpus.tokenizer, options, nullptr),
                  std::domain_error);
  CHECK(!std::filesystem::exists(corpus.folder / "cache"));
}
