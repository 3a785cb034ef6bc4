#pragma once
// The readers that open_dataset chooses from, and what they share.

#include <cstdint>
#include <string>
#include <vector>

#include "data/vision/dataset.h"

namespace gmlp {

DataSplits open_idx(const std::string& folder);                                 // idx.cpp
DataSplits open_cifar(const std::string& folder, bool hundred);                 // cifar.cpp
DataSplits open_folder(const std::string& folder, const DataOptions& options);  // folder.cpp
DataSplits open_arrays(const std::string& folder, const DataOptions& options);  // arrays.cpp
DataSplits open_shapes();                                                       // shapes.cpp

/// The images of a NumPy array: uint8 (N, H, W, C) or (N, H, W), or float32 (N, C, H, W).
std::vector<Image> read_images(const std::string& path);

/// Images in memory, all of one size, and their labels.
struct LabeledImages {
  std::vector<Image> images;
  std::vector<int64_t> labels;
};

/// Throws InputError naming `source` if the two sets' images differ in size or type.
DataSplits make_splits(const std::string& name, const std::string& source,
                       const std::vector<std::string>& class_names, LabeledImages train,
                       LabeledImages val);

/// Throws InputError naming file and position unless each label is in [0, classes).
void check_labels(const std::vector<int64_t>& labels, int64_t classes, const std::string& path);

/// Throws InputError naming both files unless there are images, and as many labels.
void check_counts(const std::string& image_path, int64_t images, const std::string& label_path,
                  int64_t labels);

/// "0", "1", ...: for sources without names.
std::vector<std::string> numbered_classes(int64_t classes);

/// The last component of a folder's path: "signs" of "/data/signs/".
std::string folder_name(const std::string& folder);

}  // namespace gmlp
