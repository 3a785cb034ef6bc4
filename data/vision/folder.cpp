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

using Records = std::vector<Record>;

/// The images of each class, by the class's name.
using Classes = std::map<std::string, std::vector<std::string>>;

/// What to read of a folder. Paths are below it; "" is the folder itself.
struct FolderLayout {
  std::string train;
  std::optional<std::string> val;
  Classes train_classes, val_classes;
};

/// Decodes photos on demand and caches them while 1 GiB lasts. Both sets share it.
class PhotoCache {
 public:
  Image image(const std::string& path, const PhotoForm& form) {
    const std::pair<std::string, PhotoForm> key(path, form);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto found = images_.find(key);
      if (found != images_.end()) return found->second;
    }
    Image image = shrink_photo(decode_image(path), form);
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool fits = form.side > 0 && image.elements() <= bytes_left_;
    if (fits && images_.emplace(key, image).second) {
      bytes_left_ -= image.elements();
    }
    return image;
  }

 private:
  std::mutex mutex_;
  int64_t bytes_left_ = int64_t{1} << 30;
  std::map<std::pair<std::string, PhotoForm>, Image> images_;
};

const std::vector<std::string> kTrainNames = {"train", "training"};
const std::vector<std::string> kValNames = {"val", "valid", "validation", "test"};

bool is_part_name(const std::string& name) {
  const auto is_it = [&](const std::string& part) { return part == lower_case(name); };
  return std::any_of(kTrainNames.begin(), kTrainNames.end(), is_it) ||
         std::any_of(kValNames.begin(), kValNames.end(), is_it);
}

/// "cat/1.jpg" of train/cat/1.jpg in the part train; empty if the image is not below a class folder
/// of the part.
std::string name_in(const std::string& part, const std::string& path) {
  const size_t begin = part.empty() ? 0 : part.size() + 1;
  const bool inside = part.empty() || path.starts_with(part + "/");
  return inside && path.find('/', begin) != path.npos ? path.substr(begin) : "";
}

/// The classes below `part`. One name may be spelled in two ways.
Classes classes_of(const FolderFiles& files, const std::string& part) {
  Classes classes;
  for (const std::string& path : files.images) {
    const std::string name = name_in(part, path);
    if (!name.empty()) classes[nfc_name(name.substr(0, name.find('/')))].push_back(path);
  }
  return classes;
}

/// Folders called train, val, ... are the parts of a data set if they have class folders, and if
/// nothing else has images or both parts have a class in common. Otherwise they are classes.
FolderLayout layout_of(const FolderFiles& files, const fs::path& root) {
  FolderLayout whole{"", std::nullopt, classes_of(files, ""), {}};
  const auto part_of = [&](const std::vector<std::string>& names) {
    FolderLayout part;  // the first with class folders
    for (const std::string& name : names) {
      for (const auto& [folder, images] : whole.train_classes) {
        if (!part.train_classes.empty() || lower_case(folder) != name) continue;
        part.train = images[0].substr(0, images[0].find('/'));
        part.train_classes = classes_of(files, part.train);
      }
    }
    return part;
  };
  const auto is_part = [](const auto& entry) { return is_part_name(entry.first); };
  const Classes& all = whole.train_classes;
  const bool only_parts = std::all_of(all.begin(), all.end(), is_part);
  FolderLayout train = part_of(kTrainNames), val = part_of(kValNames);
  const auto in_val = [&](const auto& entry) { return val.train_classes.contains(entry.first); };
  const Classes& ours = train.train_classes;
  if (!ours.empty() && !val.train_classes.empty() &&
      (only_parts || std::any_of(ours.begin(), ours.end(), in_val))) {
    train.val = val.train;
    train.val_classes = val.train_classes;
    return train;
  }
  if (!only_parts) return whole;
  if (!ours.empty()) return train;
  if (train.train.empty() && !val.train_classes.empty()) return val;
  if (all.empty()) {
    fail_input("{}: no class folders; make one per class, with its images", root.string());
  }
  fail_input("{}: {}/ has images that are in no class folder; make one per class in it",
             root.string(), all.begin()->first);
}

/// The images of a class for the validation set, as runs of earlier versions drew them: a fraction
/// of the sorted names, at least one.
std::set<int64_t> draw_by_order(int64_t count, int64_t label, const DataOptions& options) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  shuffle_indices(order.data(), count, options.seed, Purpose::kSplit, static_cast<uint64_t>(label));
  const int64_t val = std::llround(static_cast<double>(count) * options.val_fraction);
  return {order.begin(), order.begin() + std::max<int64_t>(1, std::min(val, count - 1))};
}

/// FNV-1a (64 bits) of the path below the part, the same on every file system.
uint64_t name_hash_of(const std::string& name) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : nfc_name(name)) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  }
  return hash;
}

/// Appends the files of both sets. Whether an image validates depends on its name and the seed
/// alone: adding or removing another one does not move it.
void list_records(const FolderLayout& layout, const fs::path& root, const DataOptions& options,
                  Records& train, Records& val) {
  std::map<std::string, int64_t> label_of;
  for (const auto& [name, paths] : layout.train_classes) {
    const int64_t label = static_cast<int64_t>(label_of.size());
    label_of[name] = label;
    std::set<int64_t> in_val;
    if (options.split_by_order) in_val = draw_by_order(std::ssize(paths), label, options);
    int64_t index = 0;
    for (const std::string& path : paths) {
      const uint64_t hash = name_hash_of(name_in(layout.train, path));
      Random random(options.seed, Purpose::kSplit, hash >> 32, hash);
      const bool drawn = options.split_by_order ? in_val.contains(index++)
                                                : random.uniform() < options.val_fraction;
      (drawn && !layout.val ? val : train).push_back({(root / path).string(), label, hash});
    }
  }
  for (const auto& [name, paths] : layout.val_classes) {
    if (!label_of.contains(name)) {  // a class may be missing from val, not from train
      fail_input("{}: no such class in {}/; rename the folder or add images to {}/{}",
                 (root / *layout.val / name).string(), layout.train, layout.train, name);
    }
    for (const std::string& path : paths) val.push_back({(root / path).string(), label_of[name]});
  }
}

/// Decodes each file in parallel and removes the damaged ones, at most `skip_bad`. Messages and
/// notes have the files' order, whatever the threads did.
void remove_damaged(Records& train, Records& val, int64_t skip_bad,
                    std::vector<std::string>& notes) {
  constexpr int64_t kMostNamed = 3;
  int64_t skipped = 0;
  for (Records* records : {&train, &val}) {
    std::vector<std::string> reasons(records->size());
    parallel_for(std::ssize(*records), [&](int64_t i) {
      Record& record = (*records)[static_cast<size_t>(i)];
      try {
        const Image image = decode_image(record.path);
        record.shorter_side = std::min(image.height, image.width);
        record.channels = image.channels;
        record.turned = image.turned;
      } catch (const InputError& error) {
        reasons[static_cast<size_t>(i)] = error.what();
      }
    });
    for (const std::string& reason : reasons) {
      if (reason.empty()) continue;
      if (++skipped > skip_bad) {
        fail_input("{} (or skip up to N such images: --skip-bad N)", reason);
      }
      if (skipped <= kMostNamed) notes.push_back("skipped " + reason);
    }
    // An image that was decoded has a side.
    std::erase_if(*records, [](const Record& record) { return record.shorter_side == 0; });
  }
  if (skipped > 0) {
    notes.push_back(
        fmt::format("unreadable images left out: {} (--skip-bad {})", skipped, skip_bad));
  }
}

/// Of the files' names and sizes.
uint32_t checksum_of_files(const Records& train, const Records& val, const fs::path& root) {
  uint32_t checksum = 0;
  for (const Records* records : {&train, &val}) {
    for (const Record& record : *records) {
      const fs::path name = fs::path(record.path).lexically_relative(root);
      const std::string file = fmt::format("{}\n{}\n", name.string(), fs::file_size(record.path));
      checksum = crc32_of(file.data(), std::ssize(file), checksum);
    }
  }
  return checksum;
}

/// An image's name and contents.
std::string fingerprint_of(const Record& record) {
  const std::vector<char> bytes = read_file(record.path);
  return fmt::format("{:016x}{:08x}", record.name_hash, crc32_of(bytes.data(), std::ssize(bytes)));
}

/// Of the few images of the lowest hashes.
std::vector<std::string> fingerprints_of(Records records) {
  constexpr size_t kCount = 8;
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.name_hash < b.name_hash; });
  records.resize(std::min(records.size(), kCount));
  std::vector<std::string> fingerprints;
  for (const Record& record : records) fingerprints.push_back(fingerprint_of(record));
  return fingerprints;
}

/// Counts what is in the folder and is not used.
void note_unused(const FolderFiles& files, const FolderLayout& layout,
                 std::vector<std::string>& notes) {
  std::vector<std::string> unused = files.others, empty;
  for (const std::string& path : files.images) {
    const bool validates = layout.val && !name_in(*layout.val, path).empty();
    if (name_in(layout.train, path).empty() && !validates) unused.push_back(path);
  }
  for (const std::string& path : files.folders) {
    const std::string name = path.substr(layout.train.empty() ? 0 : path.find('/') + 1);
    const bool is_class = layout.train.empty() || path == layout.train + "/" + name;
    const bool has_images = layout.train_classes.contains(nfc_name(name)) || is_part_name(name);
    if (is_class && name.find('/') == name.npos && !has_images) empty.push_back(path);
  }
  const auto note = [&](const char* text, const std::vector<std::string>& paths) {
    if (paths.empty()) return;
    notes.push_back(
        fmt::format("{}: {}, such as {}", text, paths.size(), printable(paths[0], 200)));
  };
  note("files passed over, no images of a class", unused);
  note("class folders without images, left out", empty);
}

/// The median of the shorter sides (the first image's in runs of earlier versions), and 3 channels
/// if any image has color.
void describe_images(const Records& train, const Records& val, bool by_order, DataSplits& splits) {
  std::vector<int64_t> sides;
  int64_t turned = 0;
  for (const Records* records : {&train, &val}) {
    for (const Record& record : *records) {
      sides.push_back(record.shorter_side);
      splits.channels = std::max(splits.channels, record.channels);
      turned += record.turned ? 1 : 0;
    }
  }
  if (turned > 0) {
    splits.notes.push_back(fmt::format("images turned by their EXIF orientation: {}", turned));
  }
  if (sides.empty()) return;
  const auto middle = sides.begin() + std::ssize(sides) / 2;
  std::nth_element(sides.begin(), middle, sides.end());
  splits.shorter_side = by_order && !train.empty() ? train[0].shorter_side : *middle;
}

}  // namespace

DataSplits open_folder(const std::string& folder, const DataOptions& options) {
  const fs::path root = folder;
  DataSplits splits;
  splits.name = folder_name(folder);
  const FolderFiles files = list_files(folder);
  const FolderLayout layout = layout_of(files, root);
  std::vector<std::string> names;
  for (const auto& [name, paths] : layout.train_classes) names.push_back(name);
  if (names.size() == 1 && !options.scoring) {
    fail_input("{}: only one class folder, {}; did you mean folder:{}?", folder, names[0],
               (root / layout.train / names[0]).string());
  }
  // The split comes first, so that a skipped file does not move others between the sets.
  Records train, val;
  list_records(layout, root, options, train, val);
  remove_damaged(train, val, options.skip_bad, splits.notes);
  if (!layout.val) splits.trained_on = fingerprints_of(train);
  const auto is_known = [&](const Record& record) {
    const std::string hash = fmt::format("{:016x}", record.name_hash);
    const auto is_it = [&](const std::string& text) {
      return text.starts_with(hash) && text == fingerprint_of(record);
    };
    return std::any_of(options.trained_on.begin(), options.trained_on.end(), is_it);
  };
  if (options.scoring && !layout.val && !options.split_by_order &&
      std::none_of(train.begin(), train.end(), is_known)) {
    val.insert(val.end(), train.begin(), train.end());
    train.clear();
    splits.notes.push_back(fmt::format(
        "{} is not the folder that the model was trained on: all of it is scored", folder));
  }
  note_unused(files, layout, splits.notes);
  if (!layout.val && !train.empty()) {
    splits.notes.push_back(fmt::format(
        "{} has no val/: {} images for training, {} for validation (--val-fraction {:g}, by {} and "
        "seed {})",
        (root / layout.train).string(), train.size(), val.size(), options.val_fraction,
        options.split_by_order ? "order" : "name", options.seed));
  }
  describe_images(train, val, options.split_by_order, splits);
  splits.file_checksum = checksum_of_files(train, val, root);
  const auto cache = std::make_shared<PhotoCache>();
  const auto dataset = [&](const Records& records) {
    std::vector<int64_t> labels;
    labels.reserve(records.size());
    for (const Record& record : records) labels.push_back(record.label);
    return std::make_shared<ImageDataset>(
        names, std::move(labels), [cache, records](int64_t index, const PhotoForm& form) {
          return cache->image(records[static_cast<size_t>(index)].path, form);
        });
  };
  splits.train = dataset(train);
  splits.val = dataset(val);
  return splits;
}

}  // namespace gmlp
