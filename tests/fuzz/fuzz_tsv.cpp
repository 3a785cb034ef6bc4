// SST-2's and MNLI's tables, and those of any labels in each format.
#include <filesystem>

#include "data/tasks/task.h"
#include "tests/fuzz/fuzz.h"

namespace {

/// `path` under a name with this ending, which tells the format.
std::string linked(const std::string& path, const std::string& ending) {
  std::string link = "/tmp/fuzz-" + std::to_string(getpid()) + ending;
  std::error_code exists;
  std::filesystem::create_symlink(path, link, exists);
  return link;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string& path = gmlp::test::file_of(gmlp::test::view_of(data, size));
  for (const char* task : {"sst2", "mnli"}) {
    for (const bool labeled : {true, false}) {
      gmlp::test::accept_input_errors(
          [&] { gmlp::read_sentences(gmlp::task_facts(task), path, labeled, 3); });
    }
  }
  static const std::string links[] = {linked(path, ".tsv"), linked(path, ".csv"),
                                      linked(path, ".jsonl")};
  for (const std::string& link : links) {
    gmlp::test::accept_input_errors([&] {
      gmlp::TaskFacts facts = gmlp::task_facts("classify");
      facts.columns = gmlp::guess_columns(link);
      facts.labels = gmlp::find_labels(link, facts.columns.back());
      gmlp::read_sentences(facts, link, true, 3);
    });
  }
  return 0;
}
