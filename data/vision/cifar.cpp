// CIFAR-10 and CIFAR-100, binary versions (https://www.cs.toronto.edu/~kriz/cifar.html). A record
// is
//   CIFAR-10   label,         1024 red, 1024 green, 1024 blue bytes    3073 in all
//   CIFAR-100  coarse, label, the same                                 3074 in all
// The coarse label of CIFAR-100 (20 groups) is not used.
#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/io/file.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

constexpr int64_t kCifarSide = 32;
constexpr int64_t kCifarPixels = kCifarSide * kCifarSide;
constexpr int64_t kCifarChannels = 3;

/// What differs between the two sets.
struct Layout {
  std::string name;
  int64_t label_bytes;  // the last of them is the label
  int64_t classes;
  std::string names_file;
  std::vector<std::string> train;
  std::string val;

  int64_t record_size() const { return label_bytes + kCifarChannels * kCifarPixels; }
};

/// File names as in the archives.
Layout layout_of(bool hundred) {
  if (hundred) return {"cifar100", 2, 100, "fine_label_names.txt", {"train.bin"}, "test.bin"};
  Layout layout{"cifar10", 1, 10, "batches.meta.txt", {}, "test_batch.bin"};
  for (int i = 1; i <= 5; ++i) layout.train.push_back(fmt::format("data_batch_{}.bin", i));
  return layout;
}

/// 30729999 as 30,729,999.
std::string with_commas(int64_t value) {
  std::string text = std::to_string(value);
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), 1, ',');
  }
  return text;
}

/// A name a line; the files end in an empty line, some in CR LF.
std::vector<std::string> read_names(const Layout& layout, const std::filesystem::path& folder) {
  const std::string path = (folder / layout.names_file).string();
  constexpr int64_t kLimit = 1 << 16;
  const std::string text = read_text(path, kLimit);
  std::vector<std::string> names;
  std::string line;
  for (const char c : text + "\n") {
    if (c == '\r') continue;
    if (c != '\n') {
      line += c;
    } else if (!line.empty()) {
      names.push_back(line);
      line.clear();
    }
  }
  if (static_cast<int64_t>(names.size()) != layout.classes) {
    fail_input("{}: {} class names, not {}; download it again", path, names.size(), layout.classes);
  }
  return names;
}

/// Appends the records of one file; planes of colours become interleaved pixels.
void append(const Layout& layout, const std::filesystem::path& folder, const std::string& file,
            MemoryImages& images) {
  const std::string path = (folder / file).string();
  const std::vector<char> bytes = read_file(path);
  const int64_t size = static_cast<int64_t>(bytes.size());
  const int64_t record_size = layout.record_size();
  if (size == 0 || size % record_size != 0) {
    fail_input("{}: {} is {} bytes, not a multiple of {}; download it again", layout.name, path,
               with_commas(size), record_size);
  }
  std::vector<int64_t> labels;
  images.bytes.reserve(images.bytes.size() + bytes.size());
  for (int64_t begin = 0; begin < size; begin += record_size) {
    const uint8_t* record = reinterpret_cast<const uint8_t*>(bytes.data()) + begin;
    labels.push_back(record[layout.label_bytes - 1]);
    const uint8_t* planes = record + layout.label_bytes;
    for (int64_t pixel = 0; pixel < kCifarPixels; ++pixel) {
      for (int64_t c = 0; c < kCifarChannels; ++c)
        images.bytes.push_back(planes[c * kCifarPixels + pixel]);
    }
  }
  check_labels(labels, layout.classes, path);
  images.labels.insert(images.labels.end(), labels.begin(), labels.end());
}

std::shared_ptr<MemoryImages> read_part(const Layout& layout, const std::filesystem::path& folder,
                                        const std::vector<std::string>& files,
                                        const std::vector<std::string>& names) {
  std::shared_ptr<MemoryImages> images = std::make_shared<MemoryImages>();
  images->height = kCifarSide;
  images->width = kCifarSide;
  images->channels = kCifarChannels;
  images->names = names;
  for (const std::string& file : files) append(layout, folder, file, *images);
  return images;
}

}  // namespace

DataSplits open_cifar(const std::string& folder, bool hundred) {
  const Layout layout = layout_of(hundred);
  const std::vector<std::string> names = read_names(layout, folder);
  DataSplits splits;
  splits.name = layout.name;
  splits.train = read_part(layout, folder, layout.train, names);
  splits.val = read_part(layout, folder, {layout.val}, names);
  return splits;
}

}  // namespace gmlp
