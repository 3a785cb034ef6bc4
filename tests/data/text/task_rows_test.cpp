// Rows of ids from sentences and from questions, batches of them, and answers from logits.
#include "data/tasks/squad.h"
#include "data/tasks/task.h"
#include "tests/core/allocation_peak.h"
#include "tests/data/data_files.h"
#include "tests/data/task_files.h"
#include "tests/support/catch.h"

using gmlp::QuestionAnswer;
using gmlp::SquadSet;
using gmlp::SquadWindows;
using gmlp::TaskBatch;
using gmlp::TaskLoader;
using gmlp::update_answer;
using gmlp::test::input_error;
using gmlp::test::WordTokenizer;

namespace {

using Ids = std::vector<int64_t>;

Ids encode(const gmlp::Tokenizer& tokenizer, const char* first, const char* second,
           int64_t tokens) {
  gmlp::SentenceSet set;
  set.examples = {{first, second}};
  return gmlp::SentenceRows(set, tokenizer, tokens).row(0).ids;
}

/// One question of two words on a context of ten, w0 ... w9; the answer is "w4 w5".
SquadSet small_set() {
  SquadSet set;
  set.contexts = {"0 1 2 3 4 5 6 7 8 9"};
  gmlp::SquadQuestion question;
  question.id = "q";
  question.text = "which ones";
  question.answers = {{8, 11}};  // "4 5"
  set.questions = {question};
  return set;
}

/// Logits of nothing but -10; to be filled.
std::vector<double> quiet(int64_t tokens) {
  return std::vector<double>(static_cast<size_t>(2 * tokens), -10.0);
}

}  // namespace

TEST_CASE("sentences become cls A sep, pairs cls A sep B sep, and pads") {
  const WordTokenizer words;
  CHECK(encode(words, "a b", "", 6) == Ids{2, 107, 108, 3, 0, 0});
  CHECK(encode(words, "a b", "c", 8) == Ids{2, 107, 108, 3, 109, 3, 0, 0});
}

TEST_CASE("the longer of two sentences is cut first") {
  const WordTokenizer words;
  CHECK(encode(words, "a b c d", "e", 6) == Ids{2, 107, 108, 3, 111, 3});
  CHECK(encode(words, "a", "b c d e", 6) == Ids{2, 107, 3, 108, 109, 3});
  CHECK(encode(words, "a b c", "d e f", 7) == Ids{2, 107, 108, 3, 110, 111, 3});
  CHECK(encode(words, "a b c", "", 4) == Ids{2, 107, 108, 3});
}

TEST_CASE("sentences that lose their end, and unknown tokens, are counted") {
  gmlp::SentenceSet set;
  for (const char* text : {"a b", "a b c", "a b c d", "x"}) set.examples.push_back({text, ""});
  WordTokenizer words;
  words.special_.unknown = 10 + 'x';
  const gmlp::SentenceRows rows(set, words, 5);
  CHECK(rows.counts().cut == 1);
  CHECK(rows.counts().tokens == 10);
  CHECK(rows.counts().unknown == 1);
}

TEST_CASE("a tokenizer without marks and a row too short for text are errors") {
  WordTokenizer words;
  CHECK(input_error([&] { encode(words, "a", "b", 3); }).find("3 tokens") != std::string::npos);
  words.special_.sep = -1;
  CHECK(input_error([&] { encode(words, "a", "b", 9); }).find("words") != std::string::npos);
}

TEST_CASE(
    "batches follow from seed, epoch and index alone, and an epoch holds every example once") {
  gmlp::SentenceSet set;
  const std::string letters = "abcdefghij";
  for (size_t i = 0; i < 10; ++i) {
    set.examples.push_back({letters.substr(i, 1), "", static_cast<int64_t>(i)});
  }
  const gmlp::SentenceRows rows(set, WordTokenizer(), 4);
  TaskLoader loader(rows, {3, 7, true, true});
  CHECK(loader.batches_per_epoch() == 3);
  std::vector<int64_t> seen;
  for (int64_t index = 0; index < 3; ++index) {
    const TaskBatch batch = loader.batch(1, index);
    REQUIRE(batch.targets.size() == 3);
    for (size_t i = 0; i < 3; ++i) {
      CHECK(batch.ids[4 * i + 1] == 107 + batch.targets[i]);
      seen.push_back(batch.targets[i]);
    }
  }
  std::sort(seen.begin(), seen.end());
  CHECK(std::unique(seen.begin(), seen.end()) == seen.end());
  TaskLoader again(rows, {3, 7, true, true});
  again.batch(5, 2);
  CHECK(again.batch(1, 2).rows == loader.batch(1, 2).rows);
  CHECK(again.batch(2, 2).rows != loader.batch(1, 2).rows);
  TaskLoader whole(rows, {4, 7, false, true});
  CHECK(whole.batches_per_epoch() == 3);
  CHECK(whole.batch(0, 2).rows == Ids{8, 9});
  CHECK(input_error([&] {
          TaskLoader(rows, {11, 0, true, true});
        }).find("10 training examples") != std::string::npos);
}

TEST_CASE("a text's row is the same ids in any set and any batch, pads to the end") {
  const Ids expected = {2, 107, 108, 3, 0, 0, 0};
  for (const size_t place : {size_t{0}, size_t{1}, size_t{4}}) {
    gmlp::SentenceSet set;
    for (size_t i = 0; i < 5; ++i) {
      set.examples.push_back({i == place ? "a b" : "c d e f g h", "", static_cast<int64_t>(i)});
    }
    const gmlp::SentenceRows rows(set, WordTokenizer(), 7);
    for (const int64_t batch_size : {1, 2, 5}) {
      TaskLoader loader(rows, {batch_size, 7, false, true});
      const int64_t at = static_cast<int64_t>(place);
      const TaskBatch batch = loader.batch(0, at / batch_size);
      const std::ptrdiff_t begin = 7 * (at % batch_size);
      CHECK(Ids(batch.ids.begin() + begin, batch.ids.begin() + begin + 7) == expected);
    }
  }
}

TEST_CASE("a context that fits is one window, with the answer's tokens as target") {
  const SquadSet set = small_set();
  const SquadWindows windows(set, WordTokenizer(), {16, 128, 64});
  REQUIRE(windows.size() == 1);
  CHECK(windows.row(0).ids == Ids{2, 129, 121, 3, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 3, 0});
  CHECK(windows.row(0).target == Ids{8, 9});
  CHECK(windows.text(0, 8, 9) == "4 5");
}

TEST_CASE("a long context becomes overlapping windows, and cut answers are no answers") {
  const SquadSet set = small_set();
  // 10 - 3 - 2 leaves 5 tokens of context; the stride is at most 3.
  const SquadWindows windows(set, WordTokenizer(), {10, 128, 64});
  REQUIRE(windows.size() == 3);               // 0-4, 3-7, 6-9
  CHECK(windows.row(0).target == Ids{0, 0});  // "4" is inside, "5" is not
  CHECK(windows.row(1).target == Ids{5, 6});
  CHECK(windows.text(1, 5, 6) == "4 5");
  CHECK(windows.row(2).target == Ids{0, 0});
  CHECK(windows.window(2).begin == 6);
  CHECK(windows.window(2).end == 10);
  CHECK(windows.window(2).offset == 4);
  CHECK(windows.row(2).ids == Ids{2, 129, 121, 3, 64, 65, 66, 67, 3, 0});
}

TEST_CASE("SQuAD's memory is linear in its file, and too many windows are refused") {
  if (!gmlp::test::AllocationPeak::counts()) return;
  const gmlp::test::TemporaryFolder folder;
  std::string text = R"({"data": [{"paragraphs": [{"context": ")";
  for (int i = 0; i < 450'000; ++i) text += "a ";
  text += R"(", "qas": [)";
  for (int i = 0; i < 20'000; ++i) {
    text += R"({"id": )" + std::to_string(i) + R"(, "question": "b", "x": [[], {}]},)";
  }
  text += R"({"id": "last", "question": "b"}]}]}]})";
  folder.write("dev.json", text);
  const std::string path = folder / "dev.json";
  const gmlp::test::AllocationPeak peak;
  const SquadSet set = gmlp::read_squad(path, {false, false});
  CHECK(set.questions.size() == 20'001);
  const std::string error = input_error([&] { SquadWindows(set, WordTokenizer(), {128, 64, 64}); });
  CHECK(error.find("more than 2097152 windows; use a longer --doc-stride") != std::string::npos);
  const SquadWindows windows(set, WordTokenizer(), {32'000, 16'000, 64});
  CHECK(windows.size() == 20'001 * 28);
  CHECK(windows.row(windows.size() - 1).ids.size() == 32'000);
  CHECK(windows.window(windows.size() - 1).question == 20'000);
  TaskLoader loader(windows, {8, 7, true, true});
  CHECK(loader.batch(0, 0).rows.size() == 8);
  CHECK(peak.bytes() < (64 << 20) + 2 * static_cast<int64_t>(text.size()));
}

TEST_CASE("a long question is cut, so that the row has context") {
  SquadSet set = small_set();
  set.questions[0].text = "a b c d e f g h i j";
  const SquadWindows windows(set, WordTokenizer(), {13, 128, 64});
  CHECK(windows.window(0).offset == 7);  // five of ten tokens, two marks
  const SquadWindows shorter(set, WordTokenizer(), {13, 128, 2});
  CHECK(shorter.window(0).offset == 4);
  CHECK(shorter.counts().cut == 1);
}

TEST_CASE("the best span wins over all windows, in order and not too long") {
  const SquadSet set = small_set();
  const SquadWindows windows(set, WordTokenizer(), {10, 128, 64});
  QuestionAnswer answer;
  std::vector<double> logits = quiet(10);
  logits[2 * 4] = 3;      // window 0: begins at "0" ...
  logits[2 * 8 + 1] = 3;  // ... ends at "4": five tokens, too long for max_tokens 2
  update_answer(windows, 0, logits, {2, 0}, answer);
  logits = quiet(10);
  logits[2 * 5] = 2;      // window 1: "4" ...
  logits[2 * 6 + 1] = 2;  // ... "5"
  logits[2 * 4 + 1] = 2;  // an end before the begin
  logits[2 * 1] = 9;      // in the question
  update_answer(windows, 1, logits, {2, 0}, answer);
  CHECK(answer.text == "4 5");
  CHECK(answer.best_score == 4);
}

TEST_CASE("v2.0 predicts no answer if cls beats every span by more than the threshold") {
  SquadSet set = small_set();
  set.unanswerable = true;
  const SquadWindows windows(set, WordTokenizer(), {16, 128, 64});
  std::vector<double> logits = quiet(16);
  logits[0] = logits[1] = 2;  // silence: 4
  logits[2 * 8] = 1.5;
  logits[2 * 9 + 1] = 1.5;                  // "4 5": 3
  logits[2 * 15] = logits[2 * 15 + 1] = 9;  // in the padding: no answer
  for (const double threshold : {0.5, 1.0}) {
    QuestionAnswer answer;
    update_answer(windows, 0, logits, {30, threshold}, answer);
    CHECK(answer.best_text == "4 5");
    CHECK(answer.null_margin() == Approx(1));
    CHECK(answer.text == (threshold < 1 ? "" : "4 5"));
  }
  QuestionAnswer answer;
  logits[5] = std::nan("");
  CHECK(input_error([&] { update_answer(windows, 0, logits, {}, answer); }).find("NaN") !=
        std::string::npos);
}
