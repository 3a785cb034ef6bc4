// SQuAD's JSON, both versions.
#include "data/tasks/squad.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string& path = gmlp::test::file_of(gmlp::test::view_of(data, size));
  for (const bool unanswerable : {false, true}) {
    for (const bool answered : {true, false}) {
      gmlp::test::accept_input_errors([&] {
        const gmlp::SquadSet set = gmlp::read_squad(path, {unanswerable, answered, 2});
        for (const gmlp::SquadQuestion& question : set.questions) {
          for (const gmlp::SquadAnswer& answer : question.answers)
            set.answer_text(question, answer);
        }
      });
    }
  }
  return 0;
}
