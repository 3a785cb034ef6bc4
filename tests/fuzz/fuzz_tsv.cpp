// SST-2's and MNLI's tables.
#include "data/tasks/sentences.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string& path = gmlp::test::file_of(gmlp::test::view_of(data, size));
  for (const gmlp::Task task : {gmlp::Task::kSst2, gmlp::Task::kMnli}) {
    for (const bool labelled : {true, false}) {
      gmlp::test::accept_input_errors([&] { gmlp::read_sentences(gmlp::task_facts(task), path, labelled, 3); });
    }
  }
  return 0;
}
