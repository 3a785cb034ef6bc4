#include "data/vision/image_files.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <set>

#include <utf8proc.h>

#include "core/error.h"
#include "data/vision/image_decode.h"

namespace gmlp {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& name) {
  return name.string().starts_with('.');  // .DS_Store, ._photo.jpg, .ipynb_checkpoints
}

bool is_litter_folder(const fs::path& name) {
  static const std::set<std::string> kNames = {"__macosx", "@eadir", "$recycle.bin"};
  return is_hidden(name) || kNames.contains(lower_case(name.string()));
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

void list(const fs::path& root, const fs::path& below, int depth, FolderFiles& files) {
  constexpr int kMaxDepth = 16;
  const fs::path folder = below.empty() ? root : root / below;
  if (depth > kMaxDepth) {
    fail_input("{}: nested more than {} deep; is a link in it to a folder above?", folder.string(),
               kMaxDepth);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path name = entry.path().filename();
    if (entry.is_directory()) {
      if (is_litter_folder(name)) continue;
      files.folders.push_back(below / name);
      list(root, below / name, depth + 1, files);
    } else if (is_image_name(name.string()) && !is_hidden(name) && !entry.is_fifo() &&
               !entry.is_socket()) {
      files.images.push_back(below / name);  // also a broken link: opening it tells the reason
    } else if (!is_hidden(name) && !is_litter_file(name)) {
      files.others.push_back(below / name);
    }
  }
}

}  // namespace

FolderFiles list_files(const std::string& folder) {
  FolderFiles files;
  list(folder, "", 0, files);
  std::sort(files.images.begin(), files.images.end());
  std::sort(files.others.begin(), files.others.end());
  std::sort(files.folders.begin(), files.folders.end());
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
