// The loader: batches are a function of (seed, epoch, index), whatever thread made them and when.
#include "data/vision/loader.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::Batch;
using gmlp::ImageDataset;
using gmlp::Loader;
using gmlp::LoaderOptions;
using gmlp::TransformOptions;
using gmlp::test::input_error;

namespace {

TransformOptions bytes_transform() {
  TransformOptions options;
  options.height = 6;
  options.width = 6;
  options.channels = 1;
  options.mean = {0};
  options.std = {1.0 / 255};
  return options;
}

LoaderOptions mixing_options() {
  LoaderOptions options;
  options.batch_size = 4;
  options.seed = 11;
  options.smoothing = 0.1;
  options.mixup = 0.8;
  options.cutmix = 1.0;
  return options;
}

/// 6 x 6 images of one byte each, their index. Image `bad` cannot be decoded.
std::shared_ptr<ImageDataset> numbers(int64_t size, int64_t bad = -1) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < size; ++i) labels.push_back(i % 3);
  const auto decode = [bad](int64_t index, const gmlp::PhotoForm&) {
    if (index == bad) gmlp::fail_input("image {} is bad", index);
    gmlp::Image image = gmlp::Image::of_bytes(6, 6, 1);
    image.bytes.assign(36, static_cast<uint8_t>(index));
    return image;
  };
  return std::make_shared<ImageDataset>(ImageDataset{{"a", "b", "c"}, labels, decode});
}

bool same(const gmlp::Tensor& a, const gmlp::Tensor& b) {
  const float* values = a.data<float>();
  return a.shape() == b.shape() && std::equal(values, values + a.elements(), b.data<float>());
}

void check_same(const Batch& a, const Batch& b) {
  CHECK(a.epoch == b.epoch);
  CHECK(a.index == b.index);
  CHECK(a.labels == b.labels);
  CHECK(same(a.images, b.images));
  CHECK(same(a.targets, b.targets));
}

}  // namespace

TEST_CASE("an epoch visits every image once, in another order than the next") {
  LoaderOptions options;
  options.batch_size = 5;
  Loader loader(numbers(20), bytes_transform(), options);
  REQUIRE(loader.batches_per_epoch() == 4);
  std::vector<std::vector<double>> orders(2);
  for (size_t epoch = 0; epoch < 2; ++epoch) {
    for (int64_t index = 0; index < 4; ++index) {
      const Batch batch = loader.next();
      CHECK(batch.epoch == static_cast<int64_t>(epoch));
      CHECK(batch.index == index);
      for (int64_t i = 0; i < 5; ++i) orders[epoch].push_back(batch.images.at(36 * i));
    }
  }
  CHECK(orders[0] != orders[1]);
  for (std::vector<double>& order : orders) {
    std::sort(order.begin(), order.end());
    for (size_t i = 0; i < 20; ++i) CHECK(order[i] == Approx(static_cast<double>(i)));
  }
}

TEST_CASE("training drops the last partial batch, evaluation keeps it, a small set is one batch") {
  LoaderOptions options;
  options.batch_size = 8;
  CHECK(Loader(numbers(20), bytes_transform(), options).batches_per_epoch() == 2);
  Loader small(numbers(3), bytes_transform(), options);
  CHECK(small.batches_per_epoch() == 1);
  CHECK(small.next().labels.size() == 3);
  options.train = false;
  Loader eval(numbers(20), bytes_transform(), options);
  REQUIRE(eval.batches_per_epoch() == 3);
  eval.next();
  eval.next();
  const Batch last = eval.next();
  CHECK(last.labels == std::vector<int64_t>{1, 2, 0, 1});  // 16..19, in order
}

TEST_CASE("seeking yields the same batch as running up to it") {
  TransformOptions transform = bytes_transform();
  transform.augment = gmlp::Augment::kLight;
  Loader running(numbers(23), transform, mixing_options());
  std::vector<Batch> batches;
  batches.reserve(15);
  for (int i = 0; i < 15; ++i) batches.push_back(running.next());
  Loader seeking(numbers(23), transform, mixing_options());
  for (const size_t at : {7U, 0U, 14U, 14U, 3U}) {
    seeking.seek(batches[at].epoch, batches[at].index);
    check_same(seeking.next(), batches[at]);
  }
  seeking.seek(0, 5);  // just after the first epoch's last
  check_same(seeking.next(), batches[5]);
}

TEST_CASE("slow consumers and more prefetching see the same bits") {
  LoaderOptions eager = mixing_options();
  eager.workers = 6;
  Loader fast(numbers(40), bytes_transform(), eager);
  Loader slow(numbers(40), bytes_transform(), mixing_options());
  for (int i = 0; i < 12; ++i) {
    if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    check_same(slow.next(), fast.next());
  }
}

TEST_CASE("any number of workers makes the same batches in the same order") {
  LoaderOptions options = mixing_options();
  Loader one(numbers(25), bytes_transform(), options);
  options.workers = 5;
  Loader five(numbers(25), bytes_transform(), options);
  for (int i = 0; i < 40; ++i) {  // 6 batches per epoch
    if (i == 20) one.seek(3, 4);
    if (i == 20) five.seek(3, 4);
    check_same(one.next(), five.next());
  }
}

TEST_CASE("targets sum to one and agree with the mixed pixels") {
  LoaderOptions options = mixing_options();
  options.smoothing = 0;
  int mixed = 0;
  int boxed = 0;
  Loader loader(numbers(40), bytes_transform(), options);
  for (int step = 0; step < 60; ++step) {
    const Batch batch = loader.next();
    for (int64_t i = 0; i < 4; ++i) {
      double sum = 0;
      for (int64_t c = 0; c < 3; ++c) sum += batch.targets.at(3 * i + c);
      CHECK(sum == Approx(1).margin(1e-6));
    }
    // Lambda is the share of own pixels (CutMix) or of the own value (MixUp).
    std::set<float> values;
    const float* image = batch.images.data<float>();
    for (int64_t k = 0; k < 36; ++k) values.insert(image[k]);
    mixed += values.size() == 1 ? 1 : 0;
    if (values.size() != 2 || batch.labels[0] == batch.labels[3]) continue;
    ++boxed;
    const double own = batch.targets.at(batch.labels[0]);
    const int64_t first = std::count(image, image + 36, *values.begin());
    const double share = static_cast<double>(first) / 36;
    CHECK((own == Approx(share).margin(1e-6) || own == Approx(1 - share).margin(1e-6)));
  }
  CHECK(mixed > 10);
  CHECK(boxed > 5);
}

TEST_CASE("MixUp is a convex combination of the pair with the targets' weights") {
  LoaderOptions options = mixing_options();
  options.cutmix = 0;
  options.smoothing = 0.3;
  const Batch batch = make_batch(*numbers(40), bytes_transform(), options, {0, 7, 20, 31}, 0, 0);
  const double a = batch.images.at(0);       // of 0 and 31
  const double b = batch.images.at(3 * 36);  // of 31 and 0
  CHECK(a + b == Approx(31));
  const double lambda = 1 - a / 31;
  CHECK(batch.targets.at(0) == Approx(lambda * 0.7 + 0.1));        // label 0
  CHECK(batch.targets.at(1) == Approx((1 - lambda) * 0.7 + 0.1));  // label 1, of 31
  CHECK(batch.targets.at(2) == Approx(0.1));
}

TEST_CASE("evaluation neither mixes nor smooths") {
  LoaderOptions options = mixing_options();
  options.train = false;
  const Batch batch = make_batch(*numbers(10), bytes_transform(), options, {4, 5}, 0, 0);
  CHECK(batch.images.at(0) == Approx(4));
  CHECK(batch.targets.at(1) == 1);
  CHECK(batch.targets.at(0) == 0);
}

TEST_CASE("an undecodable image reaches the caller, again and again, until a seek") {
  LoaderOptions options;
  options.batch_size = 2;
  options.shuffle = false;
  Loader loader(numbers(8, 5), bytes_transform(), options);
  loader.next();
  loader.next();
  CHECK(input_error([&] { loader.next(); }) == "image 5 is bad");
  CHECK(input_error([&] { loader.next(); }) == "image 5 is bad");
  loader.seek(0, 3);
  CHECK(loader.next().index == 3);
}

TEST_CASE("a loader can be destroyed at any moment") {
  for (int taken = 0; taken < 6; ++taken) {
    Loader loader(numbers(30), bytes_transform(), mixing_options());
    for (int i = 0; i < taken; ++i) loader.next();
    if (taken % 2 == 0) loader.seek(taken, 0);
  }
  SUCCEED();
}

TEST_CASE("a loader refuses an empty set and a batch of nothing") {
  CHECK_FALSE(input_error([] { Loader(numbers(0), bytes_transform(), {}); }).empty());
  LoaderOptions options;
  options.batch_size = 0;
  CHECK_FALSE(input_error([&] { Loader(numbers(3), bytes_transform(), options); }).empty());
}
