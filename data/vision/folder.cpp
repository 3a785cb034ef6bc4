// folder:DIR, images sorted into a folder per class:
//   DIR/train/CLASS/*.jpg, DIR/val/CLASS/*.jpg   two parts, classes matched by name; or
//   DIR/CLASS/*.jpg                              one part, split here: a share of every class, by
//   seed
// Every file is checked in full when the set is opened (data/vision/image_check.h), so that what is
// wrong with it is known before the first step and not in the third hour. Pixels are decoded when
// asked for and kept.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <mutex>

#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/vision/image_check.h"
#include "data/vision/image_decode.h"
#include "data/vision/sources.h"
#include "data/vision/transform.h"

namespace gmlp {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCacheBytes = int64_t{1} << 30;  // shared by the parts of a set

struct Record {
  std::string path;
  int64_t label = 0;
};

/// The budget of decoded images, kCacheBytes; shared so that both parts have one budget.
class ImageCache {
 public:
  /// False when the budget is spent; then the image is decoded again each time.
  bool reserve(int64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (bytes > free_) return false;
    free_ -= bytes;
    return true;
  }

 private:
  std::mutex mutex_;
  int64_t free_ = kCacheBytes;
};

class FolderImages : public ImageDataset {
 public:
  FolderImages(std::vector<Record> records, std::vector<std::string> names, int64_t photo_side,
               std::shared_ptr<ImageCache> cache)
      : records_(std::move(records)),
        names_(std::move(names)),
        photo_side_(photo_side),
        cache_(std::move(cache)),
        decoded_(records_.size()) {}

  int64_t size() const override { return static_cast<int64_t>(records_.size()); }
  const std::vector<std::string>& class_names() const override { return names_; }
  int64_t label(int64_t index) const override { return records_[static_cast<size_t>(index)].label; }

  Image image(int64_t index) const override {
    const size_t i = static_cast<size_t>(index);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (decoded_[i] != nullptr) return *decoded_[i];
    }
    // Photos are shrunk whether they are cached or not: pixels must not depend on what was asked
    // before.
    Image image = shrink_photo(decode_image(records_[i].path), photo_side_);
    if (cache_->reserve(static_cast<int64_t>(image.bytes.size()))) {
      std::shared_ptr<const Image> copy = std::make_shared<Image>(image);
      const std::lock_guard<std::mutex> lock(mutex_);
      decoded_[i] = std::move(copy);
    }
    return image;
  }

 private:
  std::vector<Record> records_;
  std::vector<std::string> names_;
  int64_t photo_side_;
  std::shared_ptr<ImageCache> cache_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const Image>> decoded_;
};

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

/// .DS_Store and the like.
bool hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

bool is_image_name(const fs::path& path) {
  const std::string extension = lower_extension(path);
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".bmp";
}

/// What people leave beside their images.
bool is_note(const fs::path& path) {
  const std::string extension = lower_extension(path);
  return extension == ".txt" || extension == ".csv" || extension == ".md";
}

/// The entries of a folder by name, without hidden ones and notes.
std::vector<fs::path> list(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const bool note = !entry.is_directory() && is_note(entry.path());
    if (!hidden(entry.path()) && !note) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// The classes of a part, sorted: their order is their labels.
std::vector<std::string> class_folders(const fs::path& root) {
  std::vector<std::string> names;
  for (const fs::path& path : list(root)) {
    if (!fs::is_directory(path)) {
      fail_input("{}: a file beside the class folders; move it away", path.string());
    }
    names.push_back(path.filename().string());
  }
  if (names.empty()) {
    fail_input("{}: no class folders; make one for each class, with its images", root.string());
  }
  return names;
}

/// The image files of one class, by name.
std::vector<Record> list_class(const fs::path& folder, int64_t label) {
  std::vector<Record> records;
  for (const fs::path& path : list(folder)) {
    if (fs::is_directory(path)) {
      fail_input(
          "{}: a folder within a class; a class folder holds images only. Did you mean folder:{}?",
          path.string(), folder.string());
    }
    if (!is_image_name(path)) {
      fail_input("{}: not a .png, .jpg, .jpeg or .bmp; convert it or move it away", path.string());
    }
    records.push_back({path.string(), label});
  }
  if (records.empty()) {
    fail_input("{}: a class without images; add some or remove the folder", folder.string());
  }
  return records;
}

/// Opens every file; bad ones are left out and noted, up to skip_bad, counted over all parts.
class Checker {
 public:
  Checker(const DataOptions& options, std::vector<std::string>& notes)
      : allowed_(options.skip_bad), notes_(notes) {}

  /// In parallel; the reasons are gone through in the order of the files, so messages and notes are
  /// the same whatever the threads did.
  void check(std::vector<Record>& records) {
    const int64_t count = static_cast<int64_t>(records.size());
    std::vector<std::string> reasons(records.size());
    parallel_ranges(count, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const size_t at = static_cast<size_t>(i);
        reasons[at] = reason_of(records[at].path);
      }
    });
    std::vector<Record> good;
    for (size_t i = 0; i < records.size(); ++i) {
      if (reasons[i].empty()) {
        good.push_back(records[i]);
        continue;
      }
      if (++bad_ > allowed_) {
        fail_input("{} (or leave out up to N such images: --skip-bad N)", reasons[i]);
      }
      notes_.push_back("skipped " + reasons[i]);
    }
    records = std::move(good);
  }

 private:
  /// Empty when the image is fine.
  static std::string reason_of(const std::string& path) {
    try {
      const std::vector<char> bytes = read_file(path, kMaxImageFileBytes);
      check_image(reinterpret_cast<const uint8_t*>(bytes.data()),
                  static_cast<int64_t>(bytes.size()), path);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  int64_t allowed_;
  int64_t bad_ = 0;
  std::vector<std::string>& notes_;
};

struct Parts {
  std::vector<std::string> names;
  std::vector<Record> train;
  std::vector<Record> val;
};

/// After bad images are left out a class may be gone.
void require_all_classes(const std::vector<Record>& records, const std::vector<std::string>& names,
                         const std::string& part) {
  std::vector<int64_t> counts(names.size());
  for (const Record& record : records) ++counts[static_cast<size_t>(record.label)];
  for (size_t i = 0; i < names.size(); ++i) {
    if (counts[i] == 0) {
      fail_input("{}: class {} has no usable images; add some or remove the folder", part,
                 names[i]);
    }
  }
}

/// DIR/train and DIR/val. A class may be missing from val, not from train.
Parts open_two_parts(const fs::path& root, Checker& checker) {
  Parts parts;
  parts.names = class_folders(root / "train");
  for (size_t i = 0; i < parts.names.size(); ++i) {
    const std::vector<Record> records =
        list_class(root / "train" / parts.names[i], static_cast<int64_t>(i));
    parts.train.insert(parts.train.end(), records.begin(), records.end());
  }
  for (const std::string& name : class_folders(root / "val")) {
    // Names are sorted, so the label of a val folder is its position among train's.
    const std::vector<std::string>::iterator found =
        std::lower_bound(parts.names.begin(), parts.names.end(), name);
    if (found == parts.names.end() || *found != name) {
      fail_input("{}: no such class in train/; rename the folder or add images to train/{}",
                 (root / "val" / name).string(), name);
    }
    const std::vector<Record> records =
        list_class(root / "val" / name, found - parts.names.begin());
    parts.val.insert(parts.val.end(), records.begin(), records.end());
  }
  checker.check(parts.train);
  checker.check(parts.val);
  return parts;
}

/// DIR with a folder per class; each class gives val_fraction of its images, at least one, to val.
Parts open_and_split(const fs::path& root, const DataOptions& options, Checker& checker) {
  if (!(options.val_fraction > 0 && options.val_fraction < 1)) {
    fail_input("validation fraction {}: must lie between 0 and 1", options.val_fraction);
  }
  Parts parts;
  parts.names = class_folders(root);
  if (parts.names.size() == 1) {
    const std::string inner = (root / parts.names[0]).string();
    fail_input("{}: only one class folder, {}; did you mean folder:{}?", root.string(),
               parts.names[0], inner);
  }
  for (size_t i = 0; i < parts.names.size(); ++i) {
    std::vector<Record> records = list_class(root / parts.names[i], static_cast<int64_t>(i));
    // Split before the check: leaving a bad file out moves no other.
    const int64_t count = static_cast<int64_t>(records.size());
    if (count < 2) {
      fail_input("{}: one image cannot be split into training and validation; add another",
                 (root / parts.names[i]).string());
    }
    std::vector<int64_t> order(records.size());
    shuffle_indices(order.data(), count, options.seed, Purpose::kSplit, i);
    const int64_t share = std::llround(static_cast<double>(count) * options.val_fraction);
    const int64_t val_count = std::clamp<int64_t>(share, 1, count - 1);
    // Back in the order of the files within each part.
    std::sort(order.begin(), order.begin() + val_count);
    std::sort(order.begin() + val_count, order.end());
    for (int64_t k = 0; k < count; ++k) {
      Record& record = records[static_cast<size_t>(order[static_cast<size_t>(k)])];
      (k < val_count ? parts.val : parts.train).push_back(record);
    }
  }
  checker.check(parts.train);
  checker.check(parts.val);
  return parts;
}

}  // namespace

DataSplits open_folder(const std::string& folder, const DataOptions& options) {
  const fs::path root = folder;
  DataSplits splits;
  splits.name = folder_name(folder);
  Checker checker(options, splits.notes);
  const bool train = fs::is_directory(root / "train");
  const bool val = fs::is_directory(root / "val");
  if (train && !val) {
    fail_input("{}: train/ but no val/; add it, or give folder:{} to split it", folder,
               (root / "train").string());
  }
  Parts parts = train ? open_two_parts(root, checker) : open_and_split(root, options, checker);
  require_all_classes(parts.train, parts.names, train ? (root / "train").string() : folder);
  if (!train) {
    splits.notes.push_back(fmt::format(
        "{} has no val/: {} images for training, {} for validation ({:g} "
        "of each class, seed {})",
        folder, parts.train.size(), parts.val.size(), options.val_fraction, options.seed));
  }
  const std::shared_ptr<ImageCache> cache = std::make_shared<ImageCache>();
  splits.train = std::make_shared<FolderImages>(std::move(parts.train), parts.names,
                                                options.photo_side, cache);
  splits.val =
      std::make_shared<FolderImages>(std::move(parts.val), parts.names, options.photo_side, cache);
  return splits;
}

}  // namespace gmlp
