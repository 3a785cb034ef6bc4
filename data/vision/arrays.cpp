// Four NumPy arrays: train_images.npy, train_labels.npy, val_images.npy, val_labels.npy. Images are
// uint8 (N, H, W, C) or (N, H, W), or float32 (N, C, H, W), which reach the model unchanged. Labels
// are integers (N). The largest training label gives the number of classes.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/io/npy.h"
#include "data/text/utf8.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

std::string shape_text(const NpyArray& array) {
  return fmt::format("({})", fmt::join(array.shape, ", "));
}

/// Reads "train" or "val" without bad images: those with labels from `classes` on, and of floats
/// that are not finite, because one NaN would reach each weight.
LabeledImages read_part(const std::filesystem::path& folder, const std::string& part,
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

std::vector<Image> read_images(const std::string& path) {
  const NpyArray array = read_npy(path);
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

DataSplits open_arrays(const std::string& folder, const DataOptions& options) {
  // A label also sets the number of the model's outputs: a stray 2^31 must not make one.
  constexpr int64_t kMaxClasses = 1 << 20;
  BadRows bad{.allowed = options.skip_bad, .what = "images"};
  LabeledImages train = read_part(folder, "train", kMaxClasses, bad);
  const int64_t classes = *std::ranges::max_element(train.labels) + 1;
  LabeledImages val = read_part(folder, "val", classes, bad);
  DataSplits splits = make_splits(folder_name(folder), folder, numbered_classes(classes),
                                  std::move(train), std::move(val));
  if (bad.count > 0) splits.notes.push_back(bad.note());
  return splits;
}

}  // namespace gmlp
