// Four NumPy arrays: train_images.npy, train_labels.npy, val_images.npy, val_labels.npy. Images are
// uint8 (N, H, W, C) or (N, H, W), or float32 (N, C, H, W), which reach the model unchanged. Labels
// are integers (N). The largest training label gives the number of classes.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/io/npy.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

std::string shape_text(const NpyArray& array) {
  return fmt::format("({})", fmt::join(array.shape, ", "));
}

/// Reads "train" or "val". Refuses labels from `classes` on, and floats that are not finite,
/// because one NaN would reach each weight; `skips_left` such images are left out.
LabeledImages read_part(const std::filesystem::path& folder, const std::string& part,
                        int64_t classes, int64_t& skips_left) {
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
    const std::vector<float>& values = set.images[i].values;
    const auto bad = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
    const bool has_class = set.labels[i] >= 0 && set.labels[i] < classes;
    if (bad == values.end() && has_class) {
      good.images.push_back(std::move(set.images[i]));
      good.labels.push_back(set.labels[i]);
    } else if (--skips_left < 0) {
      if (!has_class) check_labels(set.labels, classes, label_path);
      fail_input(
          "{}: image {} holds {}; remove it from the array, or skip up to N such images: "
          "--skip-bad N",
          image_path, i, *bad);
    }
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
  int64_t skips_left = options.skip_bad;
  LabeledImages train = read_part(folder, "train", kMaxClasses, skips_left);
  const int64_t classes = *std::ranges::max_element(train.labels) + 1;
  LabeledImages val = read_part(folder, "val", classes, skips_left);
  DataSplits splits = make_splits(folder_name(folder), folder, numbered_classes(classes),
                                  std::move(train), std::move(val));
  if (skips_left < options.skip_bad) {
    splits.notes.push_back(fmt::format("unusable images left out: {} (--skip-bad {})",
                                       options.skip_bad - skips_left, options.skip_bad));
  }
  return splits;
}

}  // namespace gmlp
