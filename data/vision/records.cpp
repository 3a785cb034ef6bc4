// Data sets whose images are in memory, all of one size.
//
// idx, the format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist), plain or gzipped.
// Numbers are 32 bits and big-endian. Header, file length and labels must agree:
//   images     0x00000803, count, rows, columns, then rows * columns bytes per image
//   labels     0x00000801, count, then one byte per label
//
// CIFAR-10 and CIFAR-100, binary versions (https://www.cs.toronto.edu/~kriz/cifar.html). The coarse
// label (20 groups) is not used. A record:
//   CIFAR-10   label,         1024 red, 1024 green, 1024 blue bytes    3073 in all
//   CIFAR-100  coarse, label, the same                                 3074 in all
//
// Four NumPy arrays: train_images.npy, train_labels.npy, val_images.npy, val_labels.npy. Images are
// uint8 (N, H, W, C) or (N, H, W), or float32 (N, C, H, W), which reach the model unchanged. Labels
// are integers (N). The largest training label gives the number of classes.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/npy.h"
#include "data/text/utf8.h"
#include "data/vision/dataset.h"

namespace gmlp {
namespace {

/// Images in memory, all of one size, and their labels.
struct LabeledImages {
  std::vector<Image> images;
  std::vector<int64_t> labels;
};

/// Throws InputError naming `source` if the two sets' images differ in size or type.
DataSplits make_splits(const std::string& name, const std::string& source,
                       const std::vector<std::string>& class_names, LabeledImages train,
                       LabeledImages val) {
  const auto type_of = [](const Image& image) {
    return fmt::format("{} x {} x {} {}", image.height, image.width, image.channels,
                       image.is_float() ? "floats" : "bytes");
  };
  const std::string train_type = type_of(train.images.at(0));
  const std::string val_type = type_of(val.images.at(0));
  refuse_if(train_type != val_type,
            "{}: training images ({}) and validation images ({}) differ in image size or type; the "
            "files do not belong together",
            source, train_type, val_type);
  const auto dataset = [&](LabeledImages& set) {
    const auto images = std::make_shared<const std::vector<Image>>(std::move(set.images));
    const auto decode = [images](int64_t index, const PhotoForm&) {
      return (*images)[static_cast<size_t>(index)];
    };
    return std::make_shared<ImageDataset>(ImageDataset{class_names, std::move(set.labels), decode});
  };
  return {.name = name, .train = dataset(train), .val = dataset(val)};
}

void check_counts(const std::string& image_path, int64_t images, const std::string& label_path,
                  int64_t labels) {
  refuse_if(images != labels, "{} holds {} images, {} {} labels; the files do not belong together",
            image_path, images, label_path, labels);
  refuse_if(images == 0, "{}: no images; copy or save it again", image_path);
}

/// Throws InputError naming file and position unless the label of image `index` is in [0, classes).
void check_label(int64_t label, int64_t index, int64_t classes, const std::string& path) {
  refuse_if(label < 0 || label >= classes,
            "{}: label {} of image {} is not in 0..{}; the file is damaged or of another data set",
            path, label, index, classes - 1);
}

/// "0", "1", ...: for sources without names.
std::vector<std::string> numbered_classes(int64_t classes) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  return names;
}

std::string shape_text(const NpyArray& array) {
  return fmt::format("({})", fmt::join(array.shape, ", "));
}

std::vector<Image> images_of(const NpyArray& array, const std::string& path) {
  const bool floats = array.dtype == "f4";
  std::vector<int64_t> shape = array.shape;
  if (shape.size() == 3 && !floats) shape.push_back(1);
  refuse_if((!floats && array.dtype != "u1") || shape.size() != 4,
            "{}: images of type {} and shape {}; save uint8 (N, H, W, C) or float32 (N, C, H, W)",
            path, array.dtype, shape_text(array));
  Image image{shape[floats ? 2 : 1], shape[floats ? 3 : 2], shape[floats ? 1 : 3], {}, {}};
  refuse_if(image.height < 1 || image.width < 1 || (image.channels != 1 && image.channels != 3),
            "{}: shape {} has {} channels; 1 or 3 are read, last for uint8 and second for float32",
            path, shape_text(array), image.channels);
  const auto fill = [&](const auto* data, auto& out) { out.assign(data, data + image.elements()); };
  std::vector<Image> images;
  for (int64_t i = 0; i < shape[0]; ++i) {
    const char* data = array.bytes.data() + i * image.elements() * (floats ? 4 : 1);
    floats ? fill(reinterpret_cast<const float*>(data), image.values)
           : fill(reinterpret_cast<const uint8_t*>(data), image.bytes);
    images.push_back(image);
  }
  return images;
}

/// Reads `folder`/`name`, plain or with .gz, of `rank` dimensions. `path` becomes the file's.
NpyArray read_idx(const std::string& folder, const std::string& name, size_t rank,
                  std::string& path) {
  path = (std::filesystem::path(folder) / name).string();
  if (!std::filesystem::exists(path)) path += ".gz";
  refuse_if(!std::filesystem::exists(path),
            "{}: neither {} nor {}.gz is there; check the folder (Fashion-MNIST: install the "
            "package dataset-fashion-mnist)",
            folder, name, name);
  NpyArray array{.dtype = "u1", .shape = {}, .bytes = {}};
  read_parts(path, [&](std::string_view part) { array.bytes += part; });
  const size_t header_size = 4 + 4 * rank, file_size = array.bytes.size();
  refuse_if(file_size < header_size, "{}: {} bytes, shorter than its header; copy it again", path,
            file_size);
  const auto number = [&](size_t i) {
    const uint8_t* p = reinterpret_cast<const uint8_t*>(array.bytes.data()) + 4 * i;
    return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
  };
  refuse_if(number(0) != 0x800 + rank,
            "{}: starts with {:#010x}, not {:#010x} (idx {}); it is another kind of file", path,
            number(0), 0x800 + rank, rank == 3 ? "images" : "labels");
  int64_t size = 1;
  for (size_t i = 1; i <= rank; ++i) {
    array.shape.push_back(number(i));
    size = checked_mul(size, number(i), path);
  }
  refuse_if(file_size - header_size != static_cast<uint64_t>(size),
            "{}: {} bytes, its header announces {}; copy it again", path, file_size,
            static_cast<uint64_t>(size) + header_size);
  array.bytes.erase(0, header_size);
  return array;
}

/// `part` is "train" or "t10k".
LabeledImages read_idx_part(const std::string& folder, const std::string& part) {
  std::string image_path, label_path;
  const NpyArray images = read_idx(folder, part + "-images-idx3-ubyte", 3, image_path);
  const NpyArray labels = read_idx(folder, part + "-labels-idx1-ubyte", 1, label_path);
  check_counts(image_path, images.shape[0], label_path, labels.shape[0]);
  refuse_if(images.bytes.empty(), "{}: no pixels; copy it again", image_path);
  LabeledImages set{images_of(images, image_path), labels.to_integers(label_path)};
  for (size_t i = 0; i < set.labels.size(); ++i) {
    check_label(set.labels[i], static_cast<int64_t>(i), 10, label_path);
  }
  return set;
}

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

/// Reads "train" or "val" without bad images: those with labels from `classes` on, and of floats
/// that are not finite, because one NaN would reach each weight.
LabeledImages read_array_part(const std::filesystem::path& folder, const std::string& part,
                              int64_t classes, BadRows& bad) {
  const std::string image_path = (folder / (part + "_images.npy")).string();
  const std::string label_path = (folder / (part + "_labels.npy")).string();
  LabeledImages set{read_images(image_path), {}};
  const NpyArray labels = read_npy(label_path);
  refuse_if(labels.shape.size() != 1, "{}: shape {}; save one integer per image", label_path,
            shape_text(labels));
  // Compared before the labels are converted to eight bytes each.
  check_counts(image_path, std::ssize(set.images), label_path, labels.shape[0]);
  set.labels = labels.to_integers(label_path);
  LabeledImages good;
  for (size_t i = 0; i < set.images.size(); ++i) {
    bad.attempt([&] {
      check_label(set.labels[i], static_cast<int64_t>(i), classes, label_path);
      for (const float value : set.images[i].values) {
        refuse_if(!std::isfinite(value), "{}: image {} holds {}; remove it from the array",
                  image_path, i, value);
      }
      good.images.push_back(std::move(set.images[i]));
      good.labels.push_back(set.labels[i]);
    });
  }
  refuse_if(good.images.empty(), "{}: no usable images; save it again", image_path);
  return good;
}

}  // namespace

/// Without a folder, Fashion-MNIST from $GMLP_DATA or Debian's package.
DataSplits open_idx(const std::string& folder) {
  std::string root = folder;
  if (folder.empty()) {
    const char* variable = std::getenv("GMLP_DATA");
    const bool is_set = variable != nullptr && *variable != 0;
    root = is_set ? variable : "/usr/share/datasets/fashion-mnist";
  }
  std::vector<std::string> names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  if (!folder.empty()) names = numbered_classes(10);
  LabeledImages train = read_idx_part(root, "train");
  return make_splits(folder.empty() ? "fashion-mnist" : "mnist", root, names, std::move(train),
                     read_idx_part(root, "t10k"));
}

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

std::vector<Image> read_images(const std::string& path) {
  return images_of(read_npy(path), path);
}

DataSplits open_arrays(const std::string& folder, const DataOptions& options) {
  // A label also sets the number of the model's outputs: a stray 2^31 must not make one.
  constexpr int64_t kMaxClasses = 1 << 20;
  BadRows bad{.allowed = options.skip_bad, .what = "images"};
  LabeledImages train = read_array_part(folder, "train", kMaxClasses, bad);
  const int64_t classes = *std::ranges::max_element(train.labels) + 1;
  LabeledImages val = read_array_part(folder, "val", classes, bad);
  DataSplits splits = make_splits(folder_name(folder), folder, numbered_classes(classes),
                                  std::move(train), std::move(val));
  if (bad.count > 0) splits.notes.push_back(bad.note());
  return splits;
}

}  // namespace gmlp
