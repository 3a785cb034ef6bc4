// SQuAD files: characters to bytes, every malformed variant by its message, and the scores.
#include "data/tasks/squad.h"

#include <fmt/ranges.h>

#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/data/shared_files.h"
#include "tests/data/task_files.h"
#include "tests/support/catch.h"

using gmlp::SquadQuestion;
using gmlp::SquadReading;
using gmlp::SquadScores;
using gmlp::SquadSet;
using gmlp::test::check_holds;
using gmlp::test::input_error;
using gmlp::test::shared_file;
using gmlp::test::TemporaryFolder;

namespace {

constexpr SquadReading kV1 = {false, true};
constexpr SquadReading kV2 = {true, true};

/// A file with one paragraph, "In Zürich, 6½ sacks."
std::string squad_file(const std::string& qas) {
  return R"({"version": "1.1", "data": [{"title": "T", "paragraphs": [{"qas": [)" + qas +
         R"(], "context": "In Z\u00fcrich, 6½ sacks."}]}]})";
}

SquadSet read(const std::string& text, const SquadReading& reading) {
  const TemporaryFolder folder;
  folder.write("dev.json", text);
  return gmlp::read_squad(folder / "dev.json", reading);
}

void check_squad_error(const std::string& text, const std::string& words,
                       const SquadReading& reading = kV1) {
  const std::string message = input_error([&] { read(text, reading); });
  check_holds(message, "dev.json");
  check_holds(message, words);
}

constexpr const char* kGood =
    R"({"id": "q1", "question": "Where?", "answers": [{"answer_start": 3, "text": "Zürich"},)"
    R"({"text": "6½ sacks", "answer_start": 11}]})";
constexpr const char* kImpossible =
    R"({"id": "q2", "question": "Who?", "answers": [], "is_impossible": true,)"
    R"("plausible_answers": [{"text": "nobody", "answer_start": 99, "x": [[{}]]}]})";

}  // namespace

TEST_CASE("SQuAD's character numbers become bytes, also behind letters of two bytes") {
  const SquadSet set = read(squad_file(kGood), kV1);
  REQUIRE(set.questions.size() == 1);
  const SquadQuestion& question = set.questions[0];
  CHECK(question.id == "q1");
  CHECK(question.text == "Where?");
  REQUIRE(question.answers.size() == 2);
  CHECK(set.answer_text(question, question.answers[0]) == "Zürich");
  CHECK(set.answer_text(question, question.answers[1]) == "6½ sacks");
  CHECK(question.answers[1].begin == 12);
}

TEST_CASE("a long context keeps its character numbers") {
  std::string context;
  for (int i = 0; i < 500; ++i) context += i % 3 == 0 ? "é" : (i % 3 == 1 ? "x" : "€");
  const std::string text = R"({"data": [{"paragraphs": [{"context": ")" + context +
                           R"(", "qas": [{"id": "q", "question": "?", "answers": [)" +
                           R"({"text": "é", "answer_start": 498}]}]}]}]})";
  const SquadSet set = read(text, kV1);
  CHECK(set.questions[0].answers[0].begin == 498 * 2);  // 2 + 1 + 3 bytes every three
}

TEST_CASE("SQuAD v2.0's impossible questions have no answers, and unknown keys are skipped") {
  const SquadSet set = read(squad_file(std::string(kGood) + "," + kImpossible), kV2);
  REQUIRE(set.questions.size() == 2);
  CHECK(!set.questions[0].impossible);
  CHECK(set.questions[1].impossible);
  CHECK(set.questions[1].answers.empty());
}

TEST_CASE("questions to predict for need no answers") {
  const SquadSet set = read(squad_file(R"({"id": "a", "question": "b"})"), {false, false});
  CHECK(set.questions.at(0).answers.empty());
}

TEST_CASE("an id may be a number, and a bad question is left out alone") {
  const auto entry = [](const std::string& id, const std::string& answer) {
    return R"({"answers": [{"text": ")" + answer +
           R"(", "answer_start": 0}], "question": "Which word?", "id": )" + id + "}";
  };
  const std::string text =
      squad_file(entry("7", "In") + "," + entry("8", "On") + "," + entry("9", "In") +
                 R"(,{"id": 10, "question": "?", "answers": [[1], {"x": 2}]})");
  const SquadSet set = read(text, {false, true, 2});
  REQUIRE(set.questions.size() == 2);
  CHECK(set.questions[0].id == "7");
  CHECK(set.questions[1].id == "9");
  CHECK(set.bad.count == 2);
  check_holds(set.bad.first, "question '8': the context does not have its answer 'On'");
  check_squad_error(text, "leave out such rows with --skip-bad N");
  check_squad_error(text, "more than 1 such rows", {false, true, 1});
}

TEST_CASE("an answer that is not at its answer_start moves to the nearest place with its text") {
  const auto begin_of = [](const std::string& start, int64_t moved) {
    const std::string context = "é in é in the é in";  // "in" at characters 2, 7 and 16
    const SquadSet set =
        read(R"({"data": [{"paragraphs": [{"context": ")" + context +
                 R"(", "qas": [{"id": 1, "question":)" +
                 R"("?", "answers": [{"text": "in", "answer_start": )" + start + "}]}]}]}]}",
             kV1);
    CHECK(set.moved == moved);
    return set.questions.at(0).answers.at(0).begin;
  };
  CHECK(begin_of("7", 0) == 9);
  CHECK(begin_of("7.0", 0) == 9);
  CHECK(begin_of("-1", 1) == 3);
  CHECK(begin_of("3", 1) == 3);
  CHECK(begin_of("8", 1) == 9);
  CHECK(begin_of("15", 1) == 19);
  CHECK(begin_of("18446744073709551615", 1) == 19);
}

TEST_CASE("malformed SQuAD files are errors that name the question or the paragraph") {
  const auto question = [](const std::string& rest) {
    return squad_file(R"({"id": "q7", "question": "Where?")" + rest + "}");
  };
  check_squad_error(question(R"(, "answers": [{"answer_start": 3, "text": "Zurich"}])"),
                    "question 'q7': the context does not have its answer 'Zurich'");
  check_squad_error(question(R"(, "answers": [{"answer_start": "3", "text": "In"}])"),
                    "'answer_start' is of type string, not number");
  check_squad_error(question(R"(, "answers": [{"answer_start": 3, "text": ""}])"),
                    "'text' is empty");
  check_squad_error(question(R"(, "answers": [{"answer_start": 3}])"), "no 'text'");
  check_squad_error(question(R"(, "answers": [3])"),
                    "a value of type number where an object belongs");
  check_squad_error(question(R"(, "answers": null)"), "'answers' is of type null, not array");
  check_squad_error(question(R"(, "answers": [])"), "has no answer");
  check_squad_error(question(""), "has no answer");
  check_squad_error(question(R"(, "answers": [], "is_impossible": true)"), "--task squad2");
  check_squad_error(question(R"(, "is_impossible": false)"), "has no answer", kV2);
  check_squad_error(
      question(R"(, "answers": [{"answer_start": 0, "text": "In"}], "is_impossible": true)"),
      "is impossible and has an answer", kV2);
  check_squad_error(squad_file(std::string(kGood) + "," + kGood), "another question has this id");
  check_squad_error(squad_file(R"({"id": "a\u0000b", "question": "?"})"), "has a NUL");
  check_squad_error(squad_file(R"({"id": "a"})"), "question 'a': has no 'question'");
  check_squad_error(squad_file(""), "no questions");
  check_squad_error("[]", "a value of type array where an object belongs");
  check_squad_error("{}", "no 'data'");
  check_squad_error(R"({"data": [{}]})", "no 'paragraphs'");
  check_squad_error(R"({"data": [{"paragraphs": [{"qas": []}]}]})",
                    "paragraph 1: has no 'context'");
  check_squad_error(R"({"data": 3})", "'data' is of type number, not array");
  check_squad_error(squad_file(kGood) + "x", "not JSON");
  check_squad_error(squad_file(kGood).substr(0, 200), "not JSON");
  check_squad_error("{\"data\": [\"\xFF\"]}", "ill-formed UTF-8 byte");
  check_squad_error("", "not JSON");
  check_squad_error(R"({"x": )" + std::string(100000, '[') + std::string(100000, ']') + "}",
                    "levels deep");
}

TEST_CASE("answers are compared without case, punctuation, articles and extra space") {
  const auto normalized_answer = [](const char* text) {
    return fmt::format("{}", fmt::join(gmlp::answer_words(text), " "));
  };
  CHECK(normalized_answer("The  Eiffel-Tower!") == "eiffeltower");
  CHECK(normalized_answer("an apple a day, the\tend") == "apple day end");
  CHECK(normalized_answer("a–b") == "–b");           // a dash is a word boundary, and stays
  CHECK(normalized_answer("aé the1") == "aé the1");  // no boundary inside
  CHECK(normalized_answer("ÀÉ\u00a0Ü") == "àé ü");
  CHECK(normalized_answer("İYTE") == "i̇yte");  // i and a combining dot
  CHECK(normalized_answer("A. The").empty());
}

TEST_CASE("F1 is that of the words two answers share, repeated ones counted") {
  const auto answer_f1 = [](const char* prediction, const char* gold) {
    return gmlp::answer_f1(gmlp::answer_words(prediction), gmlp::answer_words(gold));
  };
  CHECK(answer_f1("the cat sat", "cat sat down") == Approx(0.8));
  CHECK(answer_f1("x x y", "x y y") == Approx(2.0 / 3));
  CHECK(answer_f1("dog", "cat") == 0);
  CHECK(answer_f1("", "cat") == 0);
  CHECK(answer_f1("The", "a") == 1);
}

TEST_CASE("a set's scores take the best annotator, and \"\" is right for the impossible only") {
  const SquadSet set = read(squad_file(std::string(kGood) + "," + kImpossible), kV2);
  const SquadScores right = score_squad(set, {{"6½ SACKS!"}, {""}});
  CHECK(right.all.exact == 100);
  CHECK(right.all.f1 == 100);
  const SquadScores half = score_squad(set, {{"sacks"}, {"nobody"}});
  CHECK(half.answerable.exact == 0);
  CHECK(half.answerable.f1 == Approx(200.0 / 3));
  CHECK(half.unanswerable.f1 == 0);
  CHECK(half.all.f1 == Approx(100.0 / 3));
  CHECK(half.all.f1_error == Approx(100.0 / 3 / std::sqrt(2.0)));
  const SquadScores silent = score_squad(set, {{""}, {""}});
  CHECK(silent.all.exact == 50);
}

TEST_CASE("the real SQuAD files are read, and their own answers score 100") {
  const std::string data = shared_file("");
  if (data.empty()) return;
  CHECK(gmlp::read_squad(data + "squad/train-v1.1.json", kV1).questions.size() == 14348);
  const SquadSet dev = gmlp::read_squad(data + "squad/dev-v1.1.json", kV1);
  CHECK(dev.questions.size() == 1817);
  const SquadSet v2 = gmlp::read_squad(data + "squad/format-v2.0.json", kV2);
  CHECK(v2.questions.size() == 706);
  for (const SquadSet* set : {&dev, &v2}) {
    std::vector<gmlp::QuestionAnswer> last;
    int64_t impossible = 0;
    for (const SquadQuestion& question : set->questions) {
      impossible += question.impossible ? 1 : 0;
      last.emplace_back();
      if (question.answers.empty()) continue;
      last.back().text = set->answer_text(question, question.answers.back());
    }
    CHECK(impossible == (set == &v2 ? 320 : 0));
    CHECK(score_squad(*set, last).all.exact == 100);
    CHECK(score_squad(*set, last).all.f1 == 100);
  }
}
