// folder:DIR, images sorted into one folder per class, which may hold folders of its own:
//   DIR/train/CLASS/*.jpg, DIR/val/CLASS/*.jpg   two parts, classes matched by name; or
//   DIR/CLASS/*.jpg                              one set: each image's name and the seed decide
// Each file is decoded once when the set is opened, so that a damaged one is reported before the
// first step and not in the third hour. Afterwards images are decoded on demand and cached.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/vision/image_decode.h"
#include "data/vision/image_files.h"
#include "data/vision/sources.h"
#include "data/vision/transform.h"

namespace gmlp {
namespace {

namespace fs = std::filesystem;

struct Record {
  std::string path;
  int64_t label = 0;
  uint64_t name_hash = 0;
  // Of the decoded image:
  int64_t shorter_side = 0;
  int64_t channels = 0;
  bool turned = false;
};

struct FolderSplits {
  std::vector<std::string> names;
  std::vector<Record> train, val;
};

/// The parts of a folder, as paths below it: "" is the folder itself.
struct Layout {
  fs::path train;
  std::optional<fs::path> val;
};

/// The images of each class, by the class's name.
using Classes = std::map<std::string, std::vector<fs::path>>;

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

const std::vector<std::string> kTrainNames = {"train", "training"};
const std::vector<std::string> kValNames = {"val", "valid", "validation", "test"};

bool is_part_name(const std::string& name) {
  return std::count(kTrainNames.begin(), kTrainNames.end(), lower_case(name)) > 0 ||
         std::count(kValNames.begin(), kValNames.end(), lower_case(name)) > 0;
}

/// `path` as seen from `root`; both are below the data folder.
fs::path seen_from(const fs::path& root, const fs::path& path) {
  return root.empty() ? path : path.lexically_relative(root);
}

/// The classes of the set in `root`, a path below the folder. One name may be spelled in two ways.
Classes classes_of(const FolderFiles& files, const fs::path& root, bool by_order) {
  Classes classes;
  for (const fs::path& path : files.images) {
    const fs::path name = seen_from(root, path);
    const std::string first = name.begin()->string();
    if (first == ".." || name == first) continue;  // outside, or beside the class folders
    classes[by_order ? first : nfc_name(first)].push_back(path);
  }
  return classes;
}

bool have_common_class(const FolderFiles& files, const fs::path& a, const fs::path& b) {
  const Classes in_a = classes_of(files, a, false), in_b = classes_of(files, b, false);
  return std::any_of(in_a.begin(), in_a.end(),
                     [&](const auto& entry) { return in_b.contains(entry.first); });
}

/// A part is a folder called train, val, ... that has class folders, which hold images. Such
/// folders are parts if the data folder has images in no other folder, or if train/ and val/ have a
/// class in common. Otherwise they are classes like the others.
Layout layout_of(const FolderFiles& files) {
  struct Part {
    std::string folder;
    bool has_classes = false;
  };
  std::map<std::string, Part> parts;  // by name in lower case
  bool has_others = false;
  for (const fs::path& path : files.images) {
    const std::string top = path.begin()->string();
    if (path == top) continue;
    if (!is_part_name(top)) {
      has_others = true;
      continue;
    }
    Part& part = parts[lower_case(top)];
    part.folder = top;
    part.has_classes |= path.parent_path() != top;
  }
  const auto first_of = [&](const std::vector<std::string>& names) {
    Part first;
    for (const std::string& name : names) {
      if (!first.has_classes && parts.contains(name)) first = parts[name];
    }
    return first;
  };
  const Part train = first_of(kTrainNames), val = first_of(kValNames);
  const bool two = train.has_classes && val.has_classes;
  if (two && (!has_others || have_common_class(files, train.folder, val.folder))) {
    return {train.folder, val.folder};
  }
  if (has_others) return {"", std::nullopt};
  if (train.has_classes) return {train.folder, std::nullopt};
  return {train.folder.empty() && val.has_classes ? val.folder : "", std::nullopt};
}

/// The images of a class for the validation set, as runs of earlier versions drew them: a fraction
/// of the sorted names, at least one.
std::set<int64_t> draw_by_order(int64_t count, int64_t label, const DataOptions& options) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  shuffle_indices(order.data(), count, options.seed, Purpose::kSplit, static_cast<uint64_t>(label));
  const int64_t val = std::llround(static_cast<double>(count) * options.val_fraction);
  return {order.begin(),
          order.begin() + std::clamp<int64_t>(val, 1, std::max<int64_t>(count - 1, 1))};
}

/// FNV-1a (64 bits) of a path below the set's folder, the same on every file system.
uint64_t name_hash_of(const fs::path& path, const fs::path& root) {
  uint64_t hash = 0xCBF29CE484222325;
  const fs::path name = seen_from(root, path);
  for (const char c : nfc_name(name.generic_string())) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  }
  return hash;
}

/// Whether an image validates. No other image has a say, so that adding one moves none.
bool is_drawn(uint64_t name_hash, const DataOptions& options) {
  Random random(options.seed, Purpose::kSplit, name_hash >> 32, name_hash);
  return random.uniform() < options.val_fraction;
}

/// The files of both sets. The sorted class names of the training set give the labels.
FolderSplits list_splits(const FolderFiles& files, const fs::path& root, const Layout& layout,
                         const DataOptions& options) {
  FolderSplits splits;
  std::map<std::string, int64_t> label_of;
  for (const auto& [name, paths] : classes_of(files, layout.train, options.split_by_order)) {
    const int64_t label = label_of[name] = static_cast<int64_t>(splits.names.size());
    splits.names.push_back(name);
    std::set<int64_t> in_val;
    if (options.split_by_order && !layout.val) {
      in_val = draw_by_order(static_cast<int64_t>(paths.size()), label, options);
    }
    int64_t index = 0;
    for (const fs::path& path : paths) {
      const uint64_t hash = name_hash_of(path, layout.train);
      const bool val = options.split_by_order ? in_val.contains(index++)
                                              : !layout.val && is_drawn(hash, options);
      (val ? splits.val : splits.train).push_back({(root / path).string(), label, hash});
    }
  }
  if (!layout.val) return splits;
  for (const auto& [name, paths] : classes_of(files, *layout.val, options.split_by_order)) {
    if (!label_of.contains(name)) {  // a class may be missing from val, not from train
      fail_input("{}: no such class in {}/; rename the folder or add images to {}/{}",
                 (root / paths[0].parent_path()).string(), layout.train.string(),
                 layout.train.string(), name);
    }
    for (const fs::path& path : paths) {
      splits.val.push_back(
          {(root / path).string(), label_of[name], name_hash_of(path, *layout.val)});
    }
  }
  return splits;
}

/// Refuses a folder without classes, and one class alone unless it is only scored.
void check_classes(const FolderFiles& files, const fs::path& root, const Layout& layout,
                   bool scoring) {
  const Classes classes = classes_of(files, layout.train, false);
  if (classes.empty()) {
    fail_input("{}: no class folders; make one per class, with its images", root.string());
  }
  const bool only_parts = std::all_of(classes.begin(), classes.end(),
                                      [](const auto& entry) { return is_part_name(entry.first); });
  if (only_parts && layout.train.empty()) {
    fail_input("{}: {}/ has images that are in no class folder; make one per class in it",
               root.string(), classes.begin()->first);
  }
  if (classes.size() == 1 && !scoring) {
    const fs::path only = root / layout.train / classes.begin()->first;
    fail_input("{}: only one class folder, {}; did you mean folder:{}?", root.string(),
               classes.begin()->first, only.string());
  }
}

/// Decodes each file in parallel and removes the damaged ones, of which `skips_left` are allowed.
/// Messages and notes have the files' order, whatever the threads did.
void remove_damaged(std::vector<Record>& records, int64_t& skips_left,
                    std::vector<std::string>& skipped) {
  std::vector<std::string> reasons(records.size());
  parallel_for(static_cast<int64_t>(records.size()), [&](int64_t i) {
    Record& record = records[static_cast<size_t>(i)];
    try {
      const Image image = decode_image(record.path);
      record.shorter_side = std::min(image.height, image.width);
      record.channels = image.channels;
      record.turned = image.turned;
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
      skipped.push_back("skipped " + reasons[i]);
    }
  }
  records = std::move(good);
}

/// A file's name and contents, to know it again.
std::string fingerprint(const Record& record) {
  const std::vector<char> bytes = read_file(record.path);
  return fmt::format("{:016x}{:08x}", record.name_hash,
                     crc32_of(bytes.data(), static_cast<int64_t>(bytes.size())));
}

/// Of the few training images of the lowest hashes: they stay when images are added.
std::vector<std::string> fingerprints_of(std::vector<Record> records) {
  constexpr size_t kCount = 8;
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.name_hash < b.name_hash; });
  records.resize(std::min(records.size(), kCount));
  std::vector<std::string> fingerprints;
  for (const Record& record : records) fingerprints.push_back(fingerprint(record));
  return fingerprints;
}

/// Whether one of the training images that `trained_on` describes is among the records.
bool has_trained_on(const std::vector<Record>& records,
                    const std::vector<std::string>& trained_on) {
  const auto known = [&](const Record& record) {
    const std::string hash = fmt::format("{:016x}", record.name_hash);
    return std::any_of(trained_on.begin(), trained_on.end(), [&](const std::string& text) {
      return text.starts_with(hash) && text == fingerprint(record);
    });
  };
  return std::any_of(records.begin(), records.end(), known);
}

/// What was found in the folder and is not used, one line each, with a count.
void note_unused(const FolderFiles& files, const fs::path& root, const Layout& layout,
                 std::vector<std::string>& notes) {
  std::vector<fs::path> others = files.others;
  std::set<std::string> unused;  // folders
  std::vector<std::string> empty;
  const auto is_below = [](const fs::path& path, const fs::path& part) {
    return part.empty() || *path.begin() == part;
  };
  for (const fs::path& path : files.images) {
    const bool in_train = is_below(path, layout.train);
    if (!in_train && !(layout.val && is_below(path, *layout.val))) {
      unused.insert(path.begin()->string());
    } else if (path.parent_path() == (in_train ? layout.train : *layout.val)) {
      others.push_back(path);
    }
  }
  const Classes classes = classes_of(files, layout.train, false);
  for (const fs::path& path : files.folders) {
    const bool is_class = path.parent_path() == layout.train;
    const std::string name = path.filename().string();
    if (is_class && !classes.contains(nfc_name(name)) && !is_part_name(name)) empty.push_back(name);
  }
  if (!others.empty()) {
    notes.push_back(fmt::format("passed over {} files that are no images of a class, such as {}",
                                others.size(), printable((root / others[0]).string(), 200)));
  }
  if (!empty.empty()) {
    notes.push_back(fmt::format("left out {} class folders without images, such as {}",
                                empty.size(), printable(empty[0])));
  }
  if (!unused.empty()) {
    notes.push_back(fmt::format("not used: {}; --data folder:DIR names another folder",
                                printable(fmt::format("{}", fmt::join(unused, ", ")), 200)));
  }
}

std::shared_ptr<const ImageDataset> dataset_of(const std::vector<std::string>& names,
                                               const std::vector<Record>& records,
                                               const std::shared_ptr<PhotoCache>& cache) {
  std::vector<int64_t> labels;
  labels.reserve(records.size());
  for (const Record& record : records) labels.push_back(record.label);
  return std::make_shared<ImageDataset>(names, std::move(labels), [cache, records](int64_t index) {
    return cache->image(records[static_cast<size_t>(index)].path);
  });
}

/// The median of the shorter sides, and 3 channels if any image has color.
void describe_images(const std::vector<Record>& train, const std::vector<Record>& val,
                     DataSplits& splits) {
  std::vector<int64_t> sides;
  int64_t turned = 0;
  for (const std::vector<Record>* records : {&train, &val}) {
    for (const Record& record : *records) {
      sides.push_back(record.shorter_side);
      splits.channels = std::max(splits.channels, record.channels);
      turned += record.turned ? 1 : 0;
    }
  }
  if (turned > 0) {
    splits.notes.push_back(fmt::format("turned {} images as their EXIF orientation says", turned));
  }
  if (sides.empty()) return;
  const auto middle = sides.begin() + static_cast<int64_t>(sides.size()) / 2;
  std::nth_element(sides.begin(), middle, sides.end());
  splits.shorter_side = *middle;
}

}  // namespace

DataSplits open_folder(const std::string& folder, const DataOptions& given) {
  const fs::path root = folder;
  DataOptions options = given;
  const FolderFiles found = list_files(folder);
  const Layout layout = layout_of(found);
  check_classes(found, root, layout, options.scoring);
  // The split comes first, so that a skipped file does not move others between the sets.
  FolderSplits files = list_splits(found, root, layout, options);
  DataSplits splits;
  splits.name = folder_name(folder);
  if (options.scoring && !layout.val && !options.split_by_order &&
      !has_trained_on(files.train, options.trained_on)) {
    options.val_fraction = 1;
    files = list_splits(found, root, layout, options);
    splits.notes.push_back(fmt::format(
        "{} is not the folder that the model was trained on: all of it is scored", folder));
  }
  int64_t skips_left = options.skip_bad;
  std::vector<std::string> skipped;
  remove_damaged(files.train, skips_left, skipped);
  remove_damaged(files.val, skips_left, skipped);
  if (!skipped.empty()) {
    const size_t named = std::min<size_t>(skipped.size(), 3);
    splits.notes.insert(splits.notes.end(), skipped.begin(),
                        skipped.begin() + static_cast<int64_t>(named));
    splits.notes.push_back(fmt::format("left out {} unreadable images (--skip-bad {})",
                                       skipped.size(), options.skip_bad));
  }
  note_unused(found, root, layout, splits.notes);
  if (!layout.val && !files.train.empty()) {
    splits.notes.push_back(fmt::format(
        "{} has no val/: {} images for training, {} for validation (--val-fraction {:g}, by name "
        "and seed {})",
        (root / layout.train).string(), files.train.size(), files.val.size(), options.val_fraction,
        options.seed));
    splits.trained_on = fingerprints_of(files.train);
  }
  describe_images(files.train, files.val, splits);
  const auto cache = std::make_shared<PhotoCache>(options.photo_side);
  splits.train = dataset_of(files.names, files.train, cache);
  splits.val = dataset_of(files.names, files.val, cache);
  return splits;
}

}  // namespace gmlp
