#pragma once
// A labeled set of images: bytes of a record become an Image. The sources are files in memory
// (records.cpp), folders (folder.cpp) and drawn shapes (shapes.cpp).

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gmlp {

/// An image as stored: bytes (height, width, channels), or floats (channels, height, width), which
/// reach the model unchanged (no resize, crop or normalization).
struct Image {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> bytes;  // one of the two is empty
  std::vector<float> values;

  bool is_float() const { return !values.empty(); }
  int64_t elements() const { return height * width * channels; }
  /// An image of zero bytes.
  static Image of_bytes(int64_t height, int64_t width, int64_t channels) {
    Image image{height, width, channels, {}, {}};
    image.bytes.resize(static_cast<size_t>(image.elements()));
    return image;
  }
};

/// What a model needs of a photograph, so that a source can keep that and not all of it.
struct PhotoForm {
  int64_t side = 0;   // the shorter side of larger photographs; 0: as stored
  bool gray = false;  // luma only
  auto operator<=>(const PhotoForm&) const = default;  // NOLINT: no pointer is compared
};

struct ImageDataset {
  std::vector<std::string> class_names;
  std::vector<int64_t> labels;  // in [0, class_names.size())
  /// Returns one image or throws InputError naming file (and position). Called by several threads.
  /// Only photographs get the given form.
  std::function<Image(int64_t index, const PhotoForm& form)> decode;

  int64_t size() const { return std::ssize(labels); }
  int64_t label(int64_t index) const { return labels[static_cast<size_t>(index)]; }
  Image image(int64_t index, const PhotoForm& form = {}) const { return decode(index, form); }
};

/// The training and validation sets of one source, with the same class names. One may be empty.
struct DataSplits {
  std::string name;  // short, for the run folder: "fashion-mnist", or the folder's name
  std::shared_ptr<const ImageDataset> train;
  std::shared_ptr<const ImageDataset> val;
  int64_t shorter_side = 0;                  // of the images; their median if they differ
  int64_t channels = 0;                      // 3 if any image has color
  std::vector<std::string> notes = {};       // lines for the log, each with a count
  std::vector<std::string> trained_on = {};  // folder: a few training images, for DataOptions
  uint32_t file_checksum = 0;                // of a folder's names and contents
  std::string counts = {};                   // "32 training and 8 validation images of 2 classes"
};

struct DataOptions {
  uint64_t seed = 0;              // of the split, if the source has none
  double val_fraction = 0.2;      // share of validation images, if the source has none
  int64_t skip_bad = 0;           // how many undecodable images are skipped instead of refused
  int64_t max_train_samples = 0;  // 0: all
  int64_t photo_side = 256;       // TransformOptions::photo_side
  /// Evaluation: one class is enough, and a folder without val/ that has none of the images in
  /// `trained_on` validates whole.
  bool scoring = false;
  std::vector<std::string> trained_on;
};

/// Opens `fashion-mnist`, `mnist:DIR`, `cifar10:DIR`, `cifar100:DIR`, `folder:DIR`, `arrays:DIR` or
/// `shapes`. Throws InputError naming the thing, the reason and the remedy.
DataSplits open_dataset(const std::string& spec, const DataOptions& options);

/// Both sets after each other.
std::shared_ptr<const ImageDataset> all_images(const DataSplits& splits);

/// The number of images of each class.
std::vector<int64_t> class_counts(const ImageDataset& set);

/// n / (C n_c) for C classes that share n images; 1 for a class without images.
std::vector<double> balanced_weights(const std::vector<int64_t>& counts);

/// Of the names and contents of a folder's files, and of all other sources' labels and images.
uint32_t checksum_of(const DataSplits& splits);

// The readers that open_dataset chooses from, and what they share.

DataSplits open_idx(const std::string& folder);                                 // records.cpp
DataSplits open_cifar(const std::string& folder, bool hundred);                 // records.cpp
DataSplits open_arrays(const std::string& folder, const DataOptions& options);  // records.cpp
DataSplits open_folder(const std::string& folder, const DataOptions& options);  // folder.cpp
DataSplits open_shapes();                                                       // shapes.cpp

/// The images of a NumPy array: uint8 (N, H, W, C) or (N, H, W), or float32 (N, C, H, W).
std::vector<Image> read_images(const std::string& path);

/// Decodes a PNG, JPEG, WebP or BMP file. Throws InputError naming the file and the reason:
/// truncated, damaged, or too large (256 MiB, 65536 pixels per side, 200 megapixels or
/// $GMLP_MAX_PIXELS). JPEGs of more than 32 Mi pixels are decoded at a reduced scale. At most 8
/// bytes per pixel are allocated. `checksum` gets the file's CRC-32. With `header_only` a JPEG's
/// pixels are not decoded, so that damage in them stays unknown.
Image decode_image(const std::string& path, uint32_t* checksum = nullptr, bool header_only = false);
/// The same from memory. `path` is only for messages.
Image decode_image_bytes(const uint8_t* data, int64_t size, const std::string& path,
                         bool header_only = false);

/// What lies below a folder at any depth. Paths are relative to the folder ("cat/1.jpg") and
/// sorted.
struct FolderFiles {
  std::vector<std::string> images;   // by extension, in any case
  std::vector<std::string> others;   // neither images nor litter
  std::vector<std::string> folders;  // also without images
};
/// Follows links. Passes over hidden files and folders, and what operating systems, notebooks and
/// archives leave in folders. Throws InputError for folders nested too deep (a link to a parent).
FolderFiles list_files(const std::string& folder);

/// A name in Unicode's form NFC: macOS writes an accent as a character of its own, Linux does not.
/// What is not UTF-8 stays as it is.
std::string nfc_name(const std::string& name);

/// The last component of a folder's path: "signs" of "/data/signs/".
std::string folder_name(const std::string& folder);

}  // namespace gmlp
