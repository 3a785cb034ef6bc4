#pragma once
// Which files of a folder are images, and which are passed over. docs/training.md has the table.

#include <string>
#include <vector>

namespace gmlp {

/// Whether a file's name is that of an image, in upper or lower case: .png, .jpg, .jpeg, .jpe,
/// .jfif, .bmp or .webp.
bool is_image_name(const std::string& name);

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

/// The name in lower case, ASCII only.
std::string lower_case(std::string name);

}  // namespace gmlp
