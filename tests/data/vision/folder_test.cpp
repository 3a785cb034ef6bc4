// folder:DIR: two parts or one that is split, and everything that can be wrong with a folder of
// images.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include "data/vision/dataset.h"
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
using gmlp::test::TinyJpeg;

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
  folder.write("train/dog/upper.BMP", plain_png(4, 99, 0, 0));  // the content decides, not the name
  const DataSplits splits = open_dataset("folder:" + folder.path(), {});
  CHECK(splits.train->class_names == std::vector<std::string>{"ape", "cat", "dog"});
  CHECK(splits.train->size() == 6);
  REQUIRE(splits.val->size() == 2);
  CHECK(splits.val->label(0) == 0);
  CHECK(splits.val->image(0).bytes[0] == 40);
  CHECK(splits.val->label(1) == 2);
  CHECK(splits.shorter_side == 4);
  CHECK(splits.train->image(0).bytes == splits.train->image(0).bytes);  // decoded, then cached
}

TEST_CASE("an image validates by its name and the seed, whatever other images there are") {
  TemporaryFolder folder;
  write_images(folder, "a", 0, 100);
  write_images(folder, "b", 100, 120);
  const std::string spec = "folder:" + folder.path();
  const DataSplits splits = open_dataset(spec, {});
  CHECK(splits.train->size() + splits.val->size() == 220);
  // 0.2 of each class, within three standard errors.
  CHECK(gmlp::class_counts(*splits.val)[0] == Approx(20).margin(12));
  CHECK(gmlp::class_counts(*splits.val)[1] == Approx(24).margin(13));
  std::set<int> val = reds(*splits.val);
  DataOptions other;
  other.seed = 1;
  CHECK(reds(*open_dataset(spec, other).val) != val);
  // Add and remove images and a class: no other image moves.
  write_images(folder, "0 first", 230, 20);
  for (const std::string name : {"a/0.png", "a/1.png", "b/150.png"}) {
    std::filesystem::remove(folder / name);
    val.erase(std::stoi(name.substr(2)));
  }
  std::set<int> later;
  for (const int red : reds(*open_dataset(spec, {}).val)) {
    if (red < 230) later.insert(red);
  }
  CHECK(later == val);
  DataOptions all;
  all.val_fraction = 0;
  CHECK(open_dataset(spec, all).val->size() == 0);
}

TEST_CASE("the split of a name is the same on every machine and in every version") {
  TemporaryFolder folder;
  write_images(folder, "caf\u00e9", 0, 10);
  write_images(folder, "tea", 10, 10);
  DataOptions options;
  options.val_fraction = 0.5;
  // FNV-1a and Philox, computed in Python.
  const std::set<int> composed = reds(*open_dataset("folder:" + folder.path(), options).val);
  CHECK(composed == std::set<int>{0, 2, 10, 11, 12, 17, 18, 19});
  std::filesystem::rename(folder / "caf\u00e9", folder / "cafe\u0301");
  const DataSplits splits = open_dataset("folder:" + folder.path(), options);
  CHECK(reds(*splits.val) == composed);
  CHECK(splits.train->class_names == std::vector<std::string>{"caf\u00e9", "tea"});
}

TEST_CASE("classes without an image for one of the sets are counted and named") {
  TemporaryFolder folder;
  write_images(folder, "train/cat", 0, 2);
  write_images(folder, "train/dog", 10, 2);
  write_images(folder, "valid/dog", 20, 2);
  std::filesystem::create_directory(folder / "train/eel");
  const DataSplits splits = open_dataset("folder:" + folder.path(), {});
  CHECK(splits.notes ==
        std::vector<std::string>{"class folders without images, left out: 1, such as train/eel",
                                 "classes without validation images: 1 of 2 (cat)"});
}

TEST_CASE("the parts of a folder are found by what they hold") {
  const auto classes_of = [](const std::vector<std::string>& places, int64_t val) {
    TemporaryFolder folder;
    uint8_t first = 0;
    for (const std::string& place : places) write_images(folder, place, first += 10, 3);
    const DataSplits splits = open_dataset("folder:" + folder.path(), {});
    INFO(places[0]);
    if (val >= 0) CHECK(splits.val->size() == val);
    return splits.train->class_names;
  };
  const std::vector<std::string> ab = {"a", "b"};
  CHECK(classes_of({"train/a", "train/b", "valid/a"}, 3) == ab);
  CHECK(classes_of({"Train/a", "Train/b", "Test/b"}, 3) == ab);
  CHECK(classes_of({"train/a", "train/b", "test/a", "validation/a", "validation/b"}, 6) == ab);
  CHECK(classes_of({"train/a/deep/er", "train/b", "val/a"}, 3) == ab);
  CHECK(classes_of({"train/a", "train/b", "val/a", "more/x"}, 3) == ab);
  CHECK(classes_of({"train/a", "train/b"}, -1) == ab);
  CHECK(classes_of({"train/a", "train/b", "test"}, -1) == ab);  // test/: images without classes
  CHECK(classes_of({"train", "plane"}, -1) == std::vector<std::string>{"plane", "train"});
  CHECK(classes_of({"train/x", "test/y", "plane"}, -1) ==
        std::vector<std::string>{"plane", "test", "train"});
  CHECK(classes_of({"train/val", "train/b", "val/val"}, 3) == std::vector<std::string>{"b", "val"});
  TemporaryFolder loose;
  write_images(loose, "train", 0, 3);
  write_images(loose, "test", 10, 3);
  check_folder_error(loose, "images that are in no class folder");
}

TEST_CASE("files that are no images are passed over and counted, litter silently") {
  TemporaryFolder folder;
  write_two_parts(folder);
  for (const std::string name :
       {"Thumbs.db", "train/cat/desktop.ini", "train/._cat/1.png", "train/cat/._1.png",
        "__MACOSX/train/cat/1.png", "train/.ipynb_checkpoints/1.png", "LICENSE", "val/README"}) {
    folder.write(name, {1});
  }
  CHECK(open_dataset("folder:" + folder.path(), {}).notes.size() == 1);  // no cat in val/
  folder.write("train/cat/clip.gif", {1});
  folder.write("train/cat/clip.xml", {1});
  folder.write("train/loose.png", {1});
  const DataSplits splits = open_dataset("folder:" + folder.path(), {});
  CHECK(splits.train->size() == 5);
  check_holds(splits.notes[0], "files passed over, no images of a class: 3, such as");
  check_holds(splits.notes[0], "clip.gif");
}

TEST_CASE("a folder is gray only if all of its images are") {
  TemporaryFolder folder;
  for (const std::string name : {"a/0", "a/1", "b/0", "b/1"}) {
    folder.write(name + ".png", png_file({png_header(2, 2, 8, 0), png_data({0, 1, 2, 0, 3, 4})}));
  }
  CHECK(open_dataset("folder:" + folder.path(), {}).channels == 1);
  folder.write("b/2.jpeg", plain_png(40, 1, 2, 3));
  const DataSplits splits = open_dataset("folder:" + folder.path(), {});
  CHECK(splits.channels == 3);
  CHECK(splits.shorter_side == 2);  // the median
}

TEST_CASE("a folder of one's own is scored whole, the one trained on by its split") {
  TemporaryFolder ours, theirs;
  for (const std::string place : {"a", "b"}) write_images(ours, place, 0, 20);
  write_images(theirs, "a", 100, 20);  // the same names, other images
  DataOptions options;
  const DataSplits trained = open_dataset("folder:" + ours.path(), options);
  options.trained_on = trained.trained_on;
  options.scoring = true;
  const DataSplits own = open_dataset("folder:" + theirs.path(), options);
  CHECK(own.val->size() == 20);
  CHECK(own.train->size() == 0);
  CHECK(gmlp::all_images(own)->size() == 20);
  for (const std::string place : {"a", "b", "b/more"}) write_images(ours, place, 50, 150);
  const DataSplits again = open_dataset("folder:" + ours.path(), options);
  CHECK(again.train->size() > trained.train->size());
  CHECK(gmlp::all_images(again)->size() == 490);
}

TEST_CASE("everything wrong with a folder of images is an error with its remedy") {
  const auto broken = [](const std::function<void(TemporaryFolder&)>& change,
                         const std::string& words) {
    TemporaryFolder folder;
    write_two_parts(folder);
    change(folder);
    check_folder_error(folder, words);
  };
  broken([](TemporaryFolder& f) { write_images(f, "val/eel", 0, 1); }, "no such class in train/");
  broken(
      [](TemporaryFolder& f) {
        std::filesystem::create_directory_symlink(f / "train", f / "train/cat/up");
      },
      "nested more than 16 deep");
  broken([](TemporaryFolder& f) { f.write("train/cat/bad.png", {1, 2}); }, "--skip-bad");
  TemporaryFolder empty;
  check_folder_error(empty, "no class folders");
  TemporaryFolder nested;
  write_images(nested, "Dataset/a", 0, 2);
  check_folder_error(nested, "use folder:" + nested / "Dataset");
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
  CHECK(splits.notes[0].find("cut.png") != std::string::npos);
  options.skip_bad = 100;
  folder.write("train/dog/20.png", {1});
  std::filesystem::create_symlink("nowhere", folder / "train/dog/broken.jpg");
  std::filesystem::create_symlink("itself.jpg", folder / "train/dog/itself.jpg");
  CHECK(open_dataset("folder:" + folder.path(), options).notes.back() ==
        "classes without validation images: 1 of 3 (cat)");
}

TEST_CASE("a JPEG with damaged pixels is found beside the training, a truncated one before") {
  TemporaryFolder folder;
  write_two_parts(folder);
  TinyJpeg jpeg;
  jpeg.data = {0xB2};
  folder.write("train/dog/damaged.jpg", jpeg.file());
  DataOptions options;
  const DataSplits splits = open_dataset("folder:" + folder.path(), options);
  REQUIRE(splits.train->size() == 6);
  std::string message;  // of an image that is not damaged
  for (int i = 0; i < 1000 && message.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    message = input_error([&] { splits.train->image(0); });
  }
  check_holds(message, "damaged.jpg: damaged JPEG");
  check_holds(message, "--skip-bad N");
  options.skip_bad = 1;
  CHECK(open_dataset("folder:" + folder.path(), options).train->size() == 5);
  options = {};
  options.scoring = true;  // which decodes every image anyway
  const DataSplits scored = open_dataset("folder:" + folder.path(), options);
  CHECK(input_error([&] { scored.train->image(0); }).empty());
  CHECK(input_error([&] { scored.train->image(5); }) == message);
  jpeg.end.clear();
  folder.write("train/dog/cut.jpg", jpeg.file());
  check_folder_error(folder, "cut.jpg: truncated JPEG");
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
