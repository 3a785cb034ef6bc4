// folder:DIR: two parts or one that is split, and everything that can be wrong with a folder of
// images.
#include <algorithm>
#include <filesystem>
#include <set>

#include "data/vision/dataset.h"
#include "data/vision/image_decode.h"
#include "data/vision/transform.h"
#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::DataOptions;
using gmlp::DataSplits;
using gmlp::open_dataset;
using gmlp::test::Bytes;
using gmlp::test::check_holds;
using gmlp::test::input_error;
using gmlp::test::plain_png;
using gmlp::test::png_data;
using gmlp::test::png_file;
using gmlp::test::png_header;
using gmlp::test::TemporaryFolder;

namespace {

void check_folder_error(const TemporaryFolder& folder, const std::string& words,
                        const DataOptions& options = {}) {
  const std::string message =
      input_error([&] { open_dataset("folder:" + folder.path(), options); });
  check_holds(message, words);
}

/// Pictures whose red byte is their number.
void write_images(const TemporaryFolder& folder, const std::string& place, uint8_t first,
                  uint8_t count) {
  for (uint8_t i = 0; i < count; ++i) {
    const uint8_t red = static_cast<uint8_t>(first + i);
    folder.write(place + "/" + std::to_string(red) + ".png", plain_png(4, red, 0, 0));
  }
}

void write_two_parts(const TemporaryFolder& folder) {
  write_images(folder, "train/cat", 0, 2);
  write_images(folder, "train/ape", 10, 2);
  write_images(folder, "train/dog", 20, 1);
  write_images(folder, "val/dog", 30, 1);
  write_images(folder, "val/ape", 40, 1);
}

std::set<int> reds(const gmlp::ImageDataset& set) {
  std::set<int> result;
  for (int64_t i = 0; i < set.size(); ++i) result.insert(set.image(i).bytes[0]);
  return result;
}

}  // namespace

TEST_CASE("class names are sorted and val's folders are matched by name") {
  TemporaryFolder folder;
  write_two_parts(folder);
  folder.write("train/cat/notes.txt", {1});
  folder.write("train/cat/.hidden", {1});
  folder.write("train/README.md", {1});
  folder.write("train/dog/upper.BMP", plain_png(4, 99, 0, 0));  // the content decides, not the name
  const DataSplits splits = open_dataset("folder:" + folder.path(), {});
  CHECK(splits.train->class_names() == std::vector<std::string>{"ape", "cat", "dog"});
  CHECK(splits.train->size() == 6);
  REQUIRE(splits.val->size() == 2);
  CHECK(splits.val->label(0) == 0);
  CHECK(splits.val->image(0).bytes[0] == 40);
  CHECK(splits.val->label(1) == 2);
  CHECK(splits.height == 4);
  CHECK(splits.train->image(0).bytes == splits.train->image(0).bytes);  // decoded, then cached
}

TEST_CASE("a folder without val is split by seed, class by class, the same way every time") {
  TemporaryFolder folder;
  write_images(folder, "a", 0, 10);
  write_images(folder, "b", 100, 20);
  const std::string spec = "folder:" + folder.path();
  const DataSplits splits = open_dataset(spec, {});
  CHECK(splits.train->size() == 24);
  CHECK(splits.val->size() == 6);
  CHECK(splits.notes.size() == 1);
  std::set<int> all = reds(*splits.train);
  const std::set<int> val = reds(*splits.val);
  CHECK(std::count_if(val.begin(), val.end(), [](int red) { return red < 100; }) == 2);
  all.insert(val.begin(), val.end());
  CHECK(all.size() == 30);
  CHECK(reds(*open_dataset(spec, {}).val) == val);
  DataOptions other;
  other.seed = 1;
  CHECK(reds(*open_dataset(spec, other).val) != val);
}

TEST_CASE("everything wrong with a folder of images is an error with its remedy") {
  const auto broken = [](const std::function<void(TemporaryFolder&)>& change,
                         const std::string& words) {
    TemporaryFolder folder;
    write_two_parts(folder);
    change(folder);
    check_folder_error(folder, words);
  };
  broken([](TemporaryFolder& f) { f.write("train/cat/x.gif", {1}); }, "not a .png");
  broken([](TemporaryFolder& f) { f.write("train/x.png", {1}); }, "beside the class folders");
  broken([](TemporaryFolder& f) { write_images(f, "train/cat/more", 0, 1); }, "within a class");
  broken([](TemporaryFolder& f) { std::filesystem::create_directory(f / "train/eel"); },
         "a class without images");
  broken([](TemporaryFolder& f) { write_images(f, "val/eel", 0, 1); }, "no such class in train/");
  broken([](TemporaryFolder& f) { std::filesystem::remove_all(f / "val"); }, "no val/");
  broken([](TemporaryFolder& f) { f.write("train/cat/bad.png", {1, 2}); }, "--skip-bad");
  TemporaryFolder empty;
  check_folder_error(empty, "no class folders");
  TemporaryFolder nested;
  write_images(nested, "Dataset/a", 0, 2);
  check_folder_error(nested, "did you mean folder:" + nested / "Dataset");
  TemporaryFolder single;
  write_images(single, "a", 0, 1);
  write_images(single, "b", 0, 2);
  check_folder_error(single, "one image cannot be split");
}

TEST_CASE("bad images are left out up to the number allowed, and noted") {
  TemporaryFolder folder;
  write_two_parts(folder);
  Bytes cut = plain_png(4, 1, 2, 3);
  cut.pop_back();
  folder.write("train/cat/cut.png", cut);
  folder.write("val/dog/text.jpg", {'h', 'i'});
  DataOptions options;
  options.skip_bad = 1;
  check_folder_error(folder, "text.jpg", options);
  options.skip_bad = 2;
  const DataSplits splits = open_dataset("folder:" + folder.path(), options);
  CHECK(splits.train->size() == 5);
  CHECK(splits.val->size() == 2);
  REQUIRE(splits.notes.size() == 2);
  CHECK(splits.notes[0].find("cut.png") != std::string::npos);
  options.skip_bad = 100;
  folder.write("train/dog/20.png", {1});
  check_folder_error(folder, "class dog has no usable images", options);
}

TEST_CASE("a large photo is shrunk to the same pixels whether cached or not") {
  TemporaryFolder folder;
  write_two_parts(folder);
  Bytes rows;
  for (int y = 0; y < 60; ++y) {
    rows.push_back(0);
    for (int x = 0; x < 90; ++x) rows.push_back(static_cast<uint8_t>(2 * x + y));
  }
  folder.write("train/ape/0.png", png_file({png_header(90, 60, 8, 0), png_data(rows)}));
  const DataSplits splits = open_dataset("folder:" + folder.path(), {});
  CHECK(splits.height == 60);
  CHECK(splits.width == 90);
  const gmlp::Image photo = gmlp::decode_image(folder / "train/ape/0.png");
  const gmlp::Image small = splits.train->image(0, {.side = 20});
  CHECK(small.height == 20);
  CHECK(small.width == 30);
  CHECK(small.bytes == gmlp::shrink_photo(photo, {.side = 20}).bytes);
  CHECK(small.bytes == splits.train->image(0, {.side = 20}).bytes);  // from the cache
  for (const int64_t side : {0, 60, 100}) {
    CHECK(splits.train->image(0, {.side = side}).bytes == photo.bytes);
  }
}
