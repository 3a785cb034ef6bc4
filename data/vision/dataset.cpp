// open_dataset: the text before the colon chooses the reader. Helpers of all readers come first.
#include "data/vision/dataset.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/file.h"
#include "core/random.h"

namespace gmlp {
namespace {

/// --max-train-samples: a random subset, because folders are sorted by class.
void limit_train(DataSplits& splits, const DataOptions& options) {
  const std::shared_ptr<const ImageDataset> whole = splits.train;
  const int64_t size = whole->size();
  if (options.max_train_samples <= 0 || options.max_train_samples >= size) return;
  // The epoch of this draw. Splits of a folder use the class number, which is smaller.
  constexpr uint64_t kSubsetDraw = uint64_t{1} << 32;
  std::vector<int64_t> indices(static_cast<size_t>(size));
  shuffle_indices(indices.data(), size, options.seed, Purpose::kSplit, kSubsetDraw);
  indices.resize(static_cast<size_t>(options.max_train_samples));
  std::ranges::sort(indices);
  const auto part = std::make_shared<ImageDataset>();
  part->class_names = whole->class_names;
  for (const int64_t index : indices) part->labels.push_back(whole->label(index));
  part->decode = [whole, indices](int64_t index, const PhotoForm& form) {
    return whole->image(indices[static_cast<size_t>(index)], form);
  };
  splits.train = part;
  splits.notes.push_back(fmt::format("{} of {} training images (--max-train-samples)",
                                     options.max_train_samples, size));
}

/// Counts the classes that a set lacks.
void note_absent_classes(DataSplits& splits) {
  const std::vector<std::string>& names = splits.train->class_names;
  const auto note = [&](const ImageDataset& set, const char* part, const char* remedy) {
    std::vector<std::string> absent;
    const std::vector<int64_t> counts = class_counts(set);
    for (size_t c = 0; c < names.size(); ++c) {
      if (counts[c] == 0) absent.push_back(names[c]);
    }
    if (absent.empty() || set.size() == 0) return;
    splits.notes.push_back(
        fmt::format("classes without {} images: {} of {} ({}){}", part, absent.size(), names.size(),
                    printable(fmt::format("{}", fmt::join(absent, ", "))), remedy));
  };
  const bool from_one = class_counts(*splits.train)[0] == 0 && names[0] == "0";
  note(*splits.train, "training",
       from_one ? "; the labels start at 1: subtract 1 to save an output" : "");
  note(*splits.val, "validation", "");
}

DataSplits open_source(const std::string& spec, const DataOptions& options) {
  if (spec == "fashion-mnist") return open_idx("");
  if (spec == "shapes") return open_shapes();
  const size_t colon = spec.find(':');
  const std::string kind = spec.substr(0, colon);
  const std::string folder = colon == std::string::npos ? "" : spec.substr(colon + 1);
  const std::vector<std::string> kinds = {"mnist",  "cifar10",       "cifar100", "folder",
                                          "arrays", "fashion-mnist", "shapes"};
  // The last two have no folder.
  if (std::find(kinds.begin(), kinds.end() - 2, kind) == kinds.end() - 2) {
    fail_input(
        "--data {}: unknown; choose fashion-mnist, mnist:DIR, cifar10:DIR, cifar100:DIR, "
        "folder:DIR, arrays:DIR or shapes{}",
        spec,
        std::filesystem::is_directory(spec) ? fmt::format("; did you mean folder:{}?", spec)
                                            : did_you_mean(kind, kinds));
  }
  refuse_if(folder.empty(), "--data {}: no folder given; write {}:DIR", spec, kind);
  refuse_if(!std::filesystem::is_directory(folder),
            "--data {}: {} is no folder; check the path, with --resume name it by --data, too",
            spec, folder);
  if (kind == "mnist") return open_idx(folder);
  if (kind == "arrays") return open_arrays(folder, options);
  if (kind == "folder") return open_folder(folder, options);
  return open_cifar(folder, kind == "cifar100");
}

}  // namespace

std::string folder_name(const std::string& folder) {
  // With a slash at its end, "." has the name of its folder, too.
  const std::filesystem::path path = std::filesystem::path(folder) / "";
  return std::filesystem::absolute(path).lexically_normal().parent_path().filename().string();
}

std::shared_ptr<const ImageDataset> all_images(const DataSplits& splits) {
  const auto all = std::make_shared<ImageDataset>();
  all->class_names = splits.train->class_names;
  all->labels = splits.train->labels;
  all->labels.insert(all->labels.end(), splits.val->labels.begin(), splits.val->labels.end());
  all->decode = [train = splits.train, val = splits.val](int64_t index, const PhotoForm& form) {
    const int64_t first = train->size();
    return index < first ? train->image(index, form) : val->image(index - first, form);
  };
  return all;
}

std::vector<int64_t> class_counts(const ImageDataset& set) {
  std::vector<int64_t> counts(set.class_names.size());
  for (const int64_t label : set.labels) ++counts[static_cast<size_t>(label)];
  return counts;
}

std::vector<double> balanced_weights(const std::vector<int64_t>& counts) {
  const int64_t images = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const int64_t classes = std::ssize(counts) - std::ranges::count(counts, 0);
  std::vector<double> weights(counts.size(), 1);
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] > 0)
      weights[c] = static_cast<double>(images) / static_cast<double>(classes * counts[c]);
  }
  return weights;
}

DataSplits open_dataset(const std::string& spec, const DataOptions& options) {
  DataSplits splits;
  try {
    splits = open_source(spec, options);
  } catch (const std::filesystem::filesystem_error& error) {
    fail_input("--data {}: {}; check the folder and its permissions", spec, error.what());
  }
  refuse_if(splits.train->size() == 0 && !options.scoring,
            "--data {}: no training images; add some, or use a smaller --val-fraction", spec);
  if (splits.shorter_side == 0) {  // images of one size
    const Image first = splits.train->image(0);
    splits.shorter_side = std::min(first.height, first.width);
    splits.channels = first.channels;
  }
  if (!options.scoring) note_absent_classes(splits);
  splits.counts =
      fmt::format("{} training and {} validation images of {} classes", splits.train->size(),
                  splits.val->size(), splits.train->class_names.size());
  limit_train(splits, options);
  return splits;
}

uint32_t checksum_of(const DataSplits& splits) {
  if (splits.file_checksum != 0) return splits.file_checksum;
  uint32_t crc = 0;
  for (const ImageDataset* set : {splits.train.get(), splits.val.get()}) {
    for (int64_t i = 0; i < set->size(); ++i) {
      const int64_t label = set->label(i);
      const Image image = set->image(i);
      crc = crc32_of(&label, sizeof label, crc);
      crc = crc32_of(image.bytes.data(), std::ssize(image.bytes), crc);
      crc = crc32_of(image.values.data(), std::ssize(image.values) * 4, crc);
    }
  }
  return crc;
}

}  // namespace gmlp
