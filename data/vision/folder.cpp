// folder:DIR, images sorted into one folder per class:
//   DIR/train/CLASS/*.jpg, DIR/val/CLASS/*.jpg   two sets, classes matched by name; or
//   DIR/CLASS/*.jpg                              one set: the seed draws a fraction of each class
// Each file is decoded once when the set is opened, so that a damaged one is reported before the
// first step and not in the third hour. Afterwards images are decoded on demand and cached.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/vision/image_decode.h"
#include "data/vision/sources.h"
#include "data/vision/transform.h"

namespace gmlp {
namespace {

namespace fs = std::filesystem;

struct Record {
  std::string path;
  int64_t label = 0;
};

struct FolderSplits {
  std::vector<std::string> names;
  std::vector<Record> train, val;
};

/// Decodes photos on demand and caches them while 1 GiB lasts. Both sets share it.
class PhotoCache {
 public:
  explicit PhotoCache(int64_t side) : side_(side) {}

  /// Shrunk whether it is cached or not, so that pixels do not depend on the order of the calls.
  Image image(const std::string& path) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto found = images_.find(path);
      if (found != images_.end()) return found->second;
    }
    Image image = shrink_photo(decode_image(path), side_);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (image.elements() <= bytes_left_ && images_.emplace(path, image).second) {
      bytes_left_ -= image.elements();
    }
    return image;
  }

 private:
  const int64_t side_;
  std::mutex mutex_;
  int64_t bytes_left_ = int64_t{1} << 30;
  std::map<std::string, Image> images_;
};

/// Compares in lower case.
bool has_extension(const fs::path& path, const std::set<std::string>& extensions) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extensions.contains(extension);
}

/// The entries of a folder, sorted, without hidden files (.DS_Store) and notes beside the images.
std::set<fs::path> list(const fs::path& folder) {
  std::set<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const bool hidden = entry.path().filename().string().starts_with('.');
    const bool note = !entry.is_directory() && has_extension(entry.path(), {".txt", ".csv", ".md"});
    if (!hidden && !note) paths.insert(entry.path());
  }
  return paths;
}

/// The images of each class of a set.
std::map<std::string, std::set<fs::path>> list_classes(const fs::path& root) {
  std::map<std::string, std::set<fs::path>> classes;
  for (const fs::path& folder : list(root)) {
    if (!fs::is_directory(folder)) {
      fail_input("{}: a file beside the class folders; move it away", folder.string());
    }
    const std::set<fs::path> images = list(folder);
    for (const fs::path& path : images) {
      if (fs::is_directory(path)) {
        fail_input("{}: a folder within a class; move it away, or did you mean folder:{}?",
                   path.string(), folder.string());
      }
      if (!has_extension(path, {".png", ".jpg", ".jpeg", ".bmp"})) {
        fail_input("{}: not a .png, .jpg, .jpeg or .bmp; convert it or move it away",
                   path.string());
      }
    }
    if (images.empty()) {
      fail_input("{}: a class without images; add some or remove the folder", folder.string());
    }
    classes[folder.filename().string()] = images;
  }
  if (classes.empty()) {
    fail_input("{}: no class folders; make one per class, with its images", root.string());
  }
  return classes;
}

/// The images of a class for the validation set: val_fraction of them, at least one.
std::set<int64_t> draw_val(int64_t count, int64_t label, const DataOptions& options,
                           const fs::path& folder) {
  if (!(options.val_fraction > 0 && options.val_fraction < 1)) {
    fail_input("validation fraction {}: must be between 0 and 1", options.val_fraction);
  }
  if (count < 2) {
    fail_input("{}: one image cannot be split into training and validation; add another",
               folder.string());
  }
  std::vector<int64_t> order(static_cast<size_t>(count));
  shuffle_indices(order.data(), count, options.seed, Purpose::kSplit, static_cast<uint64_t>(label));
  const int64_t val = std::llround(static_cast<double>(count) * options.val_fraction);
  return {order.begin(), order.begin() + std::clamp<int64_t>(val, 1, count - 1)};
}

/// The files of both sets. The sorted class names of the training set give the labels.
FolderSplits list_splits(const fs::path& root, bool two_sets, const DataOptions& options) {
  const fs::path train_root = two_sets ? root / "train" : root;
  FolderSplits splits;
  std::map<std::string, int64_t> label_of;
  for (const auto& [name, paths] : list_classes(train_root)) {
    const int64_t label = label_of[name] = static_cast<int64_t>(splits.names.size());
    splits.names.push_back(name);
    const int64_t count = static_cast<int64_t>(paths.size());
    std::set<int64_t> in_val;
    if (!two_sets) in_val = draw_val(count, label, options, train_root / name);
    int64_t index = 0;
    for (const fs::path& path : paths) {
      const bool val = in_val.contains(index++);
      (val ? splits.val : splits.train).push_back({path.string(), label});
    }
  }
  if (!two_sets) {
    if (splits.names.size() > 1) return splits;
    fail_input("{}: only one class folder, {}; did you mean folder:{}?", root.string(),
               splits.names[0], (root / splits.names[0]).string());
  }
  for (const auto& [name, paths] : list_classes(root / "val")) {
    if (!label_of.contains(name)) {  // a class may be missing from val, not from train
      fail_input("{}: no such class in train/; rename the folder or add images to train/{}",
                 (root / "val" / name).string(), name);
    }
    for (const fs::path& path : paths) splits.val.push_back({path.string(), label_of[name]});
  }
  return splits;
}

/// Decodes each file in parallel and removes the damaged ones, of which `skips_left` are allowed.
/// Messages and notes have the files' order, whatever the threads did.
void remove_damaged(std::vector<Record>& records, int64_t& skips_left,
                    std::vector<std::string>& notes) {
  std::vector<std::string> reasons(records.size());
  parallel_for(static_cast<int64_t>(records.size()), [&](int64_t i) {
    try {
      decode_image(records[static_cast<size_t>(i)].path);
    } catch (const InputError& error) {
      reasons[static_cast<size_t>(i)] = error.what();
    }
  });
  std::vector<Record> good;
  for (size_t i = 0; i < records.size(); ++i) {
    if (reasons[i].empty()) {
      good.push_back(records[i]);
    } else if (--skips_left < 0) {
      fail_input("{} (or skip up to N such images: --skip-bad N)", reasons[i]);
    } else {
      notes.push_back("skipped " + reasons[i]);
    }
  }
  records = std::move(good);
}

}  // namespace

DataSplits open_folder(const std::string& folder, const DataOptions& options) {
  const fs::path root = folder;
  const bool two_sets = fs::is_directory(root / "train");
  if (two_sets && !fs::is_directory(root / "val")) {
    fail_input("{}: train/ but no val/; add it, or use folder:{} to split it", folder,
               (root / "train").string());
  }
  // The split comes first, so that a skipped file does not move others between the sets.
  FolderSplits files = list_splits(root, two_sets, options);
  DataSplits splits;
  splits.name = folder_name(folder);
  int64_t skips_left = options.skip_bad;
  remove_damaged(files.train, skips_left, splits.notes);
  remove_damaged(files.val, skips_left, splits.notes);
  std::vector<int64_t> usable(files.names.size());
  for (const Record& record : files.train) ++usable[static_cast<size_t>(record.label)];
  const auto empty = std::find(usable.begin(), usable.end(), 0);
  if (empty != usable.end()) {
    fail_input("{}: class {} has no usable images; add some or remove the folder", folder,
               files.names[static_cast<size_t>(empty - usable.begin())]);
  }
  if (!two_sets) {
    splits.notes.push_back(fmt::format(
        "{} has no val/: {} images for training, {} for validation ({:g} of each class, seed {})",
        folder, files.train.size(), files.val.size(), options.val_fraction, options.seed));
  }
  for (const std::vector<Record>* records : {&files.train, &files.val}) {
    for (const Record& record : *records) {
      const fs::path name = fs::path(record.path).lexically_relative(root);
      const std::string file = fmt::format("{}\n{}\n", name.string(), fs::file_size(record.path));
      splits.file_checksum = crc32_of(file.data(), std::ssize(file), splits.file_checksum);
    }
  }
  const auto cache = std::make_shared<PhotoCache>(options.photo_side);
  const auto dataset = [&](const std::vector<Record>& records) {
    std::vector<int64_t> labels;
    labels.reserve(records.size());
    for (const Record& record : records) labels.push_back(record.label);
    return std::make_shared<ImageDataset>(
        files.names, std::move(labels), [cache, records](int64_t index) {
          return cache->image(records[static_cast<size_t>(index)].path);
        });
  };
  splits.train = dataset(files.train);
  splits.val = dataset(files.val);
  return splits;
}

}  // namespace gmlp
