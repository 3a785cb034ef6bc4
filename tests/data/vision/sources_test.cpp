// idx, CIFAR, arrays, shapes: real records by checksum, and every malformed variant by its message.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <zlib.h>

#include "data/vision/dataset.h"
#include "tests/data/check_holds.h"
#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::DataSplits;
using gmlp::open_dataset;
using gmlp::test::append;
using gmlp::test::append_be32;
using gmlp::test::append_le32;
using gmlp::test::Bytes;
using gmlp::test::check_holds;
using gmlp::test::gzip;
using gmlp::test::input_error;
using gmlp::test::TemporaryFolder;

namespace {

uint32_t crc_of(const gmlp::ImageDataset& set, int64_t index) {
  const Bytes bytes = set.image(index).bytes;
  return static_cast<uint32_t>(crc32(0, bytes.data(), static_cast<uInt>(bytes.size())));
}

std::string open_error(const std::string& spec) {
  return input_error([&] { open_dataset(spec, {}); });
}

void check_source_error(const std::string& spec, const std::string& words) {
  const std::string message = open_error(spec);
  check_holds(message, words);
}

Bytes idx_images(uint32_t count, uint32_t stored) {
  Bytes bytes;
  for (const uint32_t number : {0x803U, count, 2U, 2U}) append_be32(bytes, number);
  for (uint32_t i = 0; i < stored; ++i) append(bytes, {static_cast<uint8_t>(i), 1, 2, 3});
  return bytes;
}

Bytes idx_labels(uint32_t count, const Bytes& labels) {
  Bytes bytes;
  for (const uint32_t number : {0x801U, count}) append_be32(bytes, number);
  append(bytes, labels);
  return bytes;
}

/// A good MNIST folder of three and two images.
void write_mnist(const TemporaryFolder& folder) {
  folder.write("train-images-idx3-ubyte", idx_images(3, 3));
  folder.write("train-labels-idx1-ubyte", idx_labels(3, {0, 9, 5}));
  folder.write("t10k-images-idx3-ubyte.gz", gzip(idx_images(2, 2)));
  folder.write("t10k-labels-idx1-ubyte", idx_labels(2, {1, 2}));
}

Bytes text(const std::string& s) {
  return {s.begin(), s.end()};
}

Bytes cifar_records(int64_t label_bytes, const Bytes& labels) {
  Bytes bytes;
  for (const uint8_t label : labels) {
    if (label_bytes == 2) bytes.push_back(19);
    bytes.push_back(label);
    for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<uint8_t>(i / 1024 * 50 + i % 32));
  }
  return bytes;
}

void write_cifar10(const TemporaryFolder& folder) {
  folder.write("batches.meta.txt", text("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n"));
  for (int i = 1; i <= 5; ++i) {
    folder.write("data_batch_" + std::to_string(i) + ".bin",
                 cifar_records(1, {static_cast<uint8_t>(i), 9}));
  }
  folder.write("test_batch.bin", cifar_records(1, {0}));
}

Bytes npy(const std::string& descr, const std::string& shape, const Bytes& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  Bytes bytes{0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
  append(bytes, text(header));
  append(bytes, data);
  return bytes;
}

Bytes int32s(const std::vector<uint32_t>& values) {
  Bytes bytes;
  for (const uint32_t value : values) append_le32(bytes, value);
  return bytes;
}

void write_arrays(const TemporaryFolder& folder) {
  folder.write("train_images.npy",
               npy("|u1", "(2, 1, 2, 3)", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  folder.write("train_labels.npy", npy("<i4", "(2,)", int32s({0, 2})));
  folder.write("val_images.npy", npy("|u1", "(1, 1, 2, 3)", {1, 2, 3, 4, 5, 6}));
  folder.write("val_labels.npy", npy("<i4", "(1,)", int32s({1})));
}

}  // namespace

TEST_CASE("Fashion-MNIST's records have the checksums of the original") {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")) {
    WARN("SKIPPED: the package dataset-fashion-mnist is not installed");
    return;
  }
  unsetenv("GMLP_DATA");
  const DataSplits splits = open_dataset("fashion-mnist", {});
  REQUIRE(splits.train->size() == 60000);
  REQUIRE(splits.val->size() == 10000);
  CHECK(splits.shorter_side == 28);
  CHECK(splits.channels == 1);
  CHECK(crc_of(*splits.train, 0) == 0xf270beb5);
  CHECK(crc_of(*splits.train, 1) == 0x8679905e);
  CHECK(crc_of(*splits.train, 59999) == 0x6d595368);
  CHECK(crc_of(*splits.val, 0) == 0x52830860);
  CHECK(crc_of(*splits.val, 9999) == 0x4c5edc96);
  CHECK(splits.train->class_names[static_cast<size_t>(splits.train->label(0))] == "Ankle boot");
  uLong labels = 0;
  for (int64_t i = 0; i < 60000; ++i) {
    const uint8_t label = static_cast<uint8_t>(splits.train->label(i));
    labels = crc32(labels, &label, 1);
  }
  CHECK(labels == 0x2ed6e46a);
}

TEST_CASE("an idx folder reads plain and gzipped files alike") {
  TemporaryFolder folder;
  write_mnist(folder);
  const DataSplits splits = open_dataset("mnist:" + folder.path(), {});
  CHECK(splits.train->size() == 3);
  CHECK(splits.val->size() == 2);
  CHECK(splits.train->label(1) == 9);
  CHECK(splits.val->image(1).bytes == Bytes{1, 1, 2, 3});
  CHECK(splits.train->class_names[3] == "3");
}

TEST_CASE("every malformed idx file is refused with its reason") {
  TemporaryFolder folder;
  const std::string spec = "mnist:" + folder.path();
  const auto broken = [&](const std::string& name, const Bytes& bytes, const std::string& words) {
    write_mnist(folder);
    folder.write(name, bytes);
    check_source_error(spec, words);
    std::filesystem::remove(folder / name);
  };
  broken("train-images-idx3-ubyte", idx_labels(8, Bytes(8)), "another kind of file");
  broken("train-images-idx3-ubyte", {0, 0, 8}, "shorter than its header");
  broken("train-images-idx3-ubyte", idx_images(3, 2), "its header announces 28");
  broken("train-images-idx3-ubyte", idx_images(3, 4), "its header announces 28");
  broken("train-images-idx3-ubyte", idx_images(0xFFFFFFFF, 1), "announces");
  broken("train-images-idx3-ubyte", idx_images(2, 2), "do not belong together");
  broken("train-labels-idx1-ubyte", idx_labels(3, {0, 10, 0}), "label 10 of image 1");
  Bytes packed = gzip(idx_images(2, 2));
  broken("t10k-images-idx3-ubyte.gz", gzip(idx_images(2, 3)), "its header announces 24");
  broken("t10k-images-idx3-ubyte.gz", gzip(idx_images(2, 1)), "its header announces 24");
  broken("t10k-images-idx3-ubyte.gz", gzip(idx_images(0x10000000, 1)), "its header announces");
  for (size_t size = 0; size < packed.size(); ++size) {
    write_mnist(folder);
    folder.write("t10k-images-idx3-ubyte.gz",
                 Bytes(packed.begin(), packed.begin() + static_cast<int64_t>(size)));
    INFO("cut to " << size);
    CHECK_FALSE(open_error(spec).empty());
  }
  packed[packed.size() - 6] ^= 1;  // the gzip CRC
  broken("t10k-images-idx3-ubyte.gz", packed, "incorrect data check");
  check_source_error(spec, "neither");
}

TEST_CASE("CIFAR-10's planes become pixels") {
  TemporaryFolder folder;
  write_cifar10(folder);
  const DataSplits splits = open_dataset("cifar10:" + folder.path(), {});
  CHECK(splits.train->size() == 10);
  CHECK(splits.train->label(4) == 3);
  CHECK(splits.train->class_names[9] == "j");
  const gmlp::Image image = splits.val->image(0);
  REQUIRE(image.bytes.size() == 3072);
  CHECK(image.bytes[3 * 33] == 1);
  CHECK(image.bytes[3 * 33 + 2] == 101);
}

TEST_CASE("CIFAR-100 uses the fine label") {
  TemporaryFolder folder;
  std::string names;
  for (int i = 0; i < 100; ++i) names += "class" + std::to_string(i) + "\r\n";
  folder.write("fine_label_names.txt", text(names));
  folder.write("train.bin", cifar_records(2, {99, 0}));
  folder.write("test.bin", cifar_records(2, {42}));
  const DataSplits splits = open_dataset("cifar100:" + folder.path(), {});
  CHECK(splits.train->label(0) == 99);
  CHECK(splits.val->class_names[42] == "class42");
  CHECK(splits.val->image(0).bytes[0] == 0);
}

TEST_CASE("every malformed CIFAR file is refused with its reason") {
  TemporaryFolder folder;
  const std::string spec = "cifar10:" + folder.path();
  const auto broken = [&](const std::string& name, const Bytes& bytes, const std::string& words) {
    write_cifar10(folder);
    folder.write(name, bytes);
    check_source_error(spec, words);
  };
  broken("data_batch_3.bin", Bytes(3072), "data_batch_3.bin is 3072 bytes, not a multiple of 3073");
  broken("data_batch_3.bin", {}, "0 bytes");
  broken("test_batch.bin", cifar_records(1, {0, 10}), "label 10 of image 1");
  broken("batches.meta.txt", text("a\nb\n"), "2 class names, not 10");
  write_cifar10(folder);
  std::filesystem::remove(folder / "data_batch_5.bin");
  check_source_error(spec, "data_batch_5.bin");
}

TEST_CASE("labels that start at 1 are said, and class 0 is counted as absent") {
  TemporaryFolder folder;
  write_arrays(folder);
  CHECK(open_dataset("arrays:" + folder.path(), {}).notes.size() == 2);
  folder.write("train_labels.npy", npy("<i4", "(2,)", int32s({1, 2})));
  const DataSplits splits = open_dataset("arrays:" + folder.path(), {});
  CHECK(splits.notes[0] ==
        "classes without training images: 1 of 3 (0); the labels start at 1: subtract 1 to save an "
        "output");
}

TEST_CASE("rows of arrays that cannot be used are left out up to the number allowed, and counted") {
  TemporaryFolder folder;
  write_arrays(folder);
  folder.write("train_labels.npy", npy("<i4", "(2,)", int32s({0xFFFFFFFF, 1})));
  gmlp::DataOptions options;
  check_source_error("arrays:" + folder.path(), "label -1 of image 0");
  options.skip_bad = 1;
  const DataSplits splits = open_dataset("arrays:" + folder.path(), options);
  CHECK(splits.train->size() == 1);
  CHECK(splits.train->image(0).bytes == Bytes{7, 8, 9, 10, 11, 12});
  CHECK(splits.notes[0] ==
        "1 bad images left out; the first: " + folder / "train_labels.npy" +
            ": label -1 of image 0 is not in 0..1048575; the file is damaged or of "
            "another data set");
}

TEST_CASE("balanced weights are n / (K n_c)") {
  CHECK(gmlp::balanced_weights({1, 3, 0, 8}) == std::vector<double>{4, 12.0 / 9, 1, 0.5});
}

TEST_CASE("arrays are read as bytes or floats, unchanged") {
  TemporaryFolder folder;
  write_arrays(folder);
  const DataSplits splits = open_dataset("arrays:" + folder.path(), {});
  CHECK(splits.shorter_side == 1);
  CHECK(splits.channels == 3);
  CHECK(splits.train->class_names.size() == 3);
  CHECK(splits.train->image(1).bytes == Bytes{7, 8, 9, 10, 11, 12});
  const Bytes one = int32s({0x3F800000, 0x40000000});  // 1, 2
  folder.write("train_images.npy", npy("<f4", "(2, 1, 1, 1)", one));
  folder.write("val_images.npy", npy("<f4", "(1, 1, 1, 1)", int32s({0x3F800000})));
  CHECK(open_dataset("arrays:" + folder.path(), {}).train->image(1).values ==
        std::vector<float>{2});
}

TEST_CASE("every malformed array is refused with its reason") {
  TemporaryFolder folder;
  const std::string spec = "arrays:" + folder.path();
  const auto broken = [&](const std::string& name, const Bytes& bytes, const std::string& words) {
    write_arrays(folder);
    folder.write(name, bytes);
    check_source_error(spec, words);
  };
  broken("train_images.npy", npy("<f8", "(2, 1, 1, 1)", Bytes(16)), "images of type f8");
  broken("train_images.npy", npy("|u1", "(2, 3)", Bytes(6)), "shape (2, 3)");
  broken("train_images.npy", npy("|u1", "(2, 3, 1, 2)", Bytes(12)), "2 channels");
  broken("train_images.npy", npy("|u1", "(1, 1, 2, 3)", Bytes(6)), "do not belong together");
  // Counted before they are read as integers.
  broken("train_labels.npy", npy("<f4", "(3,)", Bytes(12)), "do not belong together");
  broken("train_labels.npy", npy("<f4", "(2,)", Bytes(8)), "train_labels.npy");
  broken("train_labels.npy", npy("<i4", "(2, 1)", Bytes(8)), "one integer per image");
  broken("train_labels.npy", npy("<i4", "(2,)", int32s({0, 0xFFFFFFFF})), "label -1 of image 1");
  broken("val_labels.npy", npy("<i4", "(1,)", int32s({3})), "label 3 of image 0");
  broken("val_images.npy", npy("|u1", "(1, 2, 1, 3)", Bytes(6)), "differ in image size");
  broken("train_images.npy", npy("|u1", "(2, 1, 2, 3)", Bytes(11)), "train_images.npy");
  write_arrays(folder);
  folder.write("val_images.npy", npy("<f4", "(1, 1, 1, 1)", int32s({0x3F800000})));
  broken("train_images.npy", npy("<f4", "(2, 1, 1, 1)", int32s({0, 0x7FC00000})),
         "image 1 holds nan");
}

TEST_CASE("shapes are the same every time and hold every class equally") {
  const DataSplits splits = open_dataset("shapes", {});
  CHECK(splits.train->size() == 8000);
  CHECK(splits.val->size() == 2000);
  CHECK(splits.train->class_names.size() == 8);
  std::vector<int64_t> counts(8);
  for (int64_t i = 0; i < 8000; ++i) ++counts[static_cast<size_t>(splits.train->label(i))];
  for (const int64_t count : counts) CHECK(count == 1000);
  CHECK(crc_of(*splits.train, 17) == crc_of(*open_dataset("shapes", {}).train, 17));
  CHECK(crc_of(*splits.train, 0) != crc_of(*splits.val, 0));
}

TEST_CASE("a limited training set is a fixed random part") {
  gmlp::DataOptions options;
  options.max_train_samples = 100;
  const DataSplits splits = open_dataset("shapes", options);
  CHECK(splits.train->size() == 100);
  CHECK(splits.val->size() == 2000);
  REQUIRE(splits.notes.size() == 1);
  CHECK(crc_of(*splits.train, 99) == crc_of(*open_dataset("shapes", options).train, 99));
}

TEST_CASE("an unknown data specification names the choices") {
  check_source_error("imagenet", "choose fashion-mnist");
  check_source_error("mnist", "no folder given");
  check_source_error("mnist:/nonexistent", "is no folder");
}
