// Files that other programs write and read: weights without padding and in any order, arrays in and
// out.

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "apps/vision/commands.h"
#include "apps/vision/evaluate.h"
#include "apps/vision/weights.h"
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
  const std::vector<char> bytes = gmlp::to_safetensors(tensors, {});
  const std::string path = scratch / "short.safetensors";
  gmlp::write_file_atomic(path, {bytes.data(), bytes.size()});
  CHECK_THROWS_WITH(train_with(tiny_run(scratch / "second", {"--init", path})),
                    Catch::Matchers::Contains("norm.bias"));
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
  CHECK_THROWS_WITH(gmlp::load_model(folder),
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

  const gmlp::LoadedModel loaded = gmlp::load_model(folder);
  gmlp::Arena arena;
  const gmlp::Tensor logits =
      gmlp::predict_logits(*loaded.model, images, gmlp::Backend::kFused, arena);
  CHECK(gmlp::test::same_bits(written.to_tensor(gmlp::DType::kF32, "y.npy"), logits));

  // Another size is wrong use, with the sizes and the way out in the message.
  gmlp::write_npy(scratch / "big.npy",
                  gmlp::test::random_tensor(gmlp::DType::kF32, {1, 3, 20, 20}, 1));
  CHECK_THROWS_WITH(gmlp::run_predict({"--model", folder, "--input-array", scratch / "big.npy",
                                       "--output-array", scratch / "z.npy"}),
                    Catch::Matchers::Contains("3x20x20") && Catch::Matchers::Contains("resize"));
}
