// open_dataset: the kind of data is what stands before the colon; sources.h lists who reads it.
#include "data/vision/dataset.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/random.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

// Splits draw by class number; this is none.
constexpr uint64_t kSubsetDraw = uint64_t{1} << 32;

/// Some of another set's images: --max-train-samples.
class Subset : public ImageDataset {
 public:
  Subset(std::shared_ptr<const ImageDataset> whole, std::vector<int64_t> indices)
      : whole_(std::move(whole)), indices_(std::move(indices)) {}

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const std::vector<std::string>& class_names() const override { return whole_->class_names(); }
  int64_t label(int64_t index) const override { return whole_->label(at(index)); }
  Image image(int64_t index) const override { return whole_->image(at(index)); }

 private:
  int64_t at(int64_t index) const { return indices_[static_cast<size_t>(index)]; }

  std::shared_ptr<const ImageDataset> whole_;
  std::vector<int64_t> indices_;
};

/// A random part, because folders come sorted by class.
void limit_train(DataSplits& splits, const DataOptions& options) {
  const int64_t size = splits.train->size();
  if (options.max_train_samples <= 0 || options.max_train_samples >= size) return;
  std::vector<int64_t> indices(static_cast<size_t>(size));
  shuffle_indices(indices.data(), size, options.seed, Purpose::kSplit, kSubsetDraw);
  indices.resize(static_cast<size_t>(options.max_train_samples));
  std::sort(indices.begin(), indices.end());
  splits.train = std::make_shared<Subset>(splits.train, std::move(indices));
  splits.notes.push_back(fmt::format("{} of {} training images (--max-train-samples)",
                                     options.max_train_samples, size));
}

/// The two parts and their name; sizes and limits are common to all and come later.
DataSplits open_source(const std::string& spec, const DataOptions& options) {
  if (spec == "fashion-mnist") return open_idx(options.default_root, true);
  if (spec == "shapes") return open_shapes();
  const size_t colon = spec.find(':');
  const std::string kind = spec.substr(0, colon);
  const std::string folder = colon == std::string::npos ? "" : spec.substr(colon + 1);
  const bool known = kind == "mnist" || kind == "cifar10" || kind == "cifar100" ||
                     kind == "folder" || kind == "arrays";
  if (!known) {
    fail_input(
        "--data {}: unknown; choose fashion-mnist, mnist:DIR, cifar10:DIR, cifar100:DIR, "
        "folder:DIR, arrays:DIR or shapes",
        spec);
  }
  if (folder.empty()) fail_input("--data {}: no folder given; write {}:DIR", spec, kind);
  if (!std::filesystem::is_directory(folder)) {
    fail_input("--data {}: {} is not a folder; check the path", spec, folder);
  }
  if (kind == "mnist") return open_idx(folder, false);
  if (kind == "folder") return open_folder(folder, options);
  if (kind == "arrays") return open_arrays(folder);
  return open_cifar(folder, kind == "cifar100");
}

}  // namespace

Image MemoryImages::image(int64_t index) const {
  Image image;
  image.height = height;
  image.width = width;
  image.channels = channels;
  const int64_t size = height * width * channels;
  if (values.empty()) {
    image.bytes.assign(bytes.begin() + index * size, bytes.begin() + (index + 1) * size);
  } else {
    image.values.assign(values.begin() + index * size, values.begin() + (index + 1) * size);
  }
  return image;
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
  // "signs/" ends in an empty component, "." has no name of its own.
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
