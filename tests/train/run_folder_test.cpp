// What a run keeps about itself: its data, its folder, its logs, its length and its best result.

#include "apps/train/run_folder.h"

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/train/reporter.h"
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

namespace fs = std::filesystem;

TEST_CASE("a run by an earlier version, which did not note its data, does not resume") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  make_run(run);
  nlohmann::ordered_json state = state_of(run + "/checkpoints/step-10");
  state.erase("data");
  write_state(run + "/checkpoints/step-10", state);
  CHECK_THAT(error_of({"--resume", run + "/checkpoints/step-10"}),
             Catch::Matchers::Contains("start a new run with --init"));
}

TEST_CASE("a log that was removed or edited begins anew, with whole rows only") {
  for (const std::string damage : {"removed", "edited", "CR LF", "shorter"}) {
    INFO(damage);
    const TemporaryFolder scratch;
    const std::string run = scratch / "run";
    make_run(run);
    const std::string metrics = run + "/metrics.csv";
    std::string text = gmlp::read_text(metrics);
    fs::remove(run + "/log.txt");
    fs::remove(metrics);
    if (damage == "edited") gmlp::write_file_atomic(metrics, text.replace(70, 1, "8"));
    if (damage == "CR LF") {
      for (size_t at = 0; (at = text.find('\n', at)) != text.npos; at += 2) text.insert(at, "\r");
      gmlp::write_file_atomic(metrics, text);
    }
    if (damage == "shorter") gmlp::write_file_atomic(metrics, text.substr(0, 80));
    REQUIRE(train_with({"--resume", run + "/checkpoints/step-10"}) == 0);
    const std::string log = gmlp::read_text(run + "/log.txt");
    CHECK(log.find("log.txt was removed or edited") != log.npos);
    CHECK(log.find("metrics.csv was removed or edited") != log.npos);
    CHECK(log.find("steps.jsonl was") == log.npos);
    const std::vector<gmlp::test::EpochRecord> rows = gmlp::test::read_metrics(metrics);
    REQUIRE(rows.size() == 2);
    CHECK(rows.front().epoch == 3);
    CHECK(gmlp::read_text(metrics).starts_with("epoch,step,"));
    CHECK(gmlp::read_text(metrics).find('\r') == std::string::npos);
  }
}

TEST_CASE("a run that was killed before its first save resumes from its configuration") {
  const TemporaryFolder scratch;
  const std::string whole = scratch / "whole";
  const std::string killed = scratch / "killed";
  REQUIRE(train_with(tiny_run(whole, {"--epochs", "2"})) == 0);
  gmlp::Trainer::Hooks hooks;
  hooks.after_step = [](gmlp::Trainer& run) {
    if (run.progress.step == 3) throw std::runtime_error("killed");
  };
  CHECK(error_of(tiny_run(killed, {"--epochs", "2"}), hooks) == "killed");
  REQUIRE(train_with({"--resume", killed}) == 0);
  CHECK(gmlp::test::tensors_of(killed) == gmlp::test::tensors_of(whole));
  CHECK(gmlp::test::timeless(killed + "/steps.jsonl") ==
        gmlp::test::timeless(whole + "/steps.jsonl"));
  CHECK(gmlp::test::timeless(killed + "/metrics.csv") ==
        gmlp::test::timeless(whole + "/metrics.csv"));
}

TEST_CASE("a run killed between the two renames of a save resumes, without its --model's folder") {
  const TemporaryFolder scratch;
  const std::string model = scratch / "model";
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(model, {"--max-steps", "1"})) == 0);
  REQUIRE(train_with(tiny_run(run, {"--epochs", "2", "--model", model + "/checkpoints/last"}),
                     stop_at(7)) == 128 + SIGTERM);
  fs::remove_all(model);
  const std::string last = run + "/checkpoints/last";
  fs::rename(last, last + ".old");
  REQUIRE(train_with({"--resume", run}) == 0);
  CHECK_THAT(gmlp::read_text(run + "/log.txt"), Catch::Matchers::Contains("last at step 7"));
  CHECK(state_of(last).at("step") == 10);
}

TEST_CASE("a longer run goes on from the end of a shorter one") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "7"})) == 0);
  CHECK_THAT(error_of({"--resume", run, "--max-steps", "6"}),
             Catch::Matchers::Contains("the run has made 7"));
  CHECK(gmlp::read_text(run + "/config.toml").find("max-steps=7") != std::string::npos);
  REQUIRE(train_with({"--resume", run, "--max-steps", "0", "--epochs", "3"}) == 0);
  CHECK_THAT(gmlp::read_text(run + "/log.txt"),
             Catch::Matchers::Contains("15 steps, 7 before; from here the learning rate follows"));
  // The second epoch had been cut after two steps.
  const std::vector<gmlp::test::EpochRecord> rows = gmlp::test::read_metrics(run + "/metrics.csv");
  REQUIRE(rows.size() == 4);
  CHECK(rows[1].step == 7);
  CHECK(rows[2].epoch == 2);
  CHECK(rows[2].step == 10);
  check_folders(run);
  // The next resume knows.
  REQUIRE(train_with({"--resume", run}) == 0);
  CHECK(state_of(run + "/checkpoints/last").at("step") == 15);
}

TEST_CASE("a number of steps takes as many passes as it needs, unless epochs are given") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run", limited = scratch / "limited";
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "53"})) == 0);  // ten epochs have 50
  CHECK(state_of(run + "/checkpoints/last").at("step") == 53);
  REQUIRE(train_with({"--resume", run, "--max-steps", "56"}) == 0);
  CHECK(state_of(run + "/checkpoints/last").at("step") == 56);
  const std::string longer = scratch / "longer";
  REQUIRE(train_with(tiny_run(longer, {"--max-steps", "3"})) == 0);
  REQUIRE(train_with({"--resume", longer, "--max-steps", "57"}) == 0);
  CHECK(state_of(longer + "/checkpoints/last").at("step") == 57);
  REQUIRE(train_with(tiny_run(limited, {"--max-steps", "53", "--epochs", "1"})) == 0);
  CHECK(state_of(limited + "/checkpoints/last").at("step") == 5);
}

TEST_CASE("a second process is kept out of a run, by name") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "2"}), stop_at(1)) == 128 + SIGTERM);
  {
    const gmlp::RunFolder folder(run);
    const std::string text = fmt::format("process {} is writing this run", getpid());
    CHECK_THAT(error_of({"--resume", run}), Catch::Matchers::Contains(text));
    CHECK_THAT(error_of(tiny_run(run, {"--overwrite"})), Catch::Matchers::Contains(text));
    CHECK(fs::exists(run + "/checkpoints/last"));
  }
  REQUIRE(train_with({"--resume", run}) == 0);
}

TEST_CASE("patience ends a run whose validation no longer improves; a resume may wait longer") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, {"--epochs", "9", "--lr", "0", "--patience", "2"})) == 0);
  CHECK(gmlp::test::read_metrics(run + "/metrics.csv").size() == 3);
  CHECK(gmlp::is_finished(run));
  CHECK_THAT(gmlp::read_text(run + "/log.txt"), Catch::Matchers::Contains("stopped early"));
  REQUIRE(train_with({"--resume", run, "--patience", "3"}) == 0);
  CHECK(gmlp::test::read_metrics(run + "/metrics.csv").size() == 4);
}

TEST_CASE("the best is the best that was validated, at the time limit too") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  gmlp::Trainer::Hooks hooks;
  hooks.after_step = [](gmlp::Trainer& training) {
    if (training.progress.step != 7) return;
    training.progress.best.metric = 0;  // whatever comes is better
    training.options.time_limit = 1e-9;
  };
  REQUIRE(train_with(tiny_run(run, {"--epochs", "2", "--lr", "0"}), hooks) == 0);
  check_folders(run);
  CHECK(state_of(run + "/checkpoints/best").at("step") == 7);
  // A resumed run has the best of its checkpoint again, as if it had never stopped.
  REQUIRE(train_with({"--resume", run}) == 0);
  CHECK(state_of(run + "/checkpoints/step-7").at("step") == 7);
  check_folders(run);
}

TEST_CASE("of equal metrics the lower loss is the better result") {
  gmlp::Progress progress;
  progress.best = {.metric = 100, .loss = 0.5, .step = 1, .epoch = 1};
  const auto improves = [&](double metric, double loss) {
    return progress.improved_by({.complete = true, .loss = loss, .metric = metric}, false);
  };
  CHECK(improves(100, 0.4));
  CHECK_FALSE(improves(100, 0.5));
  CHECK_FALSE(improves(99, 0.1));
  progress.best.metric = 90;
  CHECK(improves(99, 9.0));
}

TEST_CASE("the rate on a log line is that of the steps since the line before") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  gmlp::Trainer::Hooks hooks;
  hooks.before_update = [](gmlp::Trainer& training) {
    if (training.progress.step == 2) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  };
  REQUIRE(train_with(tiny_run(run, {"--epochs", "1", "--log-interval", "5"}), hooks) == 0);
  const nlohmann::ordered_json line =
      nlohmann::ordered_json::parse(gmlp::read_text(run + "/steps.jsonl"));
  CHECK(line.at("step") == 5);
  CHECK(line.at("samples_per_s").get<double>() < 5 * 8 / 0.2);
}

TEST_CASE("a folder that no run wrote is refused, with --overwrite, too") {
  const TemporaryFolder folder;
  folder.write("project/checkpoints/resnet.pt", "hours of work");
  CHECK_THROWS_WITH(train_with(tiny_run(folder / "project", {"--overwrite"})),
                    Catch::Matchers::Contains("what it holds is no run; choose another folder"));
  CHECK(fs::exists(folder / "project/checkpoints/resnet.pt"));
}

TEST_CASE("temporaries of ended processes are removed, those of running ones kept") {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  folder.write(fmt::format("x.tmp-{}-0", child), "stale");
  folder.write(fmt::format("x.tmp-{}-0", ::getpid()), "in use");
  folder.write("x", "kept");
  folder.write("x.tmp-notes", "kept");
  folder.write("x.tmp-12-", "kept");
  gmlp::remove_stale_temporaries(folder.path());
  CHECK(folder.count() == 4);
  CHECK_FALSE(fs::exists(folder / fmt::format("x.tmp-{}-0", child)));
  CHECK_NOTHROW(gmlp::remove_stale_temporaries(folder / "absent"));
  // A run that was killed before its first file is begun again with --overwrite.
  const std::string left = fmt::format("run/config.toml.tmp-{}-0", child);
  folder.write(left, "half");
  folder.write("run/.lock", "");
  REQUIRE(train_with(tiny_run(folder / "run", {"--overwrite", "--max-steps", "1"})) == 0);
  CHECK_FALSE(fs::exists(folder / left));
}
