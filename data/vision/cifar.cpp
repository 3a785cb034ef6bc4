// CIFAR-10 and CIFAR-100, binary versions (https://www.cs.toronto.edu/~kriz/cifar.html). A record:
//   CIFAR-10   label,         1024 red, 1024 green, 1024 blue bytes    3073 in all
//   CIFAR-100  coarse, label, the same                                 3074 in all
// The coarse label (20 groups) is not used.
#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "core/io/file.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPixels = kSide * kSide;
constexpr int64_t kChannels = 3;

/// What differs between the two sets. File names are those of the archives.
struct Layout {
  std::string name;
  int64_t label_bytes;  // the last one is the label
  int64_t classes;
  std::string names_file;
  std::vector<std::string> train, val;
};

/// One name per line. The files end in an empty line, and some lines in CR LF.
std::vector<std::string> read_names(const Layout& layout, const std::filesystem::path& folder) {
  const std::string path = (folder / layout.names_file).string();
  std::istringstream lines(read_text(path, 1 << 16));
  lines.exceptions(std::ios::badbit);  // else a stream that runs out of memory just ends
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    std::erase(line, '\r');
    if (!line.empty()) names.push_back(line);
  }
  refuse_if(std::ssize(names) != layout.classes, "{}: {} class names, not {}; download it again",
            path, names.size(), layout.classes);
  return names;
}

/// Planes of colors become interleaved pixels.
LabeledImages read_records(const Layout& layout, const std::filesystem::path& folder,
                           const std::vector<std::string>& files) {
  LabeledImages set;
  const int64_t record_size = layout.label_bytes + kChannels * kPixels;
  for (const std::string& file : files) {
    const std::string path = (folder / file).string();
    const std::string bytes = read_text(path);
    const int64_t size = std::ssize(bytes);
    refuse_if(size == 0 || size % record_size != 0,
              "{}: {} is {} bytes, not a multiple of {}; download it again", layout.name, path,
              size, record_size);
    const char* planes = bytes.data() + layout.label_bytes;
    for (int64_t i = 0; i < size / record_size; ++i, planes += record_size) {
      set.labels.push_back(static_cast<uint8_t>(planes[-1]));
      check_label(set.labels.back(), i, layout.classes, path);
      Image& image = set.images.emplace_back(Image::of_bytes(kSide, kSide, kChannels));
      for (int64_t k = 0; k < kChannels * kPixels; ++k) {
        image.bytes[static_cast<size_t>(k % kPixels * kChannels + k / kPixels)] =
            static_cast<uint8_t>(planes[k]);
      }
    }
  }
  return set;
}

}  // namespace

DataSplits open_cifar(const std::string& folder, bool hundred) {
  Layout layout{.name = "cifar10",
                .label_bytes = 1,
                .classes = 10,
                .names_file = "batches.meta.txt",
                .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                          "data_batch_4.bin", "data_batch_5.bin"},
                .val = {"test_batch.bin"}};
  if (hundred) layout = {"cifar100", 2, 100, "fine_label_names.txt", {"train.bin"}, {"test.bin"}};
  const std::vector<std::string> names = read_names(layout, folder);
  LabeledImages train = read_records(layout, folder, layout.train);
  return make_splits(layout.name, folder, names, std::move(train),
                     read_records(layout, folder, layout.val));
}

}  // namespace gmlp
