// open_dataset: the text before the colon chooses the reader. What all sources share follows it.
#include "data/vision/dataset.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/random.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

// The epoch of this draw; splits of a folder use the number of the class, which is smaller.
constexpr uint64_t kSubsetDraw = uint64_t{1} << 32;

/// --max-train-samples: a random subset, because folders are sorted by class.
void limit_train(DataSplits& splits, const DataOptions& options) {
  const int64_t size = splits.train->size();
  if (options.max_train_samples <= 0 || options.max_train_samples >= size) return;
  std::vector<int64_t> indices(static_cast<size_t>(size));
  shuffle_indices(indices.data(), size, options.seed, Purpose::kSplit, kSubsetDraw);
  indices.resize(static_cast<size_t>(options.max_train_samples));
  std::sort(indices.begin(), indices.end());
  std::vector<int64_t> labels;
  for (const int64_t index : indices) labels.push_back(splits.train->label(index));
  splits.train = std::make_shared<ImageDataset>(
      splits.train->class_names(), std::move(labels),
      [whole = splits.train, indices = std::move(indices)](int64_t index) {
        return whole->image(indices[static_cast<size_t>(index)]);
      });
  splits.notes.push_back(fmt::format("{} of {} training images (--max-train-samples)",
                                     options.max_train_samples, size));
}

std::shared_ptr<const ImageDataset> in_memory(MemoryImages images) {
  std::vector<std::string> names = std::move(images.names);
  std::vector<int64_t> labels = std::move(images.labels);
  const auto decode = [stored = std::make_shared<MemoryImages>(std::move(images))](int64_t index) {
    Image image{stored->height, stored->width, stored->channels, {}, {}};
    const int64_t begin = index * image.elements();
    const int64_t end = begin + image.elements();
    if (stored->values.empty()) {
      image.bytes.assign(stored->bytes.begin() + begin, stored->bytes.begin() + end);
    } else {
      image.values.assign(stored->values.begin() + begin, stored->values.begin() + end);
    }
    return image;
  };
  return std::make_shared<ImageDataset>(std::move(names), std::move(labels), decode);
}

DataSplits open_source(const std::string& spec, const DataOptions& options) {
  if (spec == "fashion-mnist") return open_idx(options.default_root, true);
  if (spec == "shapes") return open_shapes();
  const size_t colon = spec.find(':');
  const std::string kind = spec.substr(0, colon);
  const std::string folder = colon == std::string::npos ? "" : spec.substr(colon + 1);
  const bool cifar = kind == "cifar10" || kind == "cifar100";
  if (!cifar && kind != "mnist" && kind != "folder" && kind != "arrays") {
    fail_input(
        "--data {}: unknown; choose fashion-mnist, mnist:DIR, cifar10:DIR, cifar100:DIR, "
        "folder:DIR, arrays:DIR or shapes",
        spec);
  }
  if (folder.empty()) fail_input("--data {}: no folder given; write {}:DIR", spec, kind);
  if (!std::filesystem::is_directory(folder)) {
    fail_input("--data {}: {} is not a folder; check the path", spec, folder);
  }
  if (cifar) return open_cifar(folder, kind == "cifar100");
  if (kind == "folder") return open_folder(folder, options);
  return kind == "mnist" ? open_idx(folder, false) : open_arrays(folder);
}

}  // namespace

DataSplits make_splits(const std::string& name, const std::string& source, MemoryImages train,
                       MemoryImages val) {
  if (train.channels != val.channels || train.height != val.height || train.width != val.width ||
      train.values.empty() != val.values.empty()) {
    fail_input(
        "{}: training images ({} x {} x {}) and validation images ({} x {} x {}) differ in image "
        "size or type; the files do not belong together",
        source, train.height, train.width, train.channels, val.height, val.width, val.channels);
  }
  return {.name = name,
          .train = in_memory(std::move(train)),
          .val = in_memory(std::move(val)),
          .notes = {}};
}

void check_labels(const std::vector<int64_t>& labels, int64_t classes, const std::string& path) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes) {
      fail_input(
          "{}: label {} of image {} is not in 0..{}; the file is damaged or of another data set",
          path, labels[i], i, classes - 1);
    }
  }
}

std::string folder_name(const std::string& folder) {
  // "signs/" ends in an empty component, and "." has no name of its own.
  std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

DataSplits open_dataset(const std::string& spec, const DataOptions& options) {
  DataSplits splits;
  try {
    splits = open_source(spec, options);
  } catch (const std::filesystem::filesystem_error& error) {
    fail_input("--data {}: {}; check the folder and its permissions", spec, error.what());
  }
  if (splits.train->size() == 0) fail_input("--data {}: no training images", spec);
  if (splits.val->size() == 0) fail_input("--data {}: no validation images", spec);
  const Image first = splits.train->image(0);
  splits.height = first.height;
  splits.width = first.width;
  splits.channels = first.channels;
  limit_train(splits, options);
  return splits;
}

}  // namespace gmlp
