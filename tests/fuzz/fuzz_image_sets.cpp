// MNIST's idx files, plain and gzip'd, and CIFAR's. The first byte says which and the second where
// the images end and the labels begin.
#include "data/vision/dataset.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temporary_folder.h"

namespace {

void use(const gmlp::DataSplits& splits) {
  for (int64_t i = 0; i < splits.train->size(); ++i) {
    splits.train->image(i);
    gmlp::test::check(splits.train->label(i) <
                      static_cast<int64_t>(splits.train->class_names.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const bool gzip = (data[0] & 1) != 0;
  const bool cifar = (data[0] & 2) != 0;
  const std::string_view all = gmlp::test::view_of(data + 2, size - 2);
  const size_t end = all.size() * data[1] / 255;
  const gmlp::test::TemporaryFolder folder;
  for (const char* part : {"train", "t10k"}) {
    const std::string name = part;
    const std::string extension = gzip ? ".gz" : "";
    folder.write(name + "-images-idx3-ubyte" + extension, all.substr(0, end));
    folder.write(name + "-labels-idx1-ubyte" + extension, all.substr(end));
  }
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"}) {
    if (cifar) folder.write(name, all);
  }
  return gmlp::test::accept_input_errors(
      [&] { use(cifar ? gmlp::open_cifar(folder.path(), false) : gmlp::open_idx(folder.path())); });
}
