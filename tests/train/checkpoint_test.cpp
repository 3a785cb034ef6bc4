// Checkpoints: what is saved comes back, and no damage is loaded.

#include <filesystem>

#include <fmt/format.h>

#include "apps/train/run_folder.h"
#include "core/error.h"
#include "core/random.h"
#include "tests/support/catch.h"
#include "tests/train/run_helpers.h"

using gmlp::test::TemporaryFolder;

namespace {

namespace fs = std::filesystem;

gmlp::Tensor counted(const gmlp::Shape& shape, float first) {
  gmlp::Tensor tensor = gmlp::Tensor::zeros(gmlp::DType::kF32, shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.data<float>()[i] = first + static_cast<float>(i);
  }
  return tensor;
}

gmlp::CheckpointContent small_content(float first) {
  gmlp::CheckpointContent content;
  content.model = {{"stem.weight", counted({3, 5}, first)}, {"stem.bias", counted({3}, 7)}};
  content.training = {{"m.stem.weight", counted({3, 5}, 1)}, {"v.stem.weight", counted({3, 5}, 2)}};
  content.config = "{\"architecture\": \"gmlp_s16_224\"}\n";
  content.state = "{\"step\": 12}";
  return content;
}

gmlp::CheckpointBytes bytes_of_step(int64_t step) {
  gmlp::CheckpointContent content = small_content(static_cast<float>(step));
  content.state = fmt::format("{{\"step\": {}}}", step);
  return gmlp::checkpoint_bytes(content);
}

double first_weight(const std::string& folder) {
  return gmlp::open_checkpoint(folder).model.read("stem.weight", gmlp::DType::kF32).at(0);
}

/// The error of opening `folder`; empty when it opens.
std::string opening_error(const std::string& folder) {
  try {
    gmlp::open_checkpoint(folder);
  } catch (const gmlp::InputError& error) {
    return error.what();
  }
  return "";
}

const std::vector<std::string> kFiles = {"model.safetensors", "training.safetensors", "config.json",
                                         "training.json"};

}  // namespace

TEST_CASE("a checkpoint comes back as it was saved") {
  const TemporaryFolder scratch;
  const std::string path = scratch / "last";
  gmlp::save_checkpoint(gmlp::checkpoint_bytes(small_content(1)), path);
  const gmlp::Checkpoint checkpoint = gmlp::open_checkpoint(path);
  const gmlp::Tensor weight = checkpoint.model.read("stem.weight", gmlp::DType::kF32);
  REQUIRE(weight.shape() == gmlp::Shape{3, 5});
  REQUIRE(weight.at(14) == 15);
  REQUIRE(checkpoint.training->read("v.stem.weight", gmlp::DType::kF32).at(0) == 2);
  REQUIRE(checkpoint.config == "{\"architecture\": \"gmlp_s16_224\"}\n");
  REQUIRE(checkpoint.state.find("\"step\": 12") != std::string::npos);
  REQUIRE(checkpoint.model.metadata().at("format") == "pt");
  REQUIRE_FALSE(fs::exists(gmlp::temporary_for(path)));
}

TEST_CASE("a checkpoint truncated at any of 200 places is refused and the file named") {
  const TemporaryFolder scratch;
  const std::string path = scratch / "last";
  gmlp::save_checkpoint(gmlp::checkpoint_bytes(small_content(1)), path);
  gmlp::Random random(1, gmlp::Purpose::kSample);
  for (int i = 0; i < 200; ++i) {
    const std::string& name = kFiles[static_cast<size_t>(i) % kFiles.size()];
    const std::string file = (fs::path(path) / name).string();
    const std::string whole = gmlp::read_text(file);
    const int64_t length = i < 4 ? 0 : random.below(static_cast<int64_t>(whole.size()));
    fs::resize_file(file, static_cast<uintmax_t>(length));
    INFO(name << " cut to " << length);
    REQUIRE(opening_error(path).find(name) != std::string::npos);
    gmlp::write_file_atomic(file, whole);
  }
  REQUIRE(opening_error(path).empty());
}

TEST_CASE("a checkpoint with any of 200 flipped bits is refused and the file named") {
  const TemporaryFolder scratch;
  const std::string path = scratch / "last";
  gmlp::save_checkpoint(gmlp::checkpoint_bytes(small_content(1)), path);
  gmlp::Random random(2, gmlp::Purpose::kSample);
  for (int i = 0; i < 200; ++i) {
    const std::string& name = kFiles[static_cast<size_t>(i) % kFiles.size()];
    const std::string file = (fs::path(path) / name).string();
    const std::string whole = gmlp::read_text(file);
    std::string damaged = whole;
    const size_t at = static_cast<size_t>(random.below(static_cast<int64_t>(whole.size())));
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
    gmlp::write_file_atomic(file, damaged);
    INFO(name << " flipped at " << at);
    REQUIRE(opening_error(path).find(name) != std::string::npos);
    gmlp::write_file_atomic(file, whole);
  }
}

TEST_CASE("a flipped bit in a tensor names the tensor") {
  const TemporaryFolder scratch;
  const std::string path = scratch / "last";
  gmlp::save_checkpoint(gmlp::checkpoint_bytes(small_content(1)), path);
  const std::string file = path + "/model.safetensors";
  std::string bytes = gmlp::read_text(file);
  bytes[bytes.size() - 1] = static_cast<char>(bytes[bytes.size() - 1] ^ 1);  // of the last tensor
  gmlp::write_file_atomic(file, bytes);
  REQUIRE(opening_error(path).find("stem.bias") != std::string::npos);
}

TEST_CASE("a checkpoint without a file that training.json names is refused") {
  const TemporaryFolder scratch;
  for (const char* name : {"model.safetensors", "training.safetensors", "config.json"}) {
    const std::string path = scratch / "last";
    gmlp::save_checkpoint(gmlp::checkpoint_bytes(small_content(1)), path);
    fs::remove(path + "/" + name);
    REQUIRE(opening_error(path).find(std::string(name) + ": missing") != std::string::npos);
  }
}

TEST_CASE("a folder of another program, without training.json, is opened") {
  const TemporaryFolder scratch;
  const std::string path = scratch / "theirs";
  gmlp::save_checkpoint(gmlp::checkpoint_bytes(small_content(1)), path);
  fs::remove(path + "/training.json");
  fs::remove(path + "/training.safetensors");
  REQUIRE(gmlp::open_checkpoint(path).state.empty());
}

TEST_CASE("the previous last stays as step-N up to the history, and loads") {
  const TemporaryFolder scratch;
  gmlp::RunFolder run(scratch.path());
  for (int64_t step = 1; step <= 5; ++step) run.save_last(bytes_of_step(step), step, 2);
  REQUIRE_FALSE(fs::exists(run.checkpoint("step-2")));
  for (const char* name : {"step-3", "step-4", "last"}) {
    REQUIRE(opening_error(run.checkpoint(name)) == "");
  }
  REQUIRE(first_weight(run.checkpoint("step-4")) == 4);
}

TEST_CASE("what a killed save left is repaired when the run is opened again") {
  const TemporaryFolder scratch;
  const std::string root = scratch / "checkpoints";
  gmlp::RunFolder(scratch.path()).save_last(bytes_of_step(1), 1, 1);
  fs::create_directory(root + "/best.tmp");
  fs::create_directory(root + "/step-1.tmp");
  fs::rename(root + "/last", root + "/last.old");
  const gmlp::RunFolder again(scratch.path());
  REQUIRE(opening_error(root + "/last").empty());
  REQUIRE_FALSE(fs::exists(root + "/best.tmp"));
  REQUIRE_FALSE(fs::exists(root + "/step-1.tmp"));
}

TEST_CASE("a run that starts over at a step has no checkpoint of a later one") {
  const TemporaryFolder scratch;
  std::vector<std::string> notes;
  {
    gmlp::RunFolder first(scratch.path());
    for (int64_t step = 1; step <= 4; ++step) first.save_last(bytes_of_step(step), step, 3);
    first.save_best(bytes_of_step(3));
  }
  gmlp::RunFolder run(scratch.path());
  // `best` of step 3 makes way for that of step 1, which is still there.
  REQUIRE(run.rewind({.checkpoint = run.checkpoint("step-2"), .step = 2, .best_step = 1}, notes));
  CHECK(notes.empty());
  CHECK(first_weight(run.checkpoint("last")) == 2);
  CHECK(first_weight(run.checkpoint("step-2")) == 2);
  CHECK_FALSE(fs::exists(run.checkpoint("step-3")));
  CHECK(first_weight(run.checkpoint("best")) == 1);
  run.save_last(bytes_of_step(3), 3, 3);
  CHECK(first_weight(run.checkpoint("step-2")) == 2);
  CHECK(first_weight(run.checkpoint("last")) == 3);
  // No checkpoint has step 7 any more.
  CHECK_FALSE(run.rewind({.checkpoint = run.checkpoint("last"), .step = 3, .best_step = 7}, notes));
  REQUIRE(notes.size() == 1);
  CHECK(notes.front().find("best weights, of step 7, no longer exist") != std::string::npos);
  CHECK_FALSE(fs::exists(run.checkpoint("best")));
  CHECK(first_weight(run.checkpoint("last")) == 3);
  run.save_best(bytes_of_step(3));
  CHECK_FALSE(run.rewind({.checkpoint = run.checkpoint("last"), .step = 3}, notes));
  CHECK_FALSE(fs::exists(run.checkpoint("best")));
  CHECK(notes.size() == 1);
}
