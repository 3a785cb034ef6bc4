// SST-2 and MNLI files: what is read, and every malformed variant by its message.
#include "data/tasks/task.h"
#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/data/shared_files.h"
#include "tests/data/task_files.h"
#include "tests/support/catch.h"

using gmlp::SentenceSet;
using gmlp::test::check_holds;
using gmlp::test::input_error;
using gmlp::test::shared_file;
using gmlp::test::TemporaryFolder;

namespace {

SentenceSet read_sst2(const std::string& text) {
  const TemporaryFolder folder;
  folder.write("dev.tsv", text);
  return read_sentences(gmlp::task_facts("sst2"), folder / "dev.tsv", true);
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

TEST_CASE("SST-2 is read as it is, quotation marks and all") {
  const SentenceSet set = read_sst2("sentence\tlabel\na \"good film \t1\nbad\t0\n");
  REQUIRE(set.examples.size() == 2);
  CHECK(set.examples[0].first == "a \"good film ");
  CHECK(set.examples[0].second.empty());
  CHECK(set.examples[0].label == 1);
  CHECK(set.examples[1].label == 0);
}

TEST_CASE("a byte order mark, CR LF and a missing last line end change nothing") {
  for (const char* text : {"\xEF\xBB\xBFsentence\tlabel\ngood\t1\n", "sentence\tlabel\ngood\t1",
                           "sentence\tlabel\r\ngood\t1\r\n", "sentence\tlabel\r\ngood\t1",
                           "sentence\tlabel\r\ngood\t1\n"}) {
    const SentenceSet set = read_sst2(text);
    REQUIRE(set.examples.size() == 1);
    CHECK(set.examples[0].first == "good");
    CHECK(set.examples[0].label == 1);
  }
}

TEST_CASE("MNLI's columns are found by name, and pairs without a gold label are counted") {
  const TemporaryFolder folder;
  folder.write("train.tsv", kMnli);
  const SentenceSet set = read_sentences(gmlp::task_facts("mnli"), folder / "train.tsv", true);
  REQUIRE(set.examples.size() == 2);
  CHECK(set.skipped == 1);
  CHECK(set.examples[1].first == "A three");
  CHECK(set.examples[1].second == "B \"three");
  CHECK(set.examples[1].label == 2);
}

TEST_CASE("a test file without labels is read when none are needed") {
  const TemporaryFolder folder;
  folder.write("test.tsv", "index\tsentence\n0\tgood\n");
  const SentenceSet set = read_sentences(gmlp::task_facts("sst2"), folder / "test.tsv", false);
  CHECK(set.examples.at(0).first == "good");
  CHECK(set.examples.at(0).label == -1);
}

TEST_CASE("malformed tsv files are errors that name line, reason and remedy") {
  check_sst2_error("", "is empty");
  check_sst2_error("\xEF\xBB\xBF", "is empty");
  check_sst2_error("sentence\tlabel\n", "no labeled examples");
  check_sst2_error("sentence\tlabel\ngood\t1\nbad\n", "line 3 has 1 fields, the first line 2");
  check_sst2_error("sentence\tlabel\ngood\t1\t\n", "line 2 has 3 or more fields");
  check_sst2_error("sentence\tlabel\n\ngood\t1\n", "line 2 has 1 fields, the first line 2");
  check_sst2_error("sentence\tlabel\r\n\r\ngood\t1\r\n", "line 2 has 1 fields, the first line 2");
  check_sst2_error("sentence\tlabel\ngood\t2\n", "line 2: label '2' is none of 0, 1");
  check_sst2_error("sentence\tlabel\ngood\tpositive\n", "label 'positive'");
  check_sst2_error("sentence\tlabel\n  \t1\n", "line 2: column 'sentence' is empty");
  check_sst2_error("sentence\tlabel\n\t1\n", "line 2: column 'sentence' is empty");
  check_sst2_error("sentence\tlabel\tlabel\ngood\t1\t1\n", "two columns are called 'label'");
  check_sst2_error("text\tlabel\ngood\t1\n", "no column 'sentence', only text, label");
  check_sst2_error("sentence\tlabel\ngo\xFFod\t1\n", "line 2: byte 17 (0xff) is not UTF-8");
  check_sst2_error("sentence\tlabel\ngood\t1\nb\xC3\t0\n", "line 3");
  check_sst2_error(std::string("sentence\tlabel\ngo\0od\t1\n", 23), "line 2: byte 17 is NUL");
}

TEST_CASE("a task that does not exist is named") {
  CHECK(input_error([] { gmlp::task_facts("sst3"); }).find("sst3") != std::string::npos);
}

TEST_CASE("the real SST-2 and MNLI files are read whole") {
  const std::string data = shared_file("");
  if (data.empty()) return;
  const auto read = [&](const char* task, const std::string& file) {
    return read_sentences(gmlp::task_facts(task), data + file, true).examples;
  };
  CHECK(read("sst2", "SST-2/train.tsv").size() == 67349);
  const std::vector<gmlp::SentenceExample> dev = read("sst2", "SST-2/dev.tsv");
  REQUIRE(dev.size() == 872);
  int64_t positive = 0;
  for (const gmlp::SentenceExample& example : dev) positive += example.label;
  CHECK(positive == 444);
  const std::vector<gmlp::SentenceExample> pairs = read("mnli", "MNLI/train.tsv");
  CHECK(pairs.size() == 19646);
  CHECK(read("mnli", "MNLI/dev_matched.tsv").size() == 4907);
  CHECK(pairs[0].first.substr(0, 31) == "Our hearts are particularly hea");
}
