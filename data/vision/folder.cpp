// folder:DIR, images sorted into one folder per class, which may hold folders of its own:
//   DIR/train/CLASS/*.jpg, DIR/val/CLASS/*.jpg   two parts, classes matched by name; or
//   DIR/CLASS/*.jpg                              one set: each image's name and the seed decide
// Every file is read when the set is opened: sizes, checksums, what is no image or ends early.
// Pixels are decoded on demand and cached, and once beside the training, so that a damaged JPEG is
// reported in the first minutes and not in the third hour.
#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>

#include <sys/resource.h>
#include <utf8proc.h>

#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/text/utf8.h"
#include "data/vision/dataset.h"
#include "data/vision/transform.h"

namespace gmlp {
namespace {

namespace fs = std::filesystem;

/// ASCII only.
std::string lower_case(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

bool is_image_name(const std::string& name) {
  static const std::set<std::string> kExtensions = {".png",  ".jpg", ".jpeg", ".jpe",
                                                    ".jfif", ".bmp", ".webp"};
  const size_t dot = name.rfind('.');
  return dot != name.npos && kExtensions.contains(lower_case(name.substr(dot)));
}

/// Of a file that is no image.
bool is_litter_file(const fs::path& name) {
  static const std::set<std::string> kStems = {"thumbs",  "ehthumbs", "desktop",
                                               "license", "licence",  "readme",
                                               "copying", "citation", "notice"};
  static const std::set<std::string> kExtensions = {".txt", ".csv", ".md"};
  return kStems.contains(lower_case(name.stem().string())) ||
         kExtensions.contains(lower_case(name.extension().string()));
}

struct Record {
  std::string path;  // below the data folder
  int64_t label = 0;
  uint64_t name_hash = 0;
  bool validates = false;
  std::string fingerprint = {};  // of the file's name and contents
  int64_t shorter_side = 0, channels = 0;
  bool decoded = false;
};

/// A folder of class folders, and the images of each class. All paths are below the data folder.
struct FolderPart {
  std::string folder;  // "" is the data folder itself
  std::map<std::string, std::vector<std::string>> classes;
};

/// What to read of a folder. If `val` has no classes, `train` is split.
struct FolderLayout {
  FolderPart train, val;
  bool is_split() const { return val.classes.empty(); }
};

Image decode_photo(const std::string& path) {
  Image image;
  BadRows{.what = "images"}.attempt([&] { image = decode_image(path); });
  return image;
}

/// Decodes photos on demand and caches them while 1 GiB lasts. Both sets share it.
class PhotoCache {
 public:
  ~PhotoCache() { stopping_ = true; }

  /// Decodes these files in a thread of low priority. Once it has found a damaged one, each call of
  /// image() throws that.
  void check(std::vector<Record> records, const fs::path& root) {
    check_ = std::async(std::launch::async, [this, records = std::move(records), root] {
#ifdef __linux__
      setpriority(PRIO_PROCESS, 0, 10);  // of this thread
#endif
      for (const Record& record : records) {
        if (!stopping_) decode_photo((root / record.path).string());
      }
    });
  }

  Image image(const std::string& path, const PhotoForm& form) {
    if (check_.valid() && check_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      check_.get();
    }
    const std::pair<std::string, PhotoForm> key(path, form);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto found = images_.find(key);
      if (found != images_.end()) return found->second;
    }
    Image image = shrink_photo(decode_photo(path), form);
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool fits = form.side > 0 && image.elements() <= bytes_left_;
    if (fits && images_.emplace(key, image).second) bytes_left_ -= image.elements();
    return image;
  }

 private:
  std::mutex mutex_;
  int64_t bytes_left_ = int64_t{1} << 30;
  std::map<std::pair<std::string, PhotoForm>, Image> images_;
  std::atomic<bool> stopping_ = false;
  std::shared_future<void> check_;  // destroyed first, which waits for the thread
};

constexpr std::string_view kTrainNames[] = {"train", "training"};
constexpr std::string_view kValNames[] = {"val", "valid", "validation", "test", "testing"};

bool is_part_name(const std::string& name) {
  return std::ranges::count(kTrainNames, lower_case(name)) > 0 ||
         std::ranges::count(kValNames, lower_case(name)) > 0;
}

/// "cat/1.jpg" of train/cat/1.jpg in the part train; empty if the image is not below a class folder
/// of the part.
std::string name_in(const std::string& part, const std::string& path) {
  const size_t begin = part.empty() ? 0 : part.size() + 1;
  const bool inside = part.empty() || path.starts_with(part + "/");
  return inside && path.find('/', begin) != path.npos ? path.substr(begin) : "";
}

/// One name may be spelled in two ways.
FolderPart part_at(const FolderFiles& files, const std::string& folder) {
  FolderPart part{folder, {}};
  for (const std::string& path : files.images) {
    const std::string name = name_in(folder, path);
    if (!name.empty()) part.classes[nfc_name(name.substr(0, name.find('/')))].push_back(path);
  }
  return part;
}

/// Folders called train, val, ... are the parts of a data set if they have class folders, and if
/// nothing else has images or both parts have a class in common. Otherwise they are classes.
FolderLayout layout_of(const FolderFiles& files, const fs::path& root) {
  const FolderPart whole = part_at(files, "");
  const auto find_part = [&](std::span<const std::string_view> names) {
    FolderPart part;  // the first with class folders
    for (const std::string_view name : names) {
      for (const auto& [folder, images] : whole.classes) {
        if (part.classes.empty() && lower_case(folder) == name) part = part_at(files, folder);
      }
    }
    return part;
  };
  const FolderPart train = find_part(kTrainNames), val = find_part(kValNames);
  const bool only_parts = std::ranges::all_of(
      whole.classes, [](const auto& entry) { return is_part_name(entry.first); });
  const bool share_a_class = std::ranges::any_of(
      train.classes, [&](const auto& entry) { return val.classes.contains(entry.first); });
  const bool has_both = !train.classes.empty() && !val.classes.empty();
  if (share_a_class || (only_parts && has_both)) return {train, val};
  if (!only_parts) return {whole, {}};
  if (!train.classes.empty()) return {train, {}};
  if (train.folder.empty() && !val.classes.empty()) return {val, {}};
  refuse_if(whole.classes.empty(), "{}: no class folders; make one per class, with its images",
            root.string());
  fail_input("{}: {}/ has images that are in no class folder; make one per class in it",
             root.string(), whole.classes.begin()->first);
}

/// FNV-1a (64 bits) of the path below the part, the same on every file system.
uint64_t name_hash_of(const std::string& name) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : nfc_name(name)) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return hash;
}

/// Whether an image validates depends on its name and the seed alone: adding or removing another
/// one does not move it. A class may be missing from val, not from train.
std::vector<Record> list_records(const FolderLayout& layout, const fs::path& root,
                                 const std::vector<std::string>& names,
                                 const DataOptions& options) {
  std::vector<Record> records;
  for (const FolderPart* part : {&layout.train, &layout.val}) {
    for (const auto& [name, paths] : part->classes) {
      const auto at = std::ranges::lower_bound(names, name);
      if (at == names.end() || *at != name) {
        fail_input("{}: no such class in {}/; rename the folder or add images to {}/{}",
                   (root / part->folder / name).string(), layout.train.folder, layout.train.folder,
                   name);
      }
      for (const std::string& path : paths) {
        const uint64_t hash = name_hash_of(name_in(part->folder, path));
        Random random(options.seed, Purpose::kSplit, hash >> 32, hash);
        const bool drawn = random.uniform() < options.val_fraction;
        const bool validates = layout.is_split() ? drawn : part == &layout.val;
        records.push_back({path, at - names.begin(), hash, validates});
      }
    }
  }
  return records;
}

/// Reads each file in parallel and removes the bad ones. If some are allowed, JPEGs are decoded,
/// too. Which one is the first does not depend on the threads.
void read_records(std::vector<Record>& records, const fs::path& root, BadRows& bad) {
  std::vector<std::string> reasons(records.size());
  parallel_for(std::ssize(records), [&](int64_t i) {
    Record& record = records[static_cast<size_t>(i)];
    try {
      uint32_t checksum = 0;
      const Image image = decode_image((root / record.path).string(), &checksum, bad.allowed == 0);
      record.fingerprint = fmt::format("{:016x}{:08x}", record.name_hash, checksum);
      record.shorter_side = std::min(image.height, image.width);
      record.channels = image.channels;
      record.decoded = !image.bytes.empty();
    } catch (const InputError& error) {
      reasons[static_cast<size_t>(i)] = error.what();
    }
  });
  for (const std::string& reason : reasons) {
    if (!reason.empty()) bad.attempt([&] { throw InputError(reason); });
  }
  std::erase_if(records, [](const Record& record) { return record.fingerprint.empty(); });
}

/// Counts what is in the folder and is not used.
void note_unused(const FolderFiles& files, const FolderLayout& layout,
                 std::vector<std::string>& notes) {
  std::vector<std::string> unused = files.others, empty;
  for (const std::string& path : files.images) {
    const bool validates = !layout.is_split() && !name_in(layout.val.folder, path).empty();
    if (name_in(layout.train.folder, path).empty() && !validates) unused.push_back(path);
  }
  for (const std::string& path : files.folders) {
    const std::string name = fs::path(path).filename().string();
    const bool is_known = layout.train.classes.contains(nfc_name(name)) || is_part_name(name);
    if (fs::path(path).parent_path() == layout.train.folder && !is_known) empty.push_back(path);
  }
  const auto note = [&](const char* text, const std::vector<std::string>& paths) {
    if (paths.empty()) return;
    notes.push_back(
        fmt::format("{}: {}, such as {}", text, paths.size(), printable(paths[0], 200)));
  };
  note("files passed over, no images of a class", unused);
  note("class folders without images, left out", empty);
}

/// A folder that is split: scores all of it if the model was not trained on it. Notes the sizes.
void choose_sets(std::vector<Record>& records, const fs::path& folder, const DataOptions& options,
                 std::vector<std::string>& notes) {
  const auto was_trained_on = [&](const Record& record) {
    return std::ranges::count(options.trained_on, record.fingerprint) > 0;
  };
  if (options.scoring && std::ranges::none_of(records, was_trained_on)) {
    for (Record& record : records) record.validates = true;
    notes.push_back(
        fmt::format("{} is not the folder that the model was trained on: all of it is scored",
                    folder.string()));
  } else {
    const auto val = std::ranges::count(records, true, &Record::validates);
    notes.push_back(fmt::format(
        "{} has no val/: {} images for training, {} for validation (--val-fraction {:g}, by name "
        "and seed {})",
        folder.string(), std::ssize(records) - val, val, options.val_fraction, options.seed));
  }
}

/// The median of the shorter sides, 3 channels if any image has color, a checksum of the names and
/// contents, and the fingerprints of a few training images, those of the lowest hashes.
void describe_images(const std::vector<Record>& records, DataSplits& splits) {
  constexpr size_t kMostFingerprints = 8;
  std::vector<int64_t> sides;
  std::vector<std::string> fingerprints;
  for (const Record& record : records) {
    sides.push_back(record.shorter_side);
    splits.channels = std::max(splits.channels, record.channels);
    const std::string file = record.path + "\n" + record.fingerprint + "\n";
    splits.file_checksum = crc32_of(file.data(), std::ssize(file), splits.file_checksum);
    if (!record.validates) fingerprints.push_back(record.fingerprint);
  }
  std::ranges::sort(fingerprints);
  fingerprints.resize(std::min(fingerprints.size(), kMostFingerprints));
  splits.trained_on = fingerprints;
  if (sides.empty()) return;
  const auto middle = sides.begin() + std::ssize(sides) / 2;
  std::ranges::nth_element(sides, middle);
  splits.shorter_side = *middle;
}

}  // namespace

FolderFiles list_files(const std::string& folder) {
  constexpr int kMaxDepth = 16;
  static const std::set<std::string> kLitter = {"__macosx", "@eadir", "$recycle.bin"};
  FolderFiles files;
  using Walk = fs::recursive_directory_iterator;
  for (Walk at(folder, fs::directory_options::follow_directory_symlink); at != Walk(); ++at) {
    const std::string path = at->path().lexically_relative(folder).generic_string();
    const std::string name = at->path().filename().string();
    const bool hidden = name.starts_with('.');  // .DS_Store, ._photo.jpg, .ipynb_checkpoints
    std::error_code broken;                     // of a link to itself
    if (at->is_directory(broken)) {
      refuse_if(at.depth() > kMaxDepth,
                "{}: nested more than {} deep; is a link in it to a folder above?",
                at->path().string(), kMaxDepth);
      const bool is_run = fs::exists(at->path() / "steps.jsonl", broken);  // has filters.png
      const bool skips = is_run || hidden || kLitter.contains(lower_case(name));
      skips ? at.disable_recursion_pending() : files.folders.push_back(path);
    } else if (is_image_name(name) && !hidden && !at->is_fifo(broken)) {
      files.images.push_back(path);  // also a broken link: opening it tells the reason
    } else if (!hidden && !is_litter_file(name)) {
      files.others.push_back(path);
    }
  }
  std::ranges::sort(files.images);
  std::ranges::sort(files.others);
  return files;
}

std::string nfc_name(const std::string& name) {
  // A name ends at its first NUL, so it has none.
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> composed(
      utf8proc_NFC(reinterpret_cast<const utf8proc_uint8_t*>(name.c_str())), &std::free);
  return composed == nullptr ? name : reinterpret_cast<const char*>(composed.get());
}

DataSplits open_folder(const std::string& folder, const DataOptions& options) {
  const fs::path root = folder;
  DataSplits splits;
  splits.name = folder_name(folder);
  const FolderFiles files = list_files(folder);
  const FolderLayout layout = layout_of(files, root);
  std::vector<std::string> names;
  for (const auto& [name, paths] : layout.train.classes) names.push_back(name);
  if (names.size() == 1 && !options.scoring) {
    fail_input("{}: only one class folder, {}; add another, or use folder:{} if they are in it",
               folder, names[0], (root / layout.train.folder / names[0]).string());
  }
  std::vector<Record> records = list_records(layout, root, names, options);
  BadRows bad{.allowed = options.skip_bad, .what = "images"};
  read_records(records, root, bad);
  if (bad.count > 0) splits.notes.push_back(bad.note());
  note_unused(files, layout, splits.notes);
  if (layout.is_split()) choose_sets(records, root / layout.train.folder, options, splits.notes);
  describe_images(records, splits);
  if (!layout.is_split()) splits.trained_on.clear();
  const auto cache = std::make_shared<PhotoCache>();
  const auto dataset = [&](bool validates) {
    auto set = std::make_shared<ImageDataset>();
    set->class_names = names;
    std::vector<std::string> paths;
    for (const Record& record : records) {
      if (record.validates != validates) continue;
      paths.push_back((root / record.path).string());
      set->labels.push_back(record.label);
    }
    set->decode = [cache, paths = std::move(paths)](int64_t index, const PhotoForm& form) {
      return cache->image(paths[static_cast<size_t>(index)], form);
    };
    return set;
  };
  splits.train = dataset(false);
  splits.val = dataset(true);
  std::erase_if(records, [](const Record& record) { return record.decoded; });
  if (!options.scoring && !records.empty()) cache->check(std::move(records), root);
  return splits;
}

}  // namespace gmlp
