// A task's folder: which files are read, which may be absent, and what is noted.

#include "apps/language/tasks/task_files.h"

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using gmlp::TaskFiles;

namespace {

constexpr const char* kMnli =
    "index\tsentence2\tsentence1\tlabel1\tgold_label\n"
    "0\tB one\tA one\tneutral\tentailment\n"
    "1\tB two\tA two\tneutral\t-\n"
    "2\tB \"three\tA three\tneutral\tcontradiction\n";

TaskFiles open(const char* task, const std::string& folder, int64_t max_train) {
  const auto tokenizer = gmlp::open_tokenizer("bytes");
  return open_task_files(gmlp::task_facts(task), folder, {.windows = {.tokens = 32}}, *tokenizer,
                         max_train);
}

std::string error_of(const std::string& folder) {
  try {
    open("sst2", folder, 0);
  } catch (const gmlp::InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("MNLI's mismatched set may be absent, and skipped pairs are noted") {
  const gmlp::test::TemporaryFolder folder;
  folder.write("train.tsv", kMnli);
  folder.write("dev_matched.tsv", kMnli);
  const TaskFiles one = open("mnli", folder.path(), 0);
  REQUIRE(one.train != nullptr);
  CHECK(one.train->size() == 2);
  CHECK(one.train->rows->size() == 2);
  CHECK(one.dev.size() == 1);
  CHECK(one.notes.size() == 3);  // no mismatched set, and a skipped pair in each file
  CHECK(open("mnli", folder.path(), 1).train->size() == 1);
  folder.write("dev_mismatched.tsv", kMnli);
  const TaskFiles two = open("mnli", folder.path(), -1);
  REQUIRE(two.dev.size() == 2);
  CHECK(two.dev[1]->name == "mismatched");
  CHECK(two.train == nullptr);
}

TEST_CASE("a task's folder and files that are absent are named") {
  const gmlp::test::TemporaryFolder folder;
  CHECK(error_of(folder.path() + "/no").find("no such folder") != std::string::npos);
  CHECK(error_of(folder.path()).find("train.tsv") != std::string::npos);
}

TEST_CASE("some training rows are drawn at random, because files may be sorted by label") {
  const gmlp::test::TemporaryFolder folder;
  std::string sorted = "sentence\tlabel\n";
  for (int i = 0; i < 200; ++i) sorted += fmt::format("text {}\t{}\n", i, i < 100 ? 0 : 1);
  folder.write("train.tsv", sorted);
  folder.write("dev.tsv", sorted);
  const TaskFiles files = open("sst2", folder.path(), 50);
  CHECK(files.train->size() == 50);
  int64_t ones = 0;
  for (const gmlp::SentenceExample& row : files.train->sentences.examples) ones += row.label;
  CHECK(ones > 10);
  CHECK(ones < 40);
  CHECK(files.notes.front() == "50 of 200 training examples (--max-train-samples)");
  const TaskFiles first = open_task_files(gmlp::task_facts("sst2"), folder.path(),
                                          {.windows = {.tokens = 32}, .first_rows = true},
                                          *gmlp::open_tokenizer("bytes"), 50);
  for (const gmlp::SentenceExample& row : first.train->sentences.examples) CHECK(row.label == 0);
}

TEST_CASE("a folder with two training tables is refused") {
  const gmlp::test::TemporaryFolder folder;
  folder.write("train.csv", "text,label\na,b\nc,d\n");
  folder.write("train.jsonl", "{\"text\": \"a\", \"label\": \"b\"}\n");
  std::vector<std::string> notes;
  try {
    gmlp::describe_task("classify", folder.path(), {}, notes);
    FAIL("nothing was refused");
  } catch (const gmlp::InputError& error) {
    CHECK(std::string(error.what()).find("train.jsonl; keep one of them") != std::string::npos);
  }
}
