#pragma once
// What open_dataset chooses from: one function a kind of data, one file each; and the class that
// holds images which fit in memory.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/vision/dataset.h"

namespace gmlp {

DataSplits open_idx(const std::string& folder, bool fashion);                   // idx.cpp
DataSplits open_cifar(const std::string& folder, bool hundred);                 // cifar.cpp
DataSplits open_folder(const std::string& folder, const DataOptions& options);  // folder.cpp
DataSplits open_arrays(const std::string& folder);                              // arrays.cpp
DataSplits open_shapes();                                                       // shapes.cpp

/// Images of one size, in bytes or floats, one after the other.
class MemoryImages : public ImageDataset {
 public:
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;
  std::vector<uint8_t> bytes;   // (n, height, width, channels), or empty
  std::vector<float> values;    // (n, channels, height, width), or empty
  std::vector<int64_t> labels;  // n
  std::vector<std::string> names;

  int64_t size() const override { return static_cast<int64_t>(labels.size()); }
  const std::vector<std::string>& class_names() const override { return names; }
  int64_t label(int64_t index) const override { return labels[static_cast<size_t>(index)]; }
  Image image(int64_t index) const override;
};

/// Throws InputError naming file and position unless every label lies in [0, classes).
void check_labels(const std::vector<int64_t>& labels, int64_t classes, const std::string& path);

/// The last component of a folder's path: "signs" of "/data/signs/".
std::string folder_name(const std::string& folder);

}  // namespace gmlp
