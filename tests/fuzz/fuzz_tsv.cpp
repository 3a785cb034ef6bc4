// SST-2's and MNLI's tables.
#include "data/tasks/sentences.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string& path = gmlp_fuzz::file_of(gmlp_fuzz::view_of(data, size));
  for (const gmlp::Task task : {gmlp::Task::kSst2, gmlp::Task::kMnli}) {
    for (const bool labelled : {true, false}) {
      gmlp_fuzz::survive([&] { gmlp::read_sentences(task, path, "train", labelled); });
    }
  }
  return 0;
}
