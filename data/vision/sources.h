#pragma once
// The readers that open_dataset chooses from, and what they share.

#include <cstdint>
#include <string>
#include <vector>

#include "data/vision/dataset.h"

namespace gmlp {

DataSplits open_idx(const std::string& folder, bool fashion);                   // idx.cpp
DataSplits open_cifar(const std::string& folder, bool hundred);                 // cifar.cpp
DataSplits open_folder(const std::string& folder, const DataOptions& options);  // folder.cpp
DataSplits open_arrays(const std::string& folder);                              // arrays.cpp
DataSplits open_shapes();                                                       // shapes.cpp

/// Images of one size in memory, one after the other.
struct MemoryImages {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;
  std::vector<uint8_t> bytes;   // (n, height, width, channels), or empty
  std::vector<float> values;    // (n, channels, height, width), or empty
  std::vector<int64_t> labels;  // n
  std::vector<std::string> names;

  int64_t image_size() const { return height * width * channels; }
};

/// Throws InputError naming `source` if the two sets' images differ in size or type.
DataSplits make_splits(const std::string& name, const std::string& source, MemoryImages train,
                       MemoryImages val);

/// Throws InputError naming file and position unless each label is in [0, classes).
void check_labels(const std::vector<int64_t>& labels, int64_t classes, const std::string& path);

/// The last component of a folder's path: "signs" of "/data/signs/".
std::string folder_name(const std::string& folder);

}  // namespace gmlp
