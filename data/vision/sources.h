#pragma once
// The readers that open_dataset chooses from, and what they share: images of files and arrays, and
// which files of a folder are images (docs/training.md has the table).

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

/// Images in memory, all of one size, and their labels.
struct LabeledImages {
  std::vector<Image> images;
  std::vector<int64_t> labels;
};

/// Throws InputError naming `source` if the two sets' images differ in size or type.
DataSplits make_splits(const std::string& name, const std::string& source,
                       const std::vector<std::string>& class_names, LabeledImages train,
                       LabeledImages val);

/// Throws InputError naming file and position unless the label of image `index` is in [0, classes).
void check_label(int64_t label, int64_t index, int64_t classes, const std::string& path);

/// Throws InputError naming both files unless there are images, and as many labels.
void check_counts(const std::string& image_path, int64_t images, const std::string& label_path,
                  int64_t labels);

/// "0", "1", ...: for sources without names.
std::vector<std::string> numbered_classes(int64_t classes);

/// The last component of a folder's path: "signs" of "/data/signs/".
std::string folder_name(const std::string& folder);

}  // namespace gmlp
