// Whole runs: exact resume, same bits for any threads, NaN policy, and that a model learns.

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <limits>
#include <sstream>

#include "apps/train/reporter.h"
#include "core/error.h"
#include "core/io/safetensors.h"
#include "tests/support/catch.h"
#include "tests/train/run_helpers.h"

using gmlp::test::stop_at;
using gmlp::test::TemporaryFolder;
using gmlp::test::tensors_of;
using gmlp::test::timeless;
using gmlp::test::tiny_run;
using gmlp::test::train_with;

namespace {

const std::vector<std::string> kEverything = {"--epochs",
                                              "3",
                                              "--mixup",
                                              "0.4",
                                              "--cutmix",
                                              "0.5",
                                              "--drop-path",
                                              "0.1",
                                              "--model-ema",
                                              "--model-ema-decay",
                                              "0.9",
                                              "--grad-accum-steps",
                                              "2"};

}  // namespace

TEST_CASE("a run that is stopped at any step and resumed equals one that never was") {
  const TemporaryFolder scratch;
  const std::string whole = scratch / "whole";
  REQUIRE(train_with(tiny_run(whole, kEverything)) == 0);
  const std::string bytes = tensors_of(whole);
  for (int64_t step : {1, 2, 3, 5}) {  // epochs end at 2, 4 and 6
    const std::string part = scratch / ("part" + std::to_string(step));
    INFO("stopped at step " << step);
    REQUIRE(train_with(tiny_run(part, kEverything), stop_at(step)) == 128 + SIGTERM);
    REQUIRE(train_with({"--resume", part, "--threads", "3"}) == 0);
    REQUIRE(tensors_of(part) == bytes);
    REQUIRE(timeless(part + "/steps.jsonl") == timeless(whole + "/steps.jsonl"));
    REQUIRE(timeless(part + "/metrics.csv") == timeless(whole + "/metrics.csv"));
    REQUIRE(gmlp::read_text(part + "/checkpoints/best/model.safetensors") ==
            gmlp::read_text(whole + "/checkpoints/best/model.safetensors"));
  }
}

TEST_CASE("a run that was killed after steps beyond its last save forgets them") {
  const TemporaryFolder scratch;
  const std::string whole = scratch / "whole";
  const std::string killed = scratch / "killed";
  REQUIRE(train_with(tiny_run(whole, kEverything)) == 0);
  gmlp::Trainer::Hooks hooks;
  hooks.after_step = [](gmlp::Trainer& run) {
    if (run.progress.step == 4) throw std::runtime_error("killed");
  };
  std::vector<std::string> more = kEverything;
  more.insert(more.end(), {"--save-interval", "1"});
  REQUIRE_THROWS(train_with(tiny_run(killed, more), hooks));
  REQUIRE(train_with({"--resume", killed}) == 0);
  REQUIRE(tensors_of(killed) == tensors_of(whole));
  REQUIRE(timeless(killed + "/steps.jsonl") == timeless(whole + "/steps.jsonl"));
}

TEST_CASE("a time limit inside an epoch leaves a run that resumes exactly") {
  const TemporaryFolder scratch;
  const std::string whole = scratch / "whole";
  const std::string limited = scratch / "limited";
  REQUIRE(train_with(tiny_run(whole, kEverything)) == 0);
  std::vector<std::string> more = kEverything;
  more.insert(more.end(), {"--time-limit", "1e-9"});
  REQUIRE(train_with(tiny_run(limited, more)) == 0);
  gmlp::Trainer::Hooks hooks;
  hooks.after_step = [](gmlp::Trainer& run) { run.options.time_limit = 1e-9; };
  REQUIRE(train_with({"--resume", limited, "--time-limit", "0"}, hooks) == 0);
  REQUIRE(gmlp::test::read_metrics(limited + "/metrics.csv").size() ==
          1);  // validated all the same
  REQUIRE(train_with({"--resume", limited, "--time-limit", "0"}) == 0);
  REQUIRE(tensors_of(limited) == tensors_of(whole));
  REQUIRE(timeless(limited + "/metrics.csv") == timeless(whole + "/metrics.csv"));
}

TEST_CASE("the weights are the same for 1, 2, 3, 4 and 8 threads in every architecture") {
  const TemporaryFolder scratch;
  for (const auto& [option, value] : {std::pair{"--precision", "f32"},
                                      {"--precision", "bf16"},
                                      {"--arch", "vit"},
                                      {"--arch", "mixer"}}) {
    std::string first;
    for (const std::string threads : {"1", "2", "3", "4", "8"}) {
      const std::string out = scratch / (value + threads);
      REQUIRE(train_with(
                  tiny_run(out, {"--max-steps", "4", "--threads", threads, option, value})) == 0);
      const std::string bytes = tensors_of(out);
      if (first.empty()) first = bytes;
      INFO(value << ", " << threads << " threads");
      REQUIRE(bytes == first);
    }
  }
}

TEST_CASE("a bf16 run resumes exactly, and checkpointed activations change no bit") {
  const TemporaryFolder scratch;
  const std::string whole = scratch / "whole";
  const std::string part = scratch / "part";
  std::vector<std::string> options = kEverything;
  options.insert(options.end(), {"--precision", "bf16"});
  REQUIRE(train_with(tiny_run(whole, options)) == 0);
  options.emplace_back("--checkpoint-activations");
  REQUIRE(train_with(tiny_run(part, options), stop_at(3)) == 128 + SIGTERM);
  REQUIRE(train_with({"--resume", part}) == 0);
  REQUIRE(tensors_of(part) == tensors_of(whole));
}

TEST_CASE("bf16 is refused where it cannot be, with the reason") {
  const TemporaryFolder scratch;
  const auto error = [&](const std::vector<std::string>& arguments) {
    try {
      train_with(arguments);
    } catch (const gmlp::InputError& caught) {
      return std::string(caught.what());
    }
    return std::string();
  };
  const std::string out = scratch / "x";
  CHECK(error(tiny_run(out, {"--precision", "bf16", "--kernels", "reference"}))
            .find("reference kernels") != std::string::npos);
  CHECK(error(tiny_run(out, {"--precision", "bf8"})).find("choose f32, bf16 or f64") !=
        std::string::npos);
  std::vector<std::string> odd = tiny_run(out, {"--precision", "bf16"});
  *(std::find(odd.begin(), odd.end(), "--d-model") + 1) = "15";
  CHECK(error(odd).find("use even ones") != std::string::npos);
}

TEST_CASE("f64 runs train, save and resume") {
  const TemporaryFolder scratch;
  const std::string whole = scratch / "whole";
  const std::string part = scratch / "part";
  const std::vector<std::string> more = {"--precision", "f64", "--max-steps", "4"};
  REQUIRE(train_with(tiny_run(whole, more)) == 0);
  REQUIRE(train_with(tiny_run(part, more), stop_at(3)) == 128 + SIGTERM);
  REQUIRE(train_with({"--resume", part}) == 0);
  REQUIRE(tensors_of(part) == tensors_of(whole));
  const auto file = gmlp::SafetensorsFile::open(part + "/checkpoints/last/model.safetensors");
  REQUIRE(file.entries().front().dtype == "F64");
}

TEST_CASE("a non-finite gradient never reaches the weights") {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (double bad : {inf, -inf, nan}) {
    const TemporaryFolder scratch;
    std::string before;
    gmlp::Trainer::Hooks hooks;
    const auto weights = [](gmlp::Trainer& run) {
      std::string bytes;
      for (const gmlp::Parameter* parameter : run.parameters()) {
        bytes.append(static_cast<const char*>(parameter->value.raw()),
                     static_cast<size_t>(parameter->value.bytes()));
      }
      return bytes;
    };
    hooks.before_update = [&](gmlp::Trainer& run) {
      if (run.progress.step != 2) return;
      before = weights(run);
      run.parameters()[3]->grad.data<float>()[0] = static_cast<float>(bad);
    };
    hooks.after_step = [&](gmlp::Trainer& run) {
      if (run.progress.step == 3) REQUIRE(weights(run) == before);
      if (run.progress.step == 4) REQUIRE(weights(run) != before);
    };
    REQUIRE(train_with(tiny_run(scratch / "run", {"--max-steps", "4"}), hooks) == 0);
    const std::string steps = gmlp::read_text(scratch / "run/steps.jsonl");
    REQUIRE(steps.find("\"grad_norm\":null") != std::string::npos);
    REQUIRE(steps.find("\"skipped\":true") != std::string::npos);
  }
}

TEST_CASE("ten non-finite steps in a row stop the run and keep the last good checkpoint") {
  const TemporaryFolder scratch;
  gmlp::Trainer::Hooks hooks;
  hooks.before_update = [](gmlp::Trainer& run) {
    if (run.progress.step < 6) return;
    run.parameters()[1]->grad.fill(std::numeric_limits<double>::infinity());
  };
  const std::string run = scratch / "run";
  REQUIRE_THROWS_AS(train_with(tiny_run(run, {"--epochs", "8"}), hooks), gmlp::RunError);
  gmlp::set_stop_signal(0);
  const gmlp::Checkpoint checkpoint = gmlp::open_checkpoint(run + "/checkpoints/best");
  for (const gmlp::SafetensorsFile::Entry& entry : checkpoint.model.entries()) {
    const gmlp::Tensor tensor = checkpoint.model.read(entry.name, gmlp::DType::kF32);
    for (int64_t i = 0; i < tensor.elements(); ++i) REQUIRE(std::isfinite(tensor.at(i)));
  }
}

TEST_CASE("a model overfits eight samples") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  const std::vector<std::string> more = {"--max-train-samples",
                                         "8",
                                         "--aug",
                                         "none",
                                         "--no-flip",
                                         "--smoothing",
                                         "0",
                                         "--epochs",
                                         "200",
                                         "--lr",
                                         "1e-2",
                                         "--val-interval",
                                         "200",
                                         "--weight-decay",
                                         "0",
                                         "--min-lr",
                                         "2e-3"};
  // The later of two values counts.
  REQUIRE(train_with(tiny_run(run, more)) == 0);
  const std::vector<gmlp::test::EpochRecord> rows = gmlp::test::read_metrics(run + "/metrics.csv");
  REQUIRE(rows.front().train_loss > 1.5);
  REQUIRE(rows.back().train_loss < 0.01);
}

TEST_CASE("a non-empty run folder is refused and named, unless it may be overwritten") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "1"})) == 0);
  REQUIRE_THROWS_WITH(train_with(tiny_run(run)), Catch::Matchers::Contains("--overwrite"));
  gmlp::write_file_atomic(run + "/mine.txt", "not a run's file");
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "2", "--overwrite"})) == 0);
  REQUIRE(gmlp::read_text(run + "/mine.txt") == "not a run's file");
  REQUIRE(gmlp::test::read_metrics(run + "/metrics.csv").back().step == 2);
}

TEST_CASE("a run does not overwrite the weights that it starts from, whatever leads to them") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, {"--max-steps", "1"})) == 0);
  const std::string weights = gmlp::read_text(run + "/checkpoints/last/model.safetensors");
  std::filesystem::create_directory_symlink(run, scratch / "link");
  for (const std::string& init :
       {run + "/checkpoints/last", scratch / "link/checkpoints/last/model.safetensors"}) {
    REQUIRE_THROWS_WITH(train_with(tiny_run(run, {"--overwrite", "--init", init})),
                        Catch::Matchers::Contains(init + ", which --overwrite would remove"));
    REQUIRE(gmlp::read_text(run + "/checkpoints/last/model.safetensors") == weights);
  }
  REQUIRE(train_with(tiny_run(scratch / "other", {"--max-steps", "1", "--overwrite", "--init",
                                                  run + "/checkpoints/last"})) == 0);
}

TEST_CASE("options that a resume may not change are refused by name") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, kEverything), stop_at(2)) == 128 + SIGTERM);
  REQUIRE_THROWS_WITH(gmlp::parse_train({"--resume", run, "--lr", "0.1"}),
                      Catch::Matchers::Contains("--lr"));
  std::string config = gmlp::read_text(run + "/config.toml");
  config.replace(config.find("smoothing=0.1"), 13, "smoothing=0.2");
  gmlp::write_file_atomic(run + "/config.toml", config);
  REQUIRE_THROWS_WITH(train_with({"--resume", run}), Catch::Matchers::Contains("smoothing"));
}

TEST_CASE("the resolved configuration reads back as itself") {
  const TemporaryFolder scratch;
  const gmlp::VisionOptions first =
      gmlp::parse_train(tiny_run(scratch / "run", {"--opt-betas", "0.8", "0.95"}));
  gmlp::write_file_atomic(scratch / "config.toml", first.config);
  const gmlp::VisionOptions second = gmlp::parse_train({"--config", scratch / "config.toml"});
  REQUIRE(second.config == first.config);
  REQUIRE(second.opt_betas == std::vector<double>{0.8, 0.95});
  REQUIRE(second.quiet);
}

TEST_CASE("a configuration's comments end no value in quotes") {
  const TemporaryFolder scratch;
  const auto out_of = [&](const std::string& line) {
    gmlp::write_file_atomic(scratch / "config.toml", "# first\ndata=\"shapes\"\n" + line +
                                                         "\nmodel=gmlp_nano_32  # small\n");
    const auto command = gmlp::parse_train({"--config", scratch / "config.toml"});
    REQUIRE(command.model == "gmlp_nano_32");
    return command.out;
  };
  CHECK(out_of("out=\"a#b\" # c") == "a#b");
  CHECK(out_of("out = 'say \"#\"'#") == "say \"#\"");
  CHECK(out_of("out=it's # \"not\" this") == "it's");
  CHECK(out_of("out=\"[x, y] it's\"") == "[x, y] it's");
}

TEST_CASE("the last of two equal options counts, and a value may look like a list or an option") {
  const TemporaryFolder scratch;
  const auto options = [&](const std::vector<std::string>& more) {
    return gmlp::parse_train(tiny_run(scratch / "run", more));
  };
  CHECK(options({"--batch-size", "65", "--batch-size=9"}).batch_size == 9);
  CHECK(options({"--out", "[a, \"b\", -c]"}).out == "[a, \"b\", -c]");
  CHECK(options({"--out=[a]"}).out == "[a]");
  CHECK(options({"--out", "--lr"}).out == "--lr");
  CHECK(options({"--opt-betas", "0.5", "0.6"}).opt_betas == std::vector<double>{0.5, 0.6});
}

TEST_CASE("a configuration may begin with a byte order mark and end its lines with CR LF") {
  const TemporaryFolder scratch;
  gmlp::write_file_atomic(scratch / "config.toml",
                          "\xEF\xBB\xBF"
                          "data=\"shapes\"\r\nmodel=gmlp_nano_32\r\nlr=0.5\r\n");
  const auto command = gmlp::parse_train({"--config", scratch / "config.toml"});
  CHECK(command.data == "shapes");
  CHECK(command.lr == 0.5);
  gmlp::write_file_atomic(scratch / "config.toml", "data=shapes\nmodel=x\nopt-betas=0.9\n");
  REQUIRE_THROWS_WITH(gmlp::parse_train({"--config", scratch / "config.toml"}),
                      Catch::Matchers::Contains("--opt-betas: At least 2 required but received 1"));
}

TEST_CASE("a saved configuration names files by absolute paths") {
  const TemporaryFolder scratch;
  scratch.write("model.json", "{}");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(scratch / "");
  const std::string config =
      gmlp::parse_train({"--data", "folder:.", "--model", "model.json", "--init", "absent"}).config;
  std::filesystem::current_path(before);
  CHECK_THAT(config, Catch::Matchers::Contains("data=\"folder:/"));
  CHECK_THAT(config, Catch::Matchers::Contains("model=\"" + scratch / "model.json"));
  CHECK_THAT(config, Catch::Matchers::Contains("init=\"absent\""));
}
