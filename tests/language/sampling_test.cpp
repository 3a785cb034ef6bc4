// The samples of generate, and how tokens become text.

#include <fmt/format.h>

#include "apps/language/text_format.h"
#include "data/text/utf8.h"
#include "models/decoder.h"
#include "tests/support/catch.h"

namespace {

/// A SentencePiece model that spells text outside its vocabulary in bytes.
std::unique_ptr<gmlp::Tokenizer> with_byte_fallback() {
  return gmlp::open_tokenizer(GMLP_SOURCE_DIR "/tests/golden/tokenizer/bpe.model");
}

/// The ids of the pieces <0x00> to <0xFF> that spell `text`.
std::vector<int64_t> byte_ids(const gmlp::Tokenizer& tokenizer, const std::string& text) {
  std::vector<int64_t> ids;
  for (const char c : text) {
    const std::string name = fmt::format("<0x{:02X}>", static_cast<unsigned char>(c));
    int64_t id = 0;
    while (id < tokenizer.vocab() && tokenizer.name(id) != name) ++id;
    REQUIRE(id < tokenizer.vocab());
    ids.push_back(id);
  }
  return ids;
}

std::vector<int64_t> drawn(const gmlp::SamplingOptions& options, int64_t draws) {
  const std::vector<double> logits = {0, 3, 1, 2, 9};
  std::vector<int64_t> counts(logits.size(), 0);
  for (int64_t i = 0; i < draws; ++i) {
    ++counts[static_cast<size_t>(gmlp::sample(logits, {0, 1, 2, 3}, options, i))];
  }
  return counts;
}

/// The text of `ids` after `before`, in whole characters.
std::string text_after(const gmlp::Tokenizer& tokenizer, const std::vector<int64_t>& before,
                       const std::vector<int64_t>& ids) {
  gmlp::TextStream stream(tokenizer, before);
  std::string text;
  for (const int64_t id : ids) text += stream.push(id);
  return text + stream.flush();
}

}  // namespace

TEST_CASE("a draw follows the softmax of the allowed logits, and the seed decides it") {
  gmlp::SamplingOptions options;
  options.temperature = 1;
  const std::vector<int64_t> counts = drawn(options, 20000);
  // exp(0, 3, 1, 2) / sum = 0.0321, 0.6439, 0.0871, 0.2369
  CHECK(counts[0] == Approx(642).margin(120));
  CHECK(counts[1] == Approx(12878).margin(350));
  CHECK(counts[2] == Approx(1743).margin(200));
  CHECK(counts[3] == Approx(4738).margin(300));
  CHECK(counts[4] == 0);  // not allowed
  CHECK(drawn(options, 100) == drawn(options, 100));
  gmlp::SamplingOptions other = options;
  other.seed = 1;
  CHECK(drawn(options, 100) != drawn(other, 100));
}

TEST_CASE("temperature 0, top-k and top-p leave the likeliest only") {
  gmlp::SamplingOptions options;
  options.temperature = 0;
  CHECK(drawn(options, 50)[1] == 50);
  options.temperature = 1;
  options.top_k = 2;
  const std::vector<int64_t> two = drawn(options, 500);
  CHECK(two[0] + two[2] == 0);
  CHECK(two[3] > 50);
  options.top_k = 0;
  options.top_p = 0.85;  // 0.644 + 0.237 reach it
  const std::vector<int64_t> nucleus = drawn(options, 500);
  CHECK(nucleus[0] + nucleus[2] == 0);
  CHECK(nucleus[3] > 50);
  options.top_p = 0;
  CHECK(drawn(options, 50)[1] == 50);
}

TEST_CASE("text leaves the stream in whole characters only") {
  const auto tokenizer = gmlp::open_tokenizer("bytes");
  gmlp::TextStream stream(*tokenizer, {'a'});
  const std::string text = "zß水𝄞!";
  std::string printed;
  for (const char c : text) {
    const std::string part = stream.push(static_cast<unsigned char>(c));
    CHECK(gmlp::valid_utf8_prefix(part) == static_cast<int64_t>(part.size()));
    printed += part;
  }
  CHECK(printed == text);
  CHECK(stream.flush().empty());
  stream.push(0xE6);
  CHECK(stream.flush() == "\uFFFD");
  std::string valid;
  for (const int byte : {0xFF, 0x80, 0x80, 0x80, 0x80, 0x78}) valid += stream.push(byte);
  valid += stream.flush();
  CHECK(gmlp::valid_utf8_prefix(valid) == static_cast<int64_t>(valid.size()));
  CHECK(valid.back() == 'x');
}

TEST_CASE("a character outside a sentencepiece vocabulary leaves the stream whole") {
  const auto tokenizer = with_byte_fallback();
  const std::vector<int64_t> before = tokenizer->encode_ids("one");
  for (const std::string text : {"\u00df", "\u2603", "\U0001D11E", "\u2603\U0001D11E\u6c34"}) {
    gmlp::TextStream stream(*tokenizer, before);
    std::string printed;
    for (const int64_t id : byte_ids(*tokenizer, text)) {
      const std::string part = stream.push(id);
      CHECK(part.find("\uFFFD") == std::string::npos);
      printed += part;
    }
    CHECK(printed == text);
    CHECK(stream.flush().empty());
  }
}

TEST_CASE(
    "a replacement character of the text leaves the stream, and each broken byte becomes one") {
  const auto tokenizer = with_byte_fallback();
  const std::vector<int64_t> before = tokenizer->encode_ids("one");
  for (const std::string text : {"\uFFFD", "\uFFFDx", "\uFFFD\u6c34", "\uFFFD\uFFFD\U0001D11E"}) {
    INFO(text);
    CHECK(text_after(*tokenizer, before, byte_ids(*tokenizer, text)) == text);
  }
  const auto shown = [&](const std::string& bytes) {
    return text_after(*tokenizer, before, byte_ids(*tokenizer, bytes));
  };
  CHECK(shown("\xE6\xB0") == "\uFFFD\uFFFD");
  CHECK(shown("\x80\x80\x80\xE6\xB0\xB4!") == "\uFFFD\uFFFD\uFFFD\u6c34!");
}

TEST_CASE("text after a prompt that ends inside a character is valid, and no error") {
  const auto pieces = with_byte_fallback();
  const auto bytes = gmlp::open_tokenizer("bytes");
  for (const gmlp::Tokenizer* tokenizer : {pieces.get(), bytes.get()}) {
    std::vector<int64_t> prompt = {0xE6, 0xB0};
    std::vector<int64_t> ids = {0xB4};
    if (tokenizer == pieces.get()) {
      prompt = byte_ids(*tokenizer, "\xE6\xB0");
      ids = byte_ids(*tokenizer, "\xB4");
    }
    const std::string text = text_after(*tokenizer, prompt, ids);
    CHECK(gmlp::valid_utf8_prefix(text) == static_cast<int64_t>(text.size()));
  }
}

TEST_CASE("scored tokens are shown with their target, or with the guess") {
  const auto tokenizer = gmlp::open_tokenizer("bytes");
  const std::vector<int64_t> ids = {'a', tokenizer->special().mask, 'c', 'x', '\n'};
  const std::vector<int64_t> targets = {-100, 'b', -100, 'd', -100};
  const std::vector<int64_t> guesses = {'a', 'b', 'c', 'y', 'z'};
  CHECK(gmlp::sample_line(*tokenizer, ids, targets) == "a[MASK→b]c[x→d]\\n");
  CHECK(gmlp::sample_line(*tokenizer, ids, targets, guesses) == "a[b]c[y≠d]\\n");
  CHECK(gmlp::sample_line(*tokenizer, ids) == "a[MASK]cx\\n");
  const std::vector<int64_t> padded = {'a', 'b', tokenizer->special().pad};
  CHECK(gmlp::sample_line(*tokenizer, padded) == "ab");
  CHECK(gmlp::sample_line(*tokenizer, std::vector<int64_t>(141, 'a')) ==
        std::string(140, 'a') + "…");
}

TEST_CASE("pieces of sentencepiece are shown as text, and so are bytes") {
  const auto tokenizer = with_byte_fallback();
  // A snowman, which has no piece.
  const std::vector<int64_t> ids = tokenizer->encode_ids("one \u2603 word");
  CHECK(gmlp::sample_line(*tokenizer, ids) == " one \u2603 word");
  CHECK(tokenizer->name(ids[2]) == "<0xE2>");
  CHECK(gmlp::word_text(*tokenizer, ids.front()) == "one");
  CHECK(gmlp::word_text(*tokenizer, ids[2]) == "##\\xe2");
  CHECK(gmlp::word_text(*tokenizer, tokenizer->special().mask) == "[MASK]");
}
