// Four NumPy arrays: train_images.npy, train_labels.npy, val_images.npy, val_labels.npy. Images are
// uint8 (N, H, W, C) or (N, H, W), or float32 (N, C, H, W), which reach the model unchanged. Labels
// are integers (N). The largest training label gives the number of classes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "core/io/npy.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

// A label also sets the number of the model's outputs: a stray 2^31 must not make one.
constexpr int64_t kMaxClasses = 1 << 20;

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

/// Sets height, width and channels.
void set_layout(const NpyArray& array, const std::string& path, MemoryImages& images) {
  const std::vector<int64_t>& shape = array.shape;
  const bool floats = array.dtype == "f4";
  const bool planes = shape.size() == 3 && !floats;
  if ((!floats && array.dtype != "u1") || (shape.size() != 4 && !planes)) {
    fail_input(
        "{}: images of type {} and shape {}; save them as uint8 (N, H, W, C) or float32 "
        "(N, C, H, W)",
        path, array.dtype, shape_text(shape));
  }
  images.height = shape[floats ? 2 : 1];
  images.width = shape[floats ? 3 : 2];
  images.channels = planes ? 1 : shape[floats ? 1 : 3];
  if (images.height < 1 || images.width < 1 || (images.channels != 1 && images.channels != 3)) {
    fail_input(
        "{}: shape {} has {} channels; 1 or 3 are read, last for uint8 and second for float32",
        path, shape_text(shape), images.channels);
  }
}

/// Floats must be finite, because one NaN would reach each weight.
void read_images(const std::string& path, MemoryImages& images) {
  const NpyArray array = read_npy(path);
  set_layout(array, path, images);
  if (array.dtype == "u1") {
    images.bytes.assign(array.bytes.begin(), array.bytes.end());
    return;
  }
  images.values.resize(array.bytes.size() / sizeof(float));
  if (!images.values.empty()) {
    std::memcpy(images.values.data(), array.bytes.data(), images.values.size() * sizeof(float));
  }
  for (size_t i = 0; i < images.values.size(); ++i) {
    if (!std::isfinite(images.values[i])) {
      fail_input("{}: image {} holds {}; remove it from the array", path,
                 static_cast<int64_t>(i) / images.image_size(), images.values[i]);
    }
  }
}

/// Reads "train" or "val". `classes` is 0 for those of the labels.
MemoryImages read_part(const std::filesystem::path& folder, const std::string& part,
                       int64_t classes) {
  const std::string image_path = (folder / (part + "_images.npy")).string();
  const std::string label_path = (folder / (part + "_labels.npy")).string();
  MemoryImages images;
  read_images(image_path, images);
  const NpyArray labels = read_npy(label_path);
  if (labels.shape.size() != 1) {
    fail_input("{}: shape {}; save one integer per image", label_path, shape_text(labels.shape));
  }
  const size_t stored = images.bytes.size() + images.values.size();  // one of them is empty
  const int64_t count = static_cast<int64_t>(stored) / images.image_size();
  // Compared before the labels are converted to eight bytes each.
  if (count != labels.shape[0]) {
    fail_input("{} holds {} images, {} {} labels; the arrays do not belong together", image_path,
               count, label_path, labels.shape[0]);
  }
  if (count == 0) fail_input("{}: no images; save at least one", image_path);
  images.labels = labels.to_integers(label_path);
  check_labels(images.labels, classes == 0 ? kMaxClasses : classes, label_path);
  if (classes == 0) classes = *std::max_element(images.labels.begin(), images.labels.end()) + 1;
  for (int64_t i = 0; i < classes; ++i) images.names.push_back(std::to_string(i));
  return images;
}

}  // namespace

DataSplits open_arrays(const std::string& folder) {
  MemoryImages train = read_part(folder, "train", 0);
  const int64_t classes = static_cast<int64_t>(train.names.size());
  return make_splits(folder_name(folder), folder, std::move(train),
                     read_part(folder, "val", classes));
}

}  // namespace gmlp
