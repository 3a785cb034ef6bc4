// What is an image in a folder, and what a name is.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>

#include <utf8proc.h>

#include "core/error.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

namespace fs = std::filesystem;

/// Of a file that is no image.
bool is_litter_file(const fs::path& name) {
  static const std::set<std::string> kStems = {"thumbs",  "ehthumbs", "desktop",
                                               "license", "licence",  "readme",
                                               "copying", "citation", "notice"};
  static const std::set<std::string> kExtensions = {".txt", ".csv", ".md"};
  return kStems.contains(lower_case(name.stem().string())) ||
         kExtensions.contains(lower_case(name.extension().string()));
}

}  // namespace

bool is_image_name(const std::string& name) {
  static const std::set<std::string> kExtensions = {".png",  ".jpg", ".jpeg", ".jpe",
                                                    ".jfif", ".bmp", ".webp"};
  const size_t dot = name.rfind('.');
  return dot != name.npos && kExtensions.contains(lower_case(name.substr(dot)));
}

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
      if (at.depth() > kMaxDepth) {
        fail_input("{}: nested more than {} deep; is a link in it to a folder above?",
                   at->path().string(), kMaxDepth);
      }
      hidden || kLitter.contains(lower_case(name)) ? at.disable_recursion_pending()
                                                   : files.folders.push_back(path);
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

std::string lower_case(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace gmlp
