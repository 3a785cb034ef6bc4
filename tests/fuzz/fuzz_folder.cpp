// A folder of images, one entry per line: a letter for its kind, and its path. A scan finds each
// image once, under a class that exists.
#include <algorithm>
#include <filesystem>
#include <set>

#include <sys/stat.h>

#include "apps/cli/format.h"
#include "core/parallel.h"
#include "data/vision/dataset.h"
#include "tests/data/data_files.h"
#include "tests/fuzz/fuzz.h"

namespace fs = std::filesystem;

namespace {

void make_entry(const fs::path& root, const std::string& line) {
  static const gmlp::test::Bytes image = gmlp::test::plain_png(1, 10, 20, 30);
  const fs::path path = fs::path(line.substr(1)).relative_path();
  const bool climbs = std::ranges::find(path, fs::path("..")) != path.end();
  if (path.empty() || climbs || line.size() > 200) return;
  std::error_code failed;
  fs::create_directories((root / path).parent_path(), failed);
  const fs::path target = root / path;
  if (failed || fs::exists(fs::symlink_status(target, failed))) return;
  switch (line[0]) {
    case 'd':
      fs::create_directory(target, failed);
      break;
    case 'p':
      mkfifo(target.c_str(), 0600);
      break;
    case 'r':
      fs::create_symlink(root, target, failed);
      break;  // a loop
    case 's':
      fs::create_symlink(target, target, failed);
      break;  // of itself
    case 'b':
      std::ofstream(target) << line;
      break;  // no image
    default:
      std::ofstream(target).write(reinterpret_cast<const char*>(image.data()), std::ssize(image));
  }
}

gmlp::DataSplits scan(const std::vector<std::string>& lines, const std::string& root,
                      const gmlp::DataOptions& options) {
  fs::remove_all(root);
  fs::create_directory(root);
  for (const std::string& line : lines) {
    if (!line.empty()) make_entry(root, line);
  }
  return gmlp::open_folder(root, options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gmlp::test::TemporaryFolder folder;
  if (size == 0) return 0;
  gmlp::set_thread_count(1);
  std::vector<std::string> lines =
      gmlp::lines_of(std::string(gmlp::test::view_of(data + 1, size - 1)));
  lines.resize(std::min<size_t>(lines.size(), 32));
  const gmlp::DataOptions options = {.skip_bad = data[0] & 1, .scoring = (data[0] & 2) != 0};
  return gmlp::test::accept_input_errors([&] {
    const gmlp::DataSplits splits = scan(lines, folder / "set", options);
    const int64_t classes = std::ssize(splits.train->class_names);
    for (const gmlp::ImageDataset* set : {splits.train.get(), splits.val.get()}) {
      for (int64_t i = 0; i < set->size(); ++i) {
        gmlp::test::check(set->image(i).elements() == 3);
        gmlp::test::check(set->label(i) >= 0 && set->label(i) < classes);
      }
    }
    const gmlp::FolderFiles files = gmlp::list_files(folder / "set");
    gmlp::test::check(splits.train->size() + splits.val->size() <= std::ssize(files.images));
    gmlp::test::check(std::set(files.images.begin(), files.images.end()).size() ==
                      files.images.size());
  });
}
