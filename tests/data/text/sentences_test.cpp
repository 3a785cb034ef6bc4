// SST-2 and MNLI files: what is read, and every malformed variant by its message.
#include "data/tasks/sentences.h"

#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/data/shared_files.h"
#include "tests/data/task_files.h"
#include "tests/support/catch.h"

using gmlp::SentenceSet;
using gmlp::SentenceSplits;
using gmlp::Task;
using gmlp::test::check_holds;
using gmlp::test::input_error;
using gmlp::test::shared_file;
using gmlp::test::TemporaryFolder;

namespace {

SentenceSet read_sst2(const std::string& text) {
  const TemporaryFolder folder;
  folder.write("dev.tsv", text);
  return read_sentences(Task::kSst2, folder / "dev.tsv", "dev", true);
}

void check_sst2_error(const std::string& text, const std::string& words) {
  const std::string message = input_error([&] { read_sst2(text); });
  check_holds(message, "dev.tsv");
  check_holds(message, words);
}

constexpr const char* kMnli =
    "index\tsentence2\tsentence1\tlabel1\tgold_label\n"
    "0\tB one\tA one\tneutral\tentailment\n"
    "1\tB two\tA two\tneutral\t-\n"
    "2\tB \"three\tA three\tneutral\tcontradiction\n";

}  // namespace

TEST_CASE("SST-2 is read as it stands, quotation marks and all") {
  const SentenceSet set = read_sst2("sentence\tlabel\na \"good film \t1\nbad\t0\n");
  REQUIRE(set.examples.size() == 2);
  CHECK(set.examples[0].first == "a \"good film ");
  CHECK(set.examples[0].second.empty());
  CHECK(set.examples[0].label == 1);
  CHECK(set.examples[1].label == 0);
}

TEST_CASE("a byte order mark, CR LF throughout and a missing last line end change nothing") {
  for (const char* text : {"\xEF\xBB\xBFsentence\tlabel\ngood\t1\n", "sentence\tlabel\ngood\t1",
                           "sentence\tlabel\r\ngood\t1\r\n", "sentence\tlabel\r\ngood\t1"}) {
    const SentenceSet set = read_sst2(text);
    REQUIRE(set.examples.size() == 1);
    CHECK(set.examples[0].first == "good");
    CHECK(set.examples[0].label == 1);
  }
}

TEST_CASE("MNLI's columns are found by name, and pairs without a gold label are counted") {
  const TemporaryFolder folder;
  folder.write("train.tsv", kMnli);
  folder.write("dev_matched.tsv", kMnli);
  const SentenceSplits one = open_sentences(Task::kMnli, folder.path(), true);
  REQUIRE(one.train.examples.size() == 2);
  CHECK(one.train.skipped == 1);
  CHECK(one.train.examples[1].first == "A three");
  CHECK(one.train.examples[1].second == "B \"three");
  CHECK(one.train.examples[1].label == 2);
  CHECK(one.dev.size() == 1);
  CHECK(one.notes.size() == 3);  // no mismatched set, and two sets with a pair left out
  folder.write("dev_mismatched.tsv", kMnli);
  const SentenceSplits two = open_sentences(Task::kMnli, folder.path(), false);
  REQUIRE(two.dev.size() == 2);
  CHECK(two.dev[1].name == "mismatched");
  CHECK(two.train.examples.empty());
}

TEST_CASE("a test file without labels is read when none are wanted") {
  const TemporaryFolder folder;
  folder.write("test.tsv", "index\tsentence\n0\tgood\n");
  const SentenceSet set = read_sentences(Task::kSst2, folder / "test.tsv", "test", false);
  CHECK(set.examples.at(0).first == "good");
  CHECK(set.examples.at(0).label == -1);
}

TEST_CASE("malformed tsv files are errors that name line, reason and remedy") {
  check_sst2_error("", "is empty");
  check_sst2_error("\xEF\xBB\xBF", "is empty");
  check_sst2_error("sentence\tlabel\n", "no labelled examples");
  check_sst2_error("sentence\tlabel\ngood\t1\nbad\n", "line 3 has 1 fields, the first line 2");
  check_sst2_error("sentence\tlabel\ngood\t1\t\n", "line 2 has 3 fields");
  check_sst2_error("sentence\tlabel\n\ngood\t1\n", "line 2 is empty");
  check_sst2_error("sentence\tlabel\r\n\r\ngood\t1\r\n", "line 2 is empty");
  check_sst2_error("sentence\tlabel\ngood\t2\n", "line 2: label '2' is none of 0, 1");
  check_sst2_error("sentence\tlabel\ngood\tpositive\n", "label 'positive'");
  check_sst2_error("sentence\tlabel\n  \t1\n", "line 2: column 'sentence' is empty");
  check_sst2_error("sentence\tlabel\n\t1\n", "line 2: column 'sentence' is empty");
  check_sst2_error("sentence\tlabel\tlabel\ngood\t1\t1\n", "two columns are called 'label'");
  check_sst2_error("sentence\t\ngood\t1\n", "column 2 has no name");
  check_sst2_error("text\tlabel\ngood\t1\n", "no column 'sentence', only text, label");
  check_sst2_error("sentence\tlabel\ngood\t1\r\n", "line 2 ends with CR LF");
  check_sst2_error("sentence\tlabel\r\ngood\t1\n", "line 2 ends with LF");
  check_sst2_error("sentence\tlabel\ngo\xFFod\t1\n", "line 2: byte 17 (0xff) is not UTF-8");
  check_sst2_error("sentence\tlabel\ngood\t1\nb\xC3\t0\n", "line 3");
  check_sst2_error(std::string("sentence\tlabel\ngo\0od\t1\n", 23), "line 2: byte 17 is NUL");
}

TEST_CASE("a task's folder and files that are absent are named") {
  const TemporaryFolder folder;
  CHECK(input_error([&] {
          open_sentences(Task::kSst2, folder / "no", true);
        }).find("no such folder") != std::string::npos);
  CHECK(input_error([&] { open_sentences(Task::kSst2, folder.path(), true); }).find("train.tsv") !=
        std::string::npos);
  CHECK(input_error([] { gmlp::task_from_name("sst3"); }).find("sst3") != std::string::npos);
}

TEST_CASE("the real SST-2 and MNLI files are read whole") {
  const std::string data = shared_file("");
  if (data.empty()) return;
  const SentenceSplits sst2 = open_sentences(Task::kSst2, data + "SST-2", true);
  CHECK(sst2.train.examples.size() == 67349);
  REQUIRE(sst2.dev.at(0).examples.size() == 872);
  int64_t positive = 0;
  for (const gmlp::SentenceExample& example : sst2.dev[0].examples) positive += example.label;
  CHECK(positive == 444);
  const SentenceSplits mnli = open_sentences(Task::kMnli, data + "MNLI", true);
  CHECK(mnli.train.examples.size() == 19646);
  CHECK(mnli.dev.at(0).examples.size() == 4907);
  CHECK(mnli.train.examples[0].first.substr(0, 31) == "Our hearts are particularly hea");
}
