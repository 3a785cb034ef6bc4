// Resuming from any checkpoint of a run, and what may not become one.

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "apps/train/reporter.h"
#include "apps/train/run_folder.h"
#include "core/error.h"
#include "models/checkpoint/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/train/resume_helpers.h"

using gmlp::test::check_folders;
using gmlp::test::error_of;
using gmlp::test::make_run;
using gmlp::test::state_of;
using gmlp::test::stop_at;
using gmlp::test::TemporaryFolder;
using gmlp::test::tiny_run;
using gmlp::test::train_with;
using gmlp::test::write_state;

namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

constexpr double kInf = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("a run resumed from an earlier checkpoint keeps each under its own step") {
  for (const std::string from : {"best", "step-10", "step-15"}) {
    const TemporaryFolder scratch;
    const std::string run = scratch / "run";
    make_run(run);
    INFO("from " << from);
    const std::string checkpoint = fmt::format("{}/checkpoints/{}", run, from);
    const int64_t step = state_of(checkpoint).at("step");
    // Before its first save: `last` is no longer the later one, and nothing else is later either.
    REQUIRE(train_with({"--resume", checkpoint, "--time-limit", "1e-9"}) == 0);
    check_folders(run);
    CHECK(state_of(run + "/checkpoints/last").at("step") == step);
    CHECK(fs::exists(run + "/checkpoints/step-15") == (step == 15));
    CHECK(fs::exists(checkpoint));
    // Stopped once more inside an epoch, resumed by the run's name, then to the end.
    if (step == 10) {
      REQUIRE(train_with({"--resume", run, "--time-limit", "0"}, stop_at(12)) == 128 + SIGTERM);
      CHECK(state_of(run + "/checkpoints/last").at("step") == 12);
    }
    REQUIRE(train_with({"--resume", run, "--time-limit", "0"}) == 0);
    check_folders(run);
    CHECK(state_of(run + "/checkpoints/last").at("step") == 20);
    CHECK(state_of(run + "/checkpoints/best").at("step") == 15);
  }
}

TEST_CASE("a run killed while it was taken back is not taken for finished") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  make_run(run);
  // As if killed behind the exchange of `last`, with a summary that tells of all steps.
  const std::string last = run + "/checkpoints/last";
  fs::remove_all(last);
  fs::copy(run + "/checkpoints/step-10", last);
  REQUIRE(train_with({"--resume", run, "--time-limit", "0"}, stop_at(12)) == 128 + SIGTERM);
  CHECK_FALSE(fs::exists(run + "/summary.json"));
  CHECK_FALSE(gmlp::is_finished(run));
}

TEST_CASE("a resumed run takes photographs as it began, whatever its --model's folder says now") {
  const TemporaryFolder scratch;
  const std::string model = scratch / "model";
  REQUIRE(train_with(tiny_run(model, {"--max-steps", "1"})) == 0);
  std::vector<std::string> arguments = tiny_run(scratch / "run", {"--max-steps", "2"});
  const auto size = std::find(arguments.begin(), arguments.end(), "--img-size");
  arguments.erase(size, size + 2);
  *std::find(arguments.begin(), arguments.end(), "gmlp_nano_32") = model + "/checkpoints/last";
  REQUIRE(train_with(arguments, stop_at(1)) == 128 + SIGTERM);
  const std::string path = model + "/checkpoints/last/config.json";
  std::string config = gmlp::read_text(path);
  const std::string side = "\"photo_side\": 256";
  config.replace(config.find(side), side.size(), "\"photo_side\": 900");
  gmlp::write_file_atomic(path, config);
  REQUIRE(train_with({"--resume", scratch / "run"}) == 0);
  CHECK_THAT(gmlp::read_text(scratch / "run" + "/checkpoints/last/config.json"),
             Catch::Matchers::Contains(side));
}

TEST_CASE("a resume that is refused takes nothing back") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  make_run(run);
  const std::string from = run + "/checkpoints/step-10";
  Json state = state_of(from);
  state["data"]["crc32"] = 1;
  write_state(from, state);
  CHECK_THAT(error_of({"--resume", from}),
             Catch::Matchers::Contains("the same counts, but other images or labels"));
  state["data"]["counts"] = "9 training and 8 validation images of 3 classes";
  write_state(from, state);
  CHECK_THAT(error_of({"--resume", from}),
             Catch::Matchers::Contains("9 training and 8 validation images of 3 classes then, "));
  CHECK(state_of(run + "/checkpoints/last").at("step") == 20);
  CHECK(state_of(run + "/checkpoints/best").at("step") == 15);
  CHECK(fs::exists(run + "/checkpoints/step-15"));
  CHECK(gmlp::test::read_metrics(run + "/metrics.csv").size() == 4);
}

TEST_CASE("a damaged last is replaced by the checkpoint that is resumed from") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  make_run(run);
  gmlp::write_file_atomic(run + "/checkpoints/last/training.json", "{}");
  REQUIRE(train_with({"--resume", run + "/checkpoints/step-15"}) == 0);
  check_folders(run);
}

TEST_CASE("numbers that are not finite survive a resume") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  gmlp::Trainer::Hooks hooks;
  hooks.after_step = [](gmlp::Trainer& training) {
    if (training.progress.step != 6) return;
    training.progress.epoch_loss_sum = std::numeric_limits<double>::quiet_NaN();
    training.progress.best.metric = kInf;
    training.progress.best.loss = -kInf;
    gmlp::set_stop_signal(SIGTERM);
  };
  REQUIRE(train_with(tiny_run(run, {"--epochs", "2"}), hooks) == 128 + SIGTERM);
  hooks.after_step = [](gmlp::Trainer& training) {
    if (training.progress.step != 7) return;
    CHECK(std::isnan(training.progress.epoch_loss_sum));
    CHECK(training.progress.best.metric == kInf);
    CHECK(training.progress.best.loss == -kInf);
    gmlp::set_stop_signal(SIGTERM);
  };
  REQUIRE(train_with({"--resume", run}, hooks) == 128 + SIGTERM);

  // Checkpoints of older versions say null.
  Json state = state_of(run + "/checkpoints/last");
  state["best"]["top1"] = nullptr;
  write_state(run + "/checkpoints/last", state);
  hooks.after_step = [](gmlp::Trainer& training) {
    if (training.progress.step == 8) CHECK(std::isnan(training.progress.best.metric));
  };
  REQUIRE(train_with({"--resume", run}, hooks) == 0);
  // Beside no number, the epoch's end had the better one.
  CHECK(state_of(run + "/checkpoints/best").at("step") == 10);
}

TEST_CASE("a training.json that lacks something is refused and named, with a remedy") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "4"}), stop_at(2)) == 128 + SIGTERM);
  const std::string last = run + "/checkpoints/last";
  const Json whole = state_of(last);
  for (const char* name : {"best", "step", "offsets", "options", "batch", "schedule"}) {
    Json state = whole;
    state.erase(name);
    write_state(last, state);
    INFO(name);
    REQUIRE_THROWS_AS(train_with({"--resume", run}), gmlp::InputError);
    const std::string error = error_of({"--resume", run});
    CHECK(error.find("last/training.json") != std::string::npos);
    CHECK(error.find("resume from another checkpoint") != std::string::npos);
  }
  Json state = whole;
  state["offsets"].erase("log.txt");
  write_state(last, state);
  CHECK(error_of({"--resume", run}).find("lacks a part of the run's state") != std::string::npos);
  for (const char* loss : {"much", "banan", "0inf"}) {
    state = whole;
    state["best"]["loss"] = loss;
    write_state(last, state);
    REQUIRE_THROWS_AS(train_with({"--resume", run}), gmlp::InputError);
  }
}

TEST_CASE("a sealed training.json whose counts are beyond reason is refused, and the count named") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "4"}), stop_at(2)) == 128 + SIGTERM);
  const std::string last = run + "/checkpoints/last";
  const Json whole = state_of(last);
  for (const char* name :
       {"/step", "/optimizer_steps", "/epochs_closed", "/best/step", "/offsets/log.txt"}) {
    for (const Json& count : {Json(-5), Json(INT64_MAX), Json(UINT64_MAX), Json(1e300)}) {
      Json state = whole;
      state[Json::json_pointer(name)] = count;
      write_state(last, state);
      INFO(name << " " << count);
      REQUIRE_THROWS_AS(train_with({"--resume", run}), gmlp::InputError);
      CHECK(error_of({"--resume", run}).find(count.dump() + " is no count") != std::string::npos);
    }
  }
  for (const char* name : {"/step", "/epochs_closed"}) {  // beyond the run's end
    Json state = whole;
    state[Json::json_pointer(name)] = int64_t{1} << 40;
    write_state(last, state);
    REQUIRE_THROWS_AS(train_with({"--resume", run}), gmlp::InputError);
  }
  for (const Json& files :
       {Json(1), Json({{"config.json", 1}}), Json({{"config.json", {{"bytes", "many"}}}})}) {
    Json state = whole;
    state["files"] = files;
    write_state(last, state);
    CHECK_THROWS_AS(gmlp::open_checkpoint(last), gmlp::InputError);
  }
}

TEST_CASE("a second moment that is infinite ends the run as infinite weights do") {
  const TemporaryFolder scratch;
  gmlp::Trainer::Hooks hooks;
  hooks.before_update = [](gmlp::Trainer& training) {
    training.parameters()[2]->grad.data<float>()[0] = 1e25F;  // its square is infinite in f32
  };
  const std::string error =
      error_of(tiny_run(scratch / "run", {"--max-steps", "2", "--clip-grad", "0"}), hooks);
  CHECK(error.find("AdamW's second moment of ") != std::string::npos);
  CHECK(error.find("holds inf") != std::string::npos);
}

TEST_CASE("weights that are not finite are never saved, and the error says which and when") {
  for (const bool averaged : {false, true}) {
    const TemporaryFolder scratch;
    const std::string run = scratch / "run";
    std::string name;
    gmlp::Trainer::Hooks hooks;
    hooks.after_step = [&](gmlp::Trainer& training) {
      if (training.progress.step != 3) return;
      name = training.parameters()[2]->name;
      const gmlp::Tensor weight =
          averaged ? training.ema->averages()[2] : training.parameters()[2]->value;
      weight.data<float>()[0] = static_cast<float>(kInf);
    };
    const std::vector<std::string> options =
        tiny_run(run, {"--save-interval", "1", "--model-ema", "--max-steps", "4"});
    REQUIRE_THROWS_AS(train_with(options, hooks), gmlp::RunError);
    CHECK(state_of(run + "/checkpoints/last").at("step") == 2);
    REQUIRE_NOTHROW(gmlp::open_checkpoint(run + "/checkpoints/last"));
    fs::remove_all(run);
    const std::string error = error_of(options, hooks);
    CHECK(error.find("step 3: " + name + " holds inf") != std::string::npos);
    CHECK(error.find("smaller --lr") != std::string::npos);
  }
}

TEST_CASE("a model whose validation is not finite is never the best") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  gmlp::Trainer::Hooks hooks;
  hooks.after_step = [](gmlp::Trainer& training) {
    // Finite, but no product of two of them is.
    for (const gmlp::Parameter* parameter : training.parameters()) parameter->value.fill(3e38);
  };
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "1"}), hooks) == 0);
  CHECK_FALSE(fs::exists(run + "/checkpoints/best"));
  CHECK(fs::exists(run + "/checkpoints/last"));
  check_folders(run);
}

TEST_CASE("options take no number that is not finite, and none that AdamW would divide by as 0") {
  const TemporaryFolder scratch;
  const auto error = [&](const std::vector<std::string>& more) {
    try {
      gmlp::parse_train(tiny_run(scratch / "run", more));
    } catch (const gmlp::InputError& caught) {
      return std::string(caught.what());
    }
    return std::string();
  };
  for (const std::string name : {"--lr", "--min-lr", "--warmup-epochs", "--weight-decay",
                                 "--clip-grad", "--time-limit", "--opt-eps", "--model-ema-decay"}) {
    for (const std::string value : {"nan", "inf", "1e400"}) {
      INFO(name << " " << value);
      CHECK(error({name, value}).find(fmt::format("{}: {} is not a number in [", name, value)) ==
            0);
    }
  }
  for (const std::string value : {"nan", "1", "1.5"}) {
    CHECK(error({"--opt-betas", "0.9", value}).find("--opt-betas: " + value) == 0);
  }
  CHECK(error({"--opt-eps", "0"}).find("--opt-eps: 0 is not a number in [1e-30, 1e+12]") == 0);
  CHECK(error({"--opt-eps", "1e-30", "--opt-betas", "0", "0.9999", "--lr", "0"}).empty());
}

TEST_CASE("the tenth refused step in a row names itself and what to change") {
  gmlp::Progress progress;
  for (; progress.step + 1 < gmlp::Progress::kMaxSkippedInARow; ++progress.step) {
    REQUIRE_FALSE(progress.accept(kInf, 1));
  }
  // Not that the weights were good: a step of finite gradients may have spoilt them.
  REQUIRE_THROWS_WITH(progress.accept(kInf, 1),
                      Catch::Matchers::StartsWith("step 10: loss inf") &&
                          Catch::Matchers::Contains("changed no weight") &&
                          Catch::Matchers::Contains("smaller --lr"));
}

TEST_CASE("a run whose last checkpoint was removed goes on from the newest of the others") {
  const TemporaryFolder folder;
  const std::string whole = folder / "whole", run = folder / "run";
  const std::vector<std::string> more = {"--epochs", "4", "--checkpoint-hist", "2"};
  CHECK(train_with(tiny_run(whole, more)) == 0);
  CHECK(train_with(tiny_run(run, more)) == 0);
  fs::remove_all(run + "/checkpoints/last");
  CHECK(train_with({"--resume", run, "--quiet", "--no-figures"}) == 0);
  const std::string log = gmlp::read_text(run + "/log.txt");
  CHECK(log.find("resumed from " + run + "/checkpoints/") != std::string::npos);
  for (const char* file :
       {"last/model.safetensors", "last/training.safetensors", "best/model.safetensors"}) {
    CHECK(gmlp::read_text(whole + "/checkpoints/" + file) ==
          gmlp::read_text(run + "/checkpoints/" + file));
  }
  check_folders(run);
}

TEST_CASE("patience ends a run only after a validation") {
  const TemporaryFolder folder;
  const std::string run = folder / "run";
  CHECK(train_with(tiny_run(run, {"--epochs", "6", "--patience", "1", "--val-interval", "2", "--lr",
                                  "0", "--min-lr", "0"})) == 0);
  // The second validation, after epoch 4, is as good as the first.
  const Json summary = Json::parse(gmlp::read_text(run + "/summary.json"));
  CHECK(summary.at("stopped_early_at_epoch") == 4);
  CHECK(summary.at("best").at("epoch") == 2);
}
