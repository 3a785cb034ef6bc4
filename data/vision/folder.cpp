// folder:DIR, images sorted into one folder per class:
//   DIR/train/CLASS/*.jpg, DIR/val/CLASS/*.jpg   two sets, classes matched by name; or
//   DIR/CLASS/*.jpg                              one set, split here: a fraction of each class, by
//                                                seed
// Each file is decoded once when the set is opened, so that a damaged one is reported before the
// first step and not in the third hour. Afterwards images are decoded on demand and cached.
#include <algorithm>
#include <atomic>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <set>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/vision/image_decode.h"
#include "data/vision/resize.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCacheBytes = int64_t{1} << 30;  // shared by both sets

struct Record {
  std::string path;
  int64_t label = 0;
};

struct FolderSplits {
  std::vector<std::string> names;
  std::vector<Record> train;
  std::vector<Record> val;
};

/// Decodes the files on demand and caches them while `cache_left` lasts.
std::shared_ptr<const ImageDataset> on_demand(std::vector<Record> records,
                                              const std::vector<std::string>& names,
                                              int64_t photo_side,
                                              std::shared_ptr<std::atomic<int64_t>> cache_left) {
  struct Cache {
    std::vector<Record> records;
    std::mutex mutex;
    std::vector<std::shared_ptr<const Image>> images;
  };
  std::vector<int64_t> labels;
  for (const Record& record : records) labels.push_back(record.label);
  const std::shared_ptr<Cache> cache = std::make_shared<Cache>();
  cache->images.resize(records.size());
  cache->records = std::move(records);
  const auto decode = [cache, photo_side, cache_left](int64_t index) {
    const size_t i = static_cast<size_t>(index);
    {
      const std::lock_guard<std::mutex> lock(cache->mutex);
      if (cache->images[i] != nullptr) return *cache->images[i];
    }
    // Shrunk whether it is cached or not, so that pixels do not depend on the order of the calls.
    Image image = shrink_photo(decode_image(cache->records[i].path), photo_side);
    if (cache_left->fetch_sub(image.elements()) >= image.elements()) {
      const std::lock_guard<std::mutex> lock(cache->mutex);
      cache->images[i] = std::make_shared<Image>(image);
    } else {
      *cache_left += image.elements();
    }
    return image;
  };
  return std::make_shared<ImageDataset>(names, std::move(labels), decode);
}

/// The entries of a folder by name, without hidden files (.DS_Store) and notes beside the images.
/// All must be folders, or else images.
std::set<fs::path> list(const fs::path& folder, bool want_folders) {
  const auto has_extension = [](const fs::path& path, const std::set<std::string>& extensions) {
    std::string extension = path.extension().string();
    for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return extensions.contains(extension);
  };
  std::set<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const bool note = !entry.is_directory() && has_extension(entry.path(), {".txt", ".csv", ".md"});
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (!hidden && !note) paths.insert(entry.path());
  }
  for (const fs::path& path : paths) {
    const bool is_folder = fs::is_directory(path);
    if (want_folders && !is_folder) {
      fail_input("{}: a file beside the class folders; move it away", path.string());
    }
    if (!want_folders && is_folder) {
      fail_input("{}: a folder within a class; a class holds images only. Did you mean folder:{}?",
                 path.string(), folder.string());
    }
    if (!want_folders && !has_extension(path, {".png", ".jpg", ".jpeg", ".bmp"})) {
      fail_input("{}: not a .png, .jpg, .jpeg or .bmp; convert it or move it away", path.string());
    }
  }
  if (paths.empty()) {
    fail_input("{}: {}", folder.string(),
               want_folders ? "no class folders; make one per class, with its images"
                            : "a class without images; add some or remove the folder");
  }
  return paths;
}

/// The classes of a set, sorted. Their order gives the labels.
std::vector<std::string> class_names_of(const fs::path& root) {
  std::vector<std::string> names;
  for (const fs::path& path : list(root, true)) names.push_back(path.filename().string());
  return names;
}

void append_class(const fs::path& folder, size_t label, std::vector<Record>& records) {
  for (const fs::path& path : list(folder, false)) {
    records.push_back({path.string(), static_cast<int64_t>(label)});
  }
}

/// DIR/train and DIR/val. A class may be missing from val, not from train.
FolderSplits list_two_sets(const fs::path& root) {
  FolderSplits splits;
  splits.names = class_names_of(root / "train");
  for (size_t i = 0; i < splits.names.size(); ++i) {
    append_class(root / "train" / splits.names[i], i, splits.train);
  }
  for (const std::string& name : class_names_of(root / "val")) {
    const auto found = std::find(splits.names.begin(), splits.names.end(), name);
    if (found == splits.names.end()) {
      fail_input("{}: no such class in train/; rename the folder or add images to train/{}",
                 (root / "val" / name).string(), name);
    }
    append_class(root / "val" / name, static_cast<size_t>(found - splits.names.begin()),
                 splits.val);
  }
  return splits;
}

/// DIR with one folder per class. Of each class, val_fraction of the images, at least one, go to
/// the validation set.
FolderSplits list_and_split(const fs::path& root, const DataOptions& options) {
  if (!(options.val_fraction > 0 && options.val_fraction < 1)) {
    fail_input("validation fraction {}: must be between 0 and 1", options.val_fraction);
  }
  FolderSplits splits;
  splits.names = class_names_of(root);
  if (splits.names.size() == 1) {
    fail_input("{}: only one class folder, {}; did you mean folder:{}?", root.string(),
               splits.names[0], (root / splits.names[0]).string());
  }
  for (size_t i = 0; i < splits.names.size(); ++i) {
    std::vector<Record> records;
    append_class(root / splits.names[i], i, records);
    const int64_t count = static_cast<int64_t>(records.size());
    if (count < 2) {
      fail_input("{}: one image cannot be split into training and validation; add another",
                 (root / splits.names[i]).string());
    }
    std::vector<int64_t> order(records.size());
    shuffle_indices(order.data(), count, options.seed, Purpose::kSplit, i);
    const int64_t wanted = std::llround(static_cast<double>(count) * options.val_fraction);
    order.resize(static_cast<size_t>(std::clamp<int64_t>(wanted, 1, count - 1)));
    const std::set<int64_t> in_val(order.begin(), order.end());
    for (int64_t k = 0; k < count; ++k) {
      std::vector<Record>& records_of_set = in_val.contains(k) ? splits.val : splits.train;
      records_of_set.push_back(records[static_cast<size_t>(k)]);
    }
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
  const fs::path train_root = two_sets ? root / "train" : root;
  if (two_sets && !fs::is_directory(root / "val")) {
    fail_input("{}: train/ but no val/; add it, or use folder:{} to split it", folder,
               train_root.string());
  }
  // The split comes first, so that a skipped file moves no other one.
  FolderSplits files = two_sets ? list_two_sets(root) : list_and_split(root, options);
  DataSplits splits;
  splits.name = folder_name(folder);
  int64_t skips_left = options.skip_bad;
  remove_damaged(files.train, skips_left, splits.notes);
  remove_damaged(files.val, skips_left, splits.notes);
  std::set<std::string> missing(files.names.begin(), files.names.end());
  for (const Record& record : files.train)
    missing.erase(files.names[static_cast<size_t>(record.label)]);
  if (!missing.empty()) {
    fail_input("{}: class {} has no usable images; add some or remove the folder",
               train_root.string(), *missing.begin());
  }
  if (!two_sets) {
    splits.notes.push_back(fmt::format(
        "{} has no val/: {} images for training, {} for validation ({:g} of each class, seed {})",
        folder, files.train.size(), files.val.size(), options.val_fraction, options.seed));
  }
  const auto cache_left = std::make_shared<std::atomic<int64_t>>(kCacheBytes);
  splits.train = on_demand(std::move(files.train), files.names, options.photo_side, cache_left);
  splits.val = on_demand(std::move(files.val), files.names, options.photo_side, cache_left);
  return splits;
}

}  // namespace gmlp
