// predict's --input-array: images for a vision model, or ids for a language model. The same arrays
// as a data set: the first byte says where the images end and the labels begin.
#include "apps/language/options.h"
#include "apps/vision/commands.h"
#include "core/io/npy.h"
#include "data/vision/dataset.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/tiny_models.h"

namespace {

struct Folders {
  Folders() {
    gmlp::test::write_weights<gmlp::VisionModel>(vision, gmlp::test::tiny_vision());
    vision.write("config.json", gmlp::vision_config_to_json(gmlp::test::tiny_vision(), {}, ""));
    gmlp::test::write_weights<gmlp::LanguageModel>(language, gmlp::test::tiny_language());
    language.write("config.json", gmlp::language_config_to_json(gmlp::test::tiny_language(),
                                                                R"({"objective":"causal"})"));
    language.write("tokenizer.json",
                   std::string_view(R"({"type":"chars","characters":["a","b"]})"));
  }
  gmlp::test::TemporaryFolder vision, language, arrays;
};

void open_set(const Folders& folders, std::string_view images, std::string_view labels) {
  for (const char* part : {"train", "val"}) {
    folders.arrays.write(std::string(part) + "_images.npy", images);
    folders.arrays.write(std::string(part) + "_labels.npy", labels);
  }
  const gmlp::DataSplits splits = gmlp::open_arrays(folders.arrays.path(), {.skip_bad = 1});
  for (int64_t i = 0; i < splits.train->size(); ++i) splits.train->image(i);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const Folders folders;
  const std::string_view all = gmlp::test::view_of(data + 1, size - 1);
  const size_t end = all.size() * data[0] / 255;
  const std::string& path = gmlp::test::file_of(all.substr(0, end));
  gmlp::test::accept_input_errors([&] { open_set(folders, all.substr(0, end), all.substr(end)); });
  const auto arguments = [&](const gmlp::test::TemporaryFolder& model) {
    return std::vector<std::string>{"--model",        model.path(), "--input-array", path,
                                    "--output-array", "/dev/null",  "--threads",     "1"};
  };
  return gmlp::test::accept_input_errors([&] {
    gmlp::read_npy(path);  // before any model
    gmlp::test::accept_input_errors([&] { gmlp::run_predict(arguments(folders.vision)); });
    gmlp::language_predict(arguments(folders.language));
  });
}
