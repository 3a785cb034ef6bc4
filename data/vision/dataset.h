#pragma once
// A labelled set of images: bytes of a record become an Image. What differs between sets (idx,
// CIFAR, folders, arrays, drawn shapes) is in one file each; everything after this header is the
// same.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gmlp {

/// A picture as stored: rows of interleaved channels (HWC) in bytes, or planes (CHW) of floats that
/// are taken as they are (no resize, crop or normalisation).
struct Image {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;
  std::vector<uint8_t> bytes;  // height * width * channels, or empty
  std::vector<float> values;   // channels * height * width, or empty
  bool is_float() const { return !values.empty(); }
};

class ImageDataset {
 public:
  virtual ~ImageDataset() = default;
  virtual int64_t size() const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  /// In [0, class_names().size()); checked when the set was opened.
  virtual int64_t label(int64_t index) const = 0;
  /// Decodes one image; called from several threads. Throws InputError naming file (and position).
  virtual Image image(int64_t index) const = 0;
};

/// Train and validation parts of one source, with the same class names.
struct DataSplits {
  std::string name;  // short, for the run folder: "fashion-mnist", or the folder's name
  std::shared_ptr<const ImageDataset> train;
  std::shared_ptr<const ImageDataset> val;
  int64_t height = 0;  // of the first training image
  int64_t width = 0;
  int64_t channels = 0;
  std::vector<std::string> notes;  // lines for the log: images skipped, how the set was split
};

struct DataOptions {
  uint64_t seed = 0;              // of the split, where a set has none
  double val_fraction = 0.2;      // of each class, where a set has no validation part
  int64_t skip_bad = 0;           // how many undecodable images are left out instead of refused
  int64_t max_train_samples = 0;  // 0: all
  std::string default_root;       // fashion-mnist's folder; empty: $GMLP_DATA or Debian's
  int64_t photo_side = 256;  // folder: larger photos are shrunk to this shorter side when decoded
};

/// Opens `fashion-mnist`, `mnist:DIR`, `cifar10:DIR`, `cifar100:DIR`, `folder:DIR`, `arrays:DIR` or
/// `shapes`. Throws InputError naming the thing, the reason and the remedy.
DataSplits open_dataset(const std::string& spec, const DataOptions& options);

}  // namespace gmlp
