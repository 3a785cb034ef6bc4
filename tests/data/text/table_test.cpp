// Tables of any labels: formats, columns found by their names, bad rows, and bounded memory.
#include "data/tasks/task.h"
#include "tests/core/allocation_peak.h"
#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::SentenceSet;
using gmlp::test::AllocationPeak;
using gmlp::test::check_holds;
using gmlp::test::input_error;
using gmlp::test::TemporaryFolder;

namespace {

using gmlp::Names;
using Rows = std::vector<Names>;

Rows rows_of(const std::string& path, const Names& columns, int64_t skip_bad = 0) {
  gmlp::BadRows bad;
  bad.allowed = skip_bad;
  Rows rows;
  gmlp::read_table(path, columns, bad, [&](const Names& fields, const std::string&, int64_t) {
    rows.push_back(fields);
  });
  return rows;
}

SentenceSet read(const std::string& path, int64_t skip_bad) {
  gmlp::TaskFacts facts = gmlp::task_facts("classify");
  facts.columns = gmlp::guess_columns(path);
  facts.labels = gmlp::find_labels(path, facts.columns.back());
  return read_sentences(facts, path, true, skip_bad);
}

}  // namespace

TEST_CASE("quoted fields of csv hold separators, line ends and quotation marks") {
  const TemporaryFolder folder;
  folder.write("t.csv",
               "\xEF\xBB\xBFid,\"text\",label\r\n"
               "1,\"a, \"\"b\"\"\r\nc\",good\r\n"
               "\r\n"
               "2,,bad\r\n"
               "3,\"\",\"very, bad\"");
  const Rows expected = {{"good", "a, \"b\"\r\nc"}, {"bad", ""}, {"very, bad", ""}};
  CHECK(rows_of(folder / "t.csv", {"label", "text"}) == expected);
  folder.write("s.csv", "text;label\na,b;1\n");
  CHECK(rows_of(folder / "s.csv", {"text"}) == Rows{{"a,b"}});
}

TEST_CASE("json lines give text, numbers and truth values by key") {
  const TemporaryFolder folder;
  folder.write("t.jsonl",
               "{\"text\": \"a\\nb\", \"label\": 3, \"more\": [1]}\n\n"
               "{\"label\": true, \"text\": \"c\"}\n");
  CHECK(rows_of(folder / "t.jsonl", {"text", "label"}) == Rows{{"a\nb", "3"}, {"c", "true"}});
  folder.write("bad.jsonl", "{\"text\": \"a\"}\n{\"text\": null}\n{\"text\"\n");
  const std::string path = folder / "bad.jsonl";
  CHECK(rows_of(path, {"text"}, 2) == Rows{{"a"}});
  check_holds(input_error([&] { rows_of(path, {"text"}, 0); }),
              "line 2 has no text or number 'text'");
  check_holds(input_error([&] { rows_of(path, {"text"}, 1); }), "line 3: is not JSON");
}

TEST_CASE("columns of text and label are guessed from their names, or the choice is left") {
  const TemporaryFolder folder;
  const auto guess = [&](const std::string& header) {
    folder.write("t.csv", header + "\n");
    return gmlp::guess_columns(folder / "t.csv");
  };
  CHECK(guess("id,Text,Label") == Names{"Text", "Label"});
  CHECK(guess("premise,hypothesis,gold_label") == Names{"premise", "hypothesis", "gold_label"});
  CHECK(guess("label,sentence2,sentence1") == Names{"sentence1", "sentence2", "label"});
  CHECK(guess("headline,category") == Names{"headline", "category"});
  CHECK(guess("review,stars") == Names{"review", "stars"});
  check_holds(input_error([&] { guess("a,b"); }), "They are called a, b");
  check_holds(input_error([&] { guess("id,date,text"); }), "--label-column");
}

TEST_CASE("any labels are found, sorted, and a column of too few or too many is refused") {
  const TemporaryFolder folder;
  folder.write("t.tsv", "text\tlabel\na\tspam\nb\tham\nc\tspam\n");
  CHECK(gmlp::find_labels(folder / "t.tsv", "label") == Names{"ham", "spam"});
  const SentenceSet set = read(folder / "t.tsv", 0);
  CHECK(set.examples[0].label == 1);
  CHECK(set.examples[1].label == 0);
  std::string many = "text\tlabel\n";
  for (int i = 0; i < 1001; ++i) many += "a\t" + std::to_string(i) + "\n";
  folder.write("many.tsv", many);
  check_holds(input_error([&] { read(folder / "many.tsv", 0); }), "has too many labels");
  folder.write("one.tsv", "text\tlabel\na\t1\n");
  check_holds(input_error([&] { read(folder / "one.tsv", 0); }), "has 1 labels");
}

TEST_CASE("bad rows are left out and counted, and the others keep their numbers") {
  const TemporaryFolder folder;
  folder.write("t.tsv", "text\tlabel\na\t1\nno label\n \t0\nb\xFF\t1\nc\t0\n");
  const std::string path = folder / "t.tsv";
  const SentenceSet set = read(path, 3);
  CHECK(set.bad.count == 3);
  check_holds(set.bad.note(), "3 bad rows left out; the first: ");
  check_holds(set.bad.note(), "line 3 has 1 fields");
  REQUIRE(set.examples.size() == 2);
  CHECK(set.examples[1].first == "c");
  CHECK(set.examples[1].row == 4);
  check_holds(input_error([&] { read(path, 2); }), "line 5: byte ");
  check_holds(input_error([&] { read(path, 2); }), "more than 2 such rows with --skip-bad N");
  check_holds(input_error([&] { read(path, 0); }), "such rows with --skip-bad N");
}

TEST_CASE("tables of long lines and of many columns need little memory and time") {
  if (!AllocationPeak::counts()) return;
  constexpr int64_t kMegabyte = 1 << 20;
  const TemporaryFolder folder;
  std::string header;
  for (int i = 0; i < 60'000; ++i) header += "column" + std::to_string(i) + "\t";
  const std::string separators(20 * kMegabyte, '\t');
  const std::string commas(20 * kMegabyte, ',');
  folder.write("header.tsv", header + "text\n" + header + "x\n");
  folder.write("tabs.tsv", "text\tlabel\n" + separators + "\n");
  folder.write("tabs_first.tsv", separators);
  folder.write("commas.csv", "text,label\n" + commas + "\n");
  folder.write("lines.tsv", "text\tlabel\n" + std::string(20 * kMegabyte, '\n'));
  folder.write("line.jsonl", "{\"text\": \"a\"}\n[" + commas + "]");
  for (const char* name :
       {"header.tsv", "tabs.tsv", "tabs_first.tsv", "commas.csv", "lines.tsv", "line.jsonl"}) {
    INFO(name);
    const std::string path = folder / name;
    const int64_t size = static_cast<int64_t>(std::filesystem::file_size(path));
    const AllocationPeak peak;
    const std::string error = input_error([&] { rows_of(path, {"text"}); });
    CHECK(peak.bytes() < 64 * kMegabyte + 2 * size);
    CHECK(error.empty() == (std::string(name) == "header.tsv"));
  }
}
