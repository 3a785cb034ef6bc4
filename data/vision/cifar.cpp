// CIFAR-10 and CIFAR-100, binary versions (https://www.cs.toronto.edu/~kriz/cifar.html). A record:
//   CIFAR-10   label,         1024 red, 1024 green, 1024 blue bytes    3073 in all
//   CIFAR-100  coarse, label, the same                                 3074 in all
// The coarse label (20 groups) is not used.
#include <algorithm>
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
  std::vector<std::string> train;
  std::vector<std::string> val;
};

Layout layout_of(bool hundred) {
  if (hundred) return {"cifar100", 2, 100, "fine_label_names.txt", {"train.bin"}, {"test.bin"}};
  return {"cifar10",
          1,
          10,
          "batches.meta.txt",
          {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
           "data_batch_5.bin"},
          {"test_batch.bin"}};
}

/// 30729999 as 30,729,999.
std::string with_commas(int64_t value) {
  std::string text = std::to_string(value);
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), 1, ',');
  }
  return text;
}

/// One name per line. The files end in an empty line, and some lines in CR LF.
std::vector<std::string> read_names(const Layout& layout, const std::filesystem::path& folder) {
  const std::string path = (folder / layout.names_file).string();
  constexpr int64_t kLimit = 1 << 16;
  std::istringstream lines(read_text(path, kLimit));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    std::erase(line, '\r');
    if (!line.empty()) names.push_back(line);
  }
  if (static_cast<int64_t>(names.size()) != layout.classes) {
    fail_input("{}: {} class names, not {}; download it again", path, names.size(), layout.classes);
  }
  return names;
}

/// Appends the records of one file. Planes of colors become interleaved pixels.
void append_records(const Layout& layout, const std::string& path, MemoryImages& images) {
  const std::vector<char> bytes = read_file(path);
  const int64_t size = static_cast<int64_t>(bytes.size());
  const int64_t record_size = layout.label_bytes + kChannels * kPixels;
  if (size == 0 || size % record_size != 0) {
    fail_input("{}: {} is {} bytes, not a multiple of {}; download it again", layout.name, path,
               with_commas(size), record_size);
  }
  std::vector<int64_t> labels;
  images.bytes.reserve(images.bytes.size() + bytes.size());
  for (int64_t begin = 0; begin < size; begin += record_size) {
    const uint8_t* planes =
        reinterpret_cast<const uint8_t*>(bytes.data()) + begin + layout.label_bytes;
    labels.push_back(planes[-1]);
    for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
      for (int64_t c = 0; c < kChannels; ++c) images.bytes.push_back(planes[c * kPixels + pixel]);
    }
  }
  check_labels(labels, layout.classes, path);
  images.labels.insert(images.labels.end(), labels.begin(), labels.end());
}

}  // namespace

DataSplits open_cifar(const std::string& folder, bool hundred) {
  const Layout layout = layout_of(hundred);
  const std::vector<std::string> names = read_names(layout, folder);
  const auto read = [&](const std::vector<std::string>& files) {
    MemoryImages images{kSide, kSide, kChannels, {}, {}, {}, names};
    for (const std::string& file : files) {
      append_records(layout, (std::filesystem::path(folder) / file).string(), images);
    }
    return images;
  };
  MemoryImages train = read(layout.train);
  return make_splits(layout.name, folder, std::move(train), read(layout.val));
}

}  // namespace gmlp
