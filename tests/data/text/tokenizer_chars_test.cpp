// UTF-8, the tokenizers of bytes and characters, and what all tokenizers have in common.
#include "core/io/file.h"
#include "data/text/tokenizer.h"
#include "data/text/utf8.h"
#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::Piece;
using gmlp::Tokenizer;
using gmlp::test::check_holds;
using gmlp::test::input_error;
using gmlp::test::TemporaryFolder;

namespace {

std::unique_ptr<Tokenizer> chars(const std::string& json) {
  return gmlp::read_tokenizer_json(json, "t.json");
}

const std::string kChars = R"({"type":"chars","characters":["\n"," ","a","b","é","日","😀"]})";

}  // namespace

TEST_CASE("UTF-8 of every code point reads back, and surrogates are refused") {
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    std::string text;
    gmlp::append_utf8(text, code);
    const gmlp::Utf8Char read = gmlp::utf8_at(text, 0);
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    if (surrogate) {
      if (read.size != 0) FAIL_CHECK("a surrogate was read: " << static_cast<uint32_t>(code));
    } else if (read.code != code || read.size != static_cast<int64_t>(text.size())) {
      FAIL("not read back: " << static_cast<uint32_t>(code));
    }
  }
}

TEST_CASE("malformed UTF-8 is found at its first byte") {
  const std::vector<std::string> bad = {
      "\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80",
      "\xF5", "\xFF",     "\xC3",     "\xE6\x97",     "\xF0\x9F\x98",     "\xC3("};
  for (const std::string& bytes : bad) {
    INFO(bytes);
    CHECK(gmlp::valid_utf8_prefix("abcdefghij" + bytes) == 10);
    CHECK(gmlp::valid_utf8_prefix("é" + bytes) == 2);
    CHECK(gmlp::replace_invalid_utf8("x" + bytes.substr(0, 1) + "y") == "x\uFFFDy");
  }
  check_holds(input_error([] { gmlp::check_text("ab\xFF", "f.txt", 100); }), "f.txt: byte 102");
  const std::string nul("ab\0c\xFF", 5);
  check_holds(input_error([&] { gmlp::check_text(nul, "f.txt"); }), "f.txt: byte 2 is NUL");
}

TEST_CASE("bytes round-trip whatever they are, special ids apart") {
  const std::unique_ptr<Tokenizer> tokenizer = gmlp::open_tokenizer("bytes");
  std::string text;
  for (int i = 0; i < 256; ++i) text.push_back(static_cast<char>(i));
  const std::vector<int64_t> ids = tokenizer->encode_ids(text);
  REQUIRE(ids.size() == 256);
  CHECK(ids[200] == 200);
  CHECK(tokenizer->decode(ids) == text);
  CHECK(tokenizer->vocab() == 260);
  const gmlp::SpecialIds special = tokenizer->special();
  CHECK(tokenizer->decode({special.cls, 'a', special.mask, 'b', special.pad}) == "ab");
  CHECK(tokenizer->decode({260, -1}) == "\uFFFD\uFFFD");
  CHECK(tokenizer->name('a') == "a");
  CHECK(tokenizer->name(10) == "<0x0A>");
}

TEST_CASE("characters round-trip and an unknown one is marked") {
  const std::unique_ptr<Tokenizer> tokenizer = chars(kChars);
  CHECK(tokenizer->vocab() == 12);
  const std::string text = "a é\n日😀b";
  const std::vector<Piece> pieces = tokenizer->encode(text);
  REQUIRE(pieces.size() == 7);
  CHECK(pieces[5].id == 11);
  CHECK(pieces[5].begin == 8);
  CHECK(pieces[5].end == 12);
  CHECK(tokenizer->decode(tokenizer->encode_ids(text)) == text);
  CHECK(tokenizer->encode_ids("z") == std::vector<int64_t>{tokenizer->special().unknown});
  CHECK(tokenizer->decode(tokenizer->encode_ids("azb")) == "a\uFFFDb");
  CHECK(tokenizer->name(5) == "\\n");
  CHECK(tokenizer->name(4) == "[MASK]");
  check_holds(input_error([&] { tokenizer->encode("ab\xFF"); }), "byte 2");
}

TEST_CASE("a tokenizer file is the same after reading and storing it") {
  const std::unique_ptr<Tokenizer> first = chars(kChars);
  const std::unique_ptr<Tokenizer> second = chars(first->file_bytes());
  CHECK(second->file_bytes() == first->file_bytes());
  CHECK(second->encode_ids("é日") == first->encode_ids("é日"));
  CHECK(std::string(chars(gmlp::open_tokenizer("bytes")->file_bytes())->kind()) == "bytes");
}

TEST_CASE("a tokenizer.json cut at any length is an error") {
  const std::string whole = chars(kChars)->file_bytes();
  for (size_t length = 0; length + 1 < whole.size(); ++length) {
    INFO(length);
    const std::string message = input_error([&] { chars(whole.substr(0, length)); });
    CHECK(message.find("t.json: is not JSON") == 0);
  }
}

TEST_CASE("a tokenizer.json with a wrong part is an error that names it") {
  const auto error = [](const std::string& json) { return input_error([&] { chars(json); }); };
  check_holds(error("[]"), "is not a tokenizer.json");
  check_holds(error(R"({"type":"BPE"})"), "is not a tokenizer.json");
  check_holds(error(R"({"type":7,"characters":["a"]})"), "is not a tokenizer.json");
  check_holds(error(R"({"type":"chars","characters":"a"})"), "is not a tokenizer.json");
  check_holds(error(R"({"type":"chars","characters":[]})"), "no characters");
  check_holds(error(R"({"type":"chars","characters":["a","bc"]})"), "characters[1]");
  check_holds(error(R"({"type":"chars","characters":["a",""]})"), "characters[1]");
  check_holds(error(R"({"type":"chars","characters":[3]})"), "characters[0]");
  check_holds(error(R"({"type":"chars","characters":["\u0000"]})"), "characters[0]");
  check_holds(error(R"({"type":"chars","characters":["a","b","a"]})"), "U+0061");
}

TEST_CASE("masks typed into a text become the mask's id only in encode_with_mask") {
  const std::unique_ptr<Tokenizer> tokenizer = gmlp::open_tokenizer("bytes");
  const int64_t mask = tokenizer->special().mask;
  CHECK(tokenizer->encode_ids("a[MASK]").size() == 7);
  const std::vector<Piece> pieces = gmlp::encode_with_mask(*tokenizer, "a[MASK][MASK]b");
  REQUIRE(pieces.size() == 4);
  CHECK(pieces[1].id == mask);
  CHECK(pieces[2].begin == 7);
  CHECK(pieces[2].end == 13);
  CHECK(pieces[3].id == 'b');
  CHECK(pieces[3].begin == 13);
  CHECK(gmlp::encode_with_mask(*tokenizer, "").empty());
}

TEST_CASE("what is no tokenizer is refused with a hint") {
  const TemporaryFolder folder;
  const auto error = [](const std::string& spec) {
    return input_error([&] { gmlp::open_tokenizer(spec); });
  };
  check_holds(error("words"), "words: is neither `bytes` nor a file");
  check_holds(error(folder / "absent.model"), "absent.model: cannot be opened");
  check_holds(input_error([&] { gmlp::open_stored_tokenizer(folder.path()); }),
              "has no tokenizer.model");
  check_holds(error("vocab.txt"), "vocab.txt: is neither `bytes` nor a file named ");
  gmlp::write_file_atomic(folder / "tokenizer.json", kChars);
  CHECK(gmlp::open_stored_tokenizer(folder.path())->vocab() == 12);
}

TEST_CASE("characters are trained in the order of Unicode, the rarest left out") {
  const TemporaryFolder folder;
  folder.write("a.txt", "bbb aaa\nbé");
  folder.write("b.txt", "aaaa é");
  const std::vector<std::string> files = {folder / "a.txt", folder / "b.txt"};
  CHECK(gmlp::train_tokenizer(files, {"chars", 0}) ==
        "{\"type\":\"chars\",\"characters\":[\"\\n\",\" \",\"a\",\"b\",\"é\"]}\n");
  // Two each of space and é: the smaller one stays.
  CHECK(gmlp::train_tokenizer(files, {"chars", 8}) ==
        "{\"type\":\"chars\",\"characters\":[\" \",\"a\",\"b\"]}\n");
  CHECK(gmlp::train_tokenizer(files, {"bytes", 0}) == "{\"type\":\"bytes\"}\n");
  const auto error = [&](const gmlp::TokenizerTraining& options) {
    return input_error([&] { gmlp::train_tokenizer(files, options); });
  };
  check_holds(error({"words", 100}), "--type words");
  check_holds(error({"chars", 3}), "--vocab-size 3");
}
