// Files that other programs write and read: weights without padding and in any order, arrays in and
// out.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "apps/vision/commands.h"
#include "core/error.h"
#include "core/io/npy.h"
#include "core/io/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"
#include "tests/train/run_helpers.h"

using gmlp::test::TemporaryFolder;
using gmlp::test::tiny_run;
using gmlp::test::train_with;

namespace {

/// The same tensors with the header's entries backwards, the data in yet another order, no metadata
/// and no padding, so that most tensors begin at addresses that are no multiple of 4.
std::string rewritten(const gmlp::SafetensorsFile& file) {
  std::string header = "{";
  std::string data;
  std::vector<std::string> entries;
  for (const gmlp::SafetensorsFile::Entry& entry : file.entries()) {
    const gmlp::Tensor tensor = file.read(entry.name, gmlp::DType::kF32);
    std::string dims;
    for (const int64_t dim : entry.shape) dims += (dims.empty() ? "" : ",") + std::to_string(dim);
    entries.push_back(fmt::format(R"("{}":{{"shape":[{}],"data_offsets":[{},{}],"dtype":"F32"}})",
                                  entry.name, dims, data.size(),
                                  data.size() + static_cast<size_t>(tensor.bytes())));
    data.append(static_cast<const char*>(tensor.raw()), static_cast<size_t>(tensor.bytes()));
  }
  std::reverse(entries.begin(), entries.end());
  for (const std::string& entry : entries) header += (header.size() > 1 ? "," : "") + entry;
  header += "}";
  if (header.size() % 4 == 0) header += " ";  // never aligned
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + data;
}

}  // namespace

TEST_CASE("weights of another program start a run: unpadded header, any order") {
  const TemporaryFolder scratch;
  REQUIRE(train_with(tiny_run(scratch / "first", {"--max-steps", "3"})) == 0);
  const std::string model = "/checkpoints/last/model.safetensors";
  const gmlp::SafetensorsFile ours = gmlp::SafetensorsFile::open(scratch / "first" + model);
  const std::string foreign = scratch / "foreign.safetensors";
  gmlp::write_file_atomic(foreign, rewritten(ours));

  // A step with learning rate 0 leaves the weights as they were read.
  REQUIRE(train_with(tiny_run(scratch / "second", {"--max-steps", "1", "--lr", "0", "--min-lr", "0",
                                                   "--seed", "7", "--init", foreign})) == 0);
  const gmlp::SafetensorsFile theirs = gmlp::SafetensorsFile::open(scratch / "second" + model);
  REQUIRE(theirs.entries().size() == ours.entries().size());
  for (const gmlp::SafetensorsFile::Entry& entry : ours.entries()) {
    INFO(entry.name);
    CHECK(gmlp::test::same_bits(theirs.read(entry.name, gmlp::DType::kF32),
                                ours.read(entry.name, gmlp::DType::kF32)));
  }
}

TEST_CASE("weights with a missing tensor are refused, and the tensor is named") {
  const TemporaryFolder scratch;
  REQUIRE(train_with(tiny_run(scratch / "first", {"--max-steps", "1"})) == 0);
  const gmlp::SafetensorsFile ours =
      gmlp::SafetensorsFile::open(scratch / "first" + "/checkpoints/last/model.safetensors");
  std::vector<gmlp::NamedTensor> tensors;
  for (const gmlp::SafetensorsFile::Entry& entry : ours.entries()) {
    if (entry.name == "norm.bias") continue;
    tensors.push_back({entry.name, ours.read(entry.name, gmlp::DType::kF32)});
  }
  const std::string bytes = gmlp::to_safetensors(tensors, {});
  const std::string path = scratch / "short.safetensors";
  gmlp::write_file_atomic(path, bytes);
  CHECK_THROWS_WITH(train_with(tiny_run(scratch / "second", {"--init", path})),
                    Catch::Matchers::Contains("norm.bias"));
}

namespace {

/// A vision model for images of `size` x `size` pixels, in patches of 4.
std::unique_ptr<gmlp::VisionModel> small_model(int64_t size, int64_t chans, bool class_token) {
  const gmlp::VisionConfig config{.name = "small",
                                  .img_height = size,
                                  .img_width = size,
                                  .patch = 4,
                                  .chans = chans,
                                  .classes = 3,
                                  .depth = 2,
                                  .d_model = 4,
                                  .d_ffn = 8,
                                  .class_token = class_token,
                                  .spatial_init_std = 0.5};
  return std::make_unique<gmlp::VisionModel>(config, gmlp::DType::kF32, 1);
}

gmlp::Parameter& parameter(gmlp::VisionModel& model, const std::string& name) {
  for (gmlp::Parameter* found : model.parameters()) {
    if (found->name == name) return *found;
  }
  throw std::logic_error("no parameter " + name);
}

std::string write_weights(const gmlp::VisionModel& model, const std::string& path) {
  std::vector<gmlp::NamedTensor> tensors;
  for (const gmlp::Parameter* all : model.parameters()) tensors.push_back({all->name, all->value});
  const std::string bytes = gmlp::to_safetensors(tensors, {});
  gmlp::write_file_atomic(path, bytes);
  return path;
}

void set_values(const gmlp::Tensor& tensor, const std::vector<float>& values) {
  REQUIRE(tensor.elements() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), tensor.data<float>());
}

/// The largest difference from `expected`, whose first element is element `begin`.
double difference(const gmlp::Tensor& tensor, const std::vector<double>& expected, int64_t begin) {
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(tensor.at(begin + static_cast<int64_t>(i)) - expected[i]));
  }
  return largest;
}

const std::string kGate = "blocks.1.mlp_channels.gate.proj.";

}  // namespace

TEST_CASE("spatial weights of another number of patches are resized as PyTorch resizes images") {
  const TemporaryFolder scratch;
  const auto stored = small_model(8, 3, false);
  set_values(parameter(*stored, kGate + "bias").value, {1, 2, 4, 8});
  std::vector<float> w(16);
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 7);
  set_values(parameter(*stored, kGate + "weight").value, w);
  const auto model = small_model(12, 3, false);
  const std::vector<std::string> notes =
      gmlp::initialize_from(*model, write_weights(*stored, scratch / "w.safetensors"));
  CHECK(notes == std::vector<std::string>{
                     "init: the spatial weights are resized from 2 x 2 patches to 3 x 3"});
  // torch.nn.functional.interpolate(mode="bicubic", antialias=True) of each row and each column.
  CHECK(difference(parameter(*model, kGate + "bias").value,
                   {0.7498269, 1.2039474, 1.6580678, 2.3355265, 3.75, 5.1644735, 3.9212258,
                    6.2960525, 8.670879},
                   0) < 1e-6);
  const gmlp::Tensor& weight = parameter(*model, kGate + "weight").value;
  CHECK(difference(weight,
                   {-0.2320875, 0.0112545, 0.2545966, 0.2550977, 0.5682713, 0.8814450, 0.7422832,
                    1.1252884, 1.5082936},
                   0) < 1e-6);
  CHECK(difference(weight,
                   {2.5141416, 2.7574835, 3.0008259, 1.0094832, 1.3226570, 1.6358310, -0.4951759,
                    -0.1121702, 0.2708357},
                   72) < 1e-6);
  CHECK(difference(parameter(*model, "head.bias").value,
                   {parameter(*stored, "head.bias").value.at(0)}, 0) == 0);
}

TEST_CASE("resized spatial weights keep the sums over tokens, and a class token its weights") {
  const TemporaryFolder scratch;
  const auto stored = small_model(16, 1, true);  // 1 + 16 tokens
  const gmlp::Tensor w = parameter(*stored, kGate + "weight").value;
  for (int64_t i = 0; i < 17; ++i) {
    for (int64_t j = 0; j < 17; ++j) w.data<float>()[i * 17 + j] = j == 0 ? 3 : 0.5F;
  }
  const auto model = small_model(8, 1, true);  // 1 + 4 tokens
  gmlp::initialize_from(*model, write_weights(*stored, scratch / "w.safetensors"));
  const gmlp::Tensor& resized = parameter(*model, kGate + "weight").value;
  for (int64_t i = 0; i < 5; ++i) {
    CHECK(difference(resized, {3, 2, 2, 2, 2}, 5 * i) < 1e-6);  // 16 x 0.5 = 4 x 2
  }
}

TEST_CASE("spatial weights that are no square of patches are refused, with the sizes") {
  const TemporaryFolder scratch;
  const auto stored = small_model(8, 3, false);
  for (const gmlp::Shape& shape : {gmlp::Shape{4, 1}, gmlp::Shape{4, 2}, gmlp::Shape{5, 5},
                                   gmlp::Shape{1, 4}, gmlp::Shape{0, 4}, gmlp::Shape{4}}) {
    parameter(*stored, kGate + "weight").value = gmlp::Tensor::zeros(gmlp::DType::kF32, shape);
    const auto model = small_model(12, 3, false);
    CHECK_THROWS_WITH(
        gmlp::initialize_from(*model, write_weights(*stored, scratch / "w.safetensors")),
        Catch::Matchers::Contains(shape.to_string() + ", the model's is [9, 9]: another number"));
  }
}

TEST_CASE("a stem for color is summed for gray images, and a gray one divided for color") {
  const TemporaryFolder scratch;
  const auto color = small_model(8, 3, false);
  const auto gray = small_model(8, 1, false);
  std::vector<std::string> notes =
      gmlp::initialize_from(*gray, write_weights(*color, scratch / "color.safetensors"));
  CHECK(notes ==
        std::vector<std::string>{"init: the stem's weights of 3 channels are summed for 1"});
  const gmlp::Tensor& three = parameter(*color, "stem.proj.weight").value;
  const gmlp::Tensor& one = parameter(*gray, "stem.proj.weight").value;
  for (int64_t d = 0; d < 4; ++d) {
    for (int64_t p = 0; p < 16; ++p) {
      const int64_t at = d * 48 + p;
      CHECK(one.at(d * 16 + p) == Approx(three.at(at) + three.at(at + 16) + three.at(at + 32)));
    }
  }
  gmlp::initialize_from(*color, write_weights(*gray, scratch / "gray.safetensors"));
  CHECK(three.at(5) == Approx(one.at(5) / 3));
  CHECK(three.at(37) == Approx(one.at(5) / 3));
}

TEST_CASE("weights without a head, or with another one, leave the model its own") {
  const TemporaryFolder scratch;
  const auto stored = small_model(8, 3, false);
  std::vector<gmlp::NamedTensor> tensors;
  for (const gmlp::Parameter* all : stored->parameters()) {
    if (!all->name.starts_with("head.")) tensors.push_back({"_orig_mod." + all->name, all->value});
  }
  for (const bool other_head : {false, true}) {
    if (other_head) {
      tensors.push_back({"head.weight", gmlp::Tensor::zeros(gmlp::DType::kF32, {7, 4})});
      tensors.push_back({"head.bias", gmlp::Tensor::zeros(gmlp::DType::kF32, {7})});
    }
    const std::string bytes = gmlp::to_safetensors(tensors, {});
    gmlp::write_file_atomic(scratch / "w.safetensors", bytes);
    const auto model = small_model(8, 3, false);
    parameter(*model, "head.bias").value.fill(5);
    const std::vector<std::string> notes = gmlp::initialize_from(*model, scratch / "w.safetensors");
    REQUIRE(notes.size() == 2);
    CHECK_THAT(notes[0], Catch::Matchers::Contains("head.weight is") &&
                             Catch::Matchers::Contains("it starts anew"));
    CHECK(parameter(*model, "head.bias").value.at(2) == 5);
    CHECK(gmlp::test::same_bits(parameter(*model, "norm.weight").value,
                                parameter(*stored, "norm.weight").value));
  }
}

TEST_CASE("a config.json whose mean, std, crop or photographs are beyond reason is refused") {
  const TemporaryFolder scratch;
  REQUIRE(train_with(tiny_run(scratch / "run", {"--max-steps", "1"})) == 0);
  const std::string folder = scratch / "run" + "/checkpoints/last";
  std::filesystem::remove(folder + "/training.json");
  nlohmann::ordered_json config =
      nlohmann::ordered_json::parse(gmlp::read_text(folder + "/config.json"));
  using Place = nlohmann::ordered_json::json_pointer;
  const auto refused = [&](const char* place, const nlohmann::ordered_json& value) {
    nlohmann::ordered_json changed = config;
    changed[Place(place)] = value;
    gmlp::write_file_atomic(folder + "/config.json", changed.dump());
    INFO(place << " " << value);
    CHECK_THROWS_AS(gmlp::load_classifier(folder), gmlp::InputError);
  };
  for (const double bad : {1e308, -1e308}) {
    refused("/pretrained_cfg/mean", bad);
    refused("/pretrained_cfg/std", bad);
    refused("/pretrained_cfg/crop_pct", bad);
    refused("/gmlp/split/photo_side", bad);
    refused("/gmlp/split/val_fraction", bad);
  }
  refused("/pretrained_cfg/std", 0);
  refused("/pretrained_cfg/std", {0.5, 1e-300, 0.5});
  refused("/pretrained_cfg/mean", {0.5, "0.5", 0.5});
  gmlp::write_file_atomic(folder + "/config.json", config.dump());
  CHECK_NOTHROW(gmlp::load_classifier(folder));
}

TEST_CASE("a config.json of a model much larger than its weights is refused before it is built") {
  const TemporaryFolder scratch;
  REQUIRE(train_with(tiny_run(scratch / "run", {"--max-steps", "1"})) == 0);
  const std::string best = scratch / "run" + "/checkpoints/last";
  const std::string folder = scratch / "folder";
  std::filesystem::create_directory(folder);
  std::filesystem::copy(best + "/model.safetensors", folder);
  std::string config = gmlp::read_text(best + "/config.json");
  const std::string width = "\"embed_dim\": 16,";
  config.replace(config.find(width), width.size(), "\"embed_dim\": 500000,");
  gmlp::write_file_atomic(folder + "/config.json", config);
  CHECK_THROWS_WITH(gmlp::load_classifier(folder),
                    Catch::Matchers::Contains(folder + "/config.json: describes a model of") &&
                        Catch::Matchers::Contains("model.safetensors holds"));
}

TEST_CASE("predict writes the logits of a float array") {
  const TemporaryFolder scratch;
  REQUIRE(train_with(tiny_run(scratch / "run", {"--max-steps", "5"})) == 0);
  const std::string folder = scratch / "run" + "/checkpoints/last";
  const gmlp::Tensor images = gmlp::test::random_tensor(gmlp::DType::kF32, {5, 3, 16, 16}, 1);
  gmlp::write_npy(scratch / "x.npy", images);
  REQUIRE(gmlp::run_predict({"--model", folder, "--input-array", scratch / "x.npy",
                             "--output-array", scratch / "y.npy"}) == 0);
  const gmlp::NpyArray written = gmlp::read_npy(scratch / "y.npy");
  REQUIRE(written.shape == std::vector<int64_t>{5, 8});

  const gmlp::Classifier loaded = gmlp::load_classifier(folder);
  gmlp::Arena arena;
  const gmlp::Tensor logits = gmlp::predict_logits(loaded, images, arena);
  CHECK(gmlp::test::same_bits(written.to_tensor(gmlp::DType::kF32, "y.npy"), logits));

  // Another size is wrong use, with the sizes and the way out in the message.
  gmlp::write_npy(scratch / "big.npy",
                  gmlp::test::random_tensor(gmlp::DType::kF32, {1, 3, 20, 20}, 1));
  CHECK_THROWS_WITH(
      gmlp::run_predict({"--model", folder, "--input-array", scratch / "big.npy", "--output-array",
                         scratch / "z.npy"}),
      Catch::Matchers::Contains("3 x 20 x 20") && Catch::Matchers::Contains("resize"));
}
