// Four NumPy arrays: train_images.npy, train_labels.npy, val_images.npy, val_labels.npy. Images are
// uint8 (N, H, W, C) or (N, H, W), or float32 (N, C, H, W), which reach the model as they are.
// Labels are integers (N); classes are numbered, up to the largest training label.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "core/io/npy.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

// A label is also the number of outputs that a model needs: a stray 2^31 must not make one.
constexpr int64_t kMaxClasses = 1 << 20;

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

/// Takes height, width and channels from the shape; the type decides where the channels stand.
void set_layout(const NpyArray& array, const std::string& path, MemoryImages& images) {
  const std::vector<int64_t>& shape = array.shape;
  const bool floats = array.dtype == "f4";
  if (!floats && array.dtype != "u1") {
    fail_input("{}: images of type {}; save them as uint8 (N, H, W, C) or float32 (N, C, H, W)",
               path, array.dtype);
  }
  if (shape.size() == 4) {
    images.channels = floats ? shape[1] : shape[3];
    images.height = floats ? shape[2] : shape[1];
    images.width = floats ? shape[3] : shape[2];
  } else if (shape.size() == 3 && !floats) {
    images.channels = 1;
    images.height = shape[1];
    images.width = shape[2];
  } else {
    fail_input("{}: shape {}; save images as uint8 (N, H, W, C) or float32 (N, C, H, W)", path,
               shape_text(shape));
  }
  if (images.height < 1 || images.width < 1 || (images.channels != 1 && images.channels != 3)) {
    fail_input(
        "{}: shape {} has {} channels; 1 or 3 are read, last for uint8 and second for float32",
        path, shape_text(shape), images.channels);
  }
}

/// Floats must be finite: one NaN would reach every weight.
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
  const int64_t image_size = images.height * images.width * images.channels;
  for (size_t i = 0; i < images.values.size(); ++i) {
    if (!std::isfinite(images.values[i])) {
      fail_input("{}: image {} holds {}; remove it from the array", path,
                 static_cast<int64_t>(i) / image_size, images.values[i]);
    }
  }
}

/// "train" or "val": its images and as many labels.
std::shared_ptr<MemoryImages> read_part(const std::filesystem::path& folder,
                                        const std::string& part) {
  const std::string image_path = (folder / (part + "_images.npy")).string();
  const std::string label_path = (folder / (part + "_labels.npy")).string();
  std::shared_ptr<MemoryImages> images = std::make_shared<MemoryImages>();
  read_images(image_path, *images);
  const NpyArray labels = read_npy(label_path);
  if (labels.shape.size() != 1) {
    fail_input("{}: shape {}; labels are one integer an image", label_path,
               shape_text(labels.shape));
  }
  const int64_t image_size = images->height * images->width * images->channels;
  const size_t stored = images->bytes.size() + images->values.size();  // one of them is empty
  const int64_t count = static_cast<int64_t>(stored) / image_size;
  // Before the labels are converted: eight bytes each, however many there are.
  if (count != labels.shape[0]) {
    fail_input("{} holds {} images, {} {} labels; the arrays do not belong together", image_path,
               count, label_path, labels.shape[0]);
  }
  if (count == 0) fail_input("{}: no images; save at least one", image_path);
  images->labels = labels.to_integers(label_path);
  return images;
}

}  // namespace

DataSplits open_arrays(const std::string& folder) {
  const std::shared_ptr<MemoryImages> train = read_part(folder, "train");
  const std::shared_ptr<MemoryImages> val = read_part(folder, "val");
  if (train->channels != val->channels || train->height != val->height ||
      train->width != val->width || train->values.empty() != val->values.empty()) {
    fail_input(
        "{}: train_images.npy and val_images.npy differ in image size or type; save them alike",
        folder);
  }
  const std::filesystem::path root = folder;
  check_labels(train->labels, kMaxClasses, (root / "train_labels.npy").string());
  const int64_t classes = *std::max_element(train->labels.begin(), train->labels.end()) + 1;
  check_labels(val->labels, classes, (root / "val_labels.npy").string());
  for (int64_t i = 0; i < classes; ++i) train->names.push_back(std::to_string(i));
  val->names = train->names;
  DataSplits splits;
  splits.name = folder_name(folder);
  splits.train = train;
  splits.val = val;
  return splits;
}

}  // namespace gmlp
