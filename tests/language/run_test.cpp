// Whole language runs: they learn, resume exactly, and are the same for any number of threads.

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include <fmt/format.h>

#include "apps/language/evaluate.h"
#include "apps/train/reporter.h"
#include "core/error.h"
#include "core/io/file.h"
#include "tests/language/run_helpers.h"
#include "tests/support/catch.h"

using gmlp::test::pretrain_with;
using gmlp::test::stop_at;
using gmlp::test::TemporaryFolder;
using gmlp::test::tensors_of;
using gmlp::test::timeless;
using gmlp::test::tiny_pretraining;

namespace {

std::string error_of(const std::vector<std::string>& arguments) {
  try {
    pretrain_with(arguments);
  } catch (const gmlp::InputError& error) {
    return error.what();
  }
  return "no error";
}

const std::vector<std::string> kEverything = {"--epochs",
                                              "3",
                                              "--model-ema",
                                              "--model-ema-decay",
                                              "0.9",
                                              "--dropout",
                                              "0.1",
                                              "--grad-accum-steps",
                                              "2",
                                              "--threads",
                                              "1"};

}  // namespace

TEST_CASE("a language run that is stopped at any step and resumed equals one that never was") {
  for (const std::string objective : {"mlm", "causal"}) {
    const TemporaryFolder scratch;
    const std::string whole = scratch / "whole";
    REQUIRE(pretrain_with(tiny_pretraining(scratch, whole, objective, kEverything)) == 0);
    const std::string bytes = tensors_of(whole);
    for (const int64_t step : {1, 3, 4, 6}) {
      INFO(objective << ", stopped at step " << step);
      const std::string part = scratch / ("part" + std::to_string(step));
      const int status =
          pretrain_with(tiny_pretraining(scratch, part, objective, kEverything), stop_at(step));
      REQUIRE(status == 128 + SIGTERM);
      REQUIRE(pretrain_with({"--resume", part, "--threads", "3"}) == 0);
      REQUIRE(tensors_of(part) == bytes);
      REQUIRE(timeless(part + "/metrics.csv") == timeless(whole + "/metrics.csv"));
      REQUIRE(gmlp::read_text(part + "/checkpoints/best/model.safetensors") ==
              gmlp::read_text(whole + "/checkpoints/best/model.safetensors"));
    }
  }
}

TEST_CASE("a step on 8 windows is the same as one on 8 times 1, also if their masks differ") {
  const TemporaryFolder scratch;
  for (const std::string objective : {"mlm", "causal"}) {
    std::vector<nlohmann::ordered_json> first;
    for (const auto& [batch, accumulated] : {std::pair("8", "1"), std::pair("1", "8")}) {
      const std::string out = scratch / (objective + batch);
      std::vector<std::string> arguments = tiny_pretraining(
          scratch, out, objective, {"--grad-accum-steps", accumulated, "--max-steps", "1"});
      *(std::find(arguments.begin(), arguments.end(), "--batch-size") + 1) = batch;
      REQUIRE(pretrain_with(arguments) == 0);
      const std::string lines = gmlp::read_text(out + "/steps.jsonl");
      first.push_back(nlohmann::ordered_json::parse(lines.substr(0, lines.find('\n'))));
    }
    for (const char* name : {"loss", "grad_norm"}) {
      CHECK(first[0].at(name).get<double>() ==
            Approx(first[1].at(name).get<double>()).epsilon(1e-5));
    }
  }
}

TEST_CASE("a language run without validation text trains on all of it and keeps its last weights") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(pretrain_with(tiny_pretraining(scratch, run, "causal", {"--val-fraction", "0"})) == 0);
  CHECK(std::filesystem::exists(run + "/checkpoints/last/model.safetensors"));
  CHECK_FALSE(std::filesystem::exists(run + "/checkpoints/best"));
  CHECK(gmlp::read_text(run + "/metrics.csv").find("nan") == std::string::npos);
}

TEST_CASE("a language model's weights are the same for 1, 2, 3, 4 and 8 threads") {
  const TemporaryFolder scratch;
  for (const std::string objective : {"mlm", "causal"}) {
    for (const std::string precision : {"f32", "bf16"}) {
      std::string first;
      for (const std::string threads : {"1", "2", "3", "4", "8"}) {
        INFO(objective << ", " << precision << ", " << threads << " threads");
        const std::string out = scratch / fmt::format("{}-{}-{}", objective, precision, threads);
        const std::vector<std::string> more = {"--max-steps", "4",     "--epochs",    "9",
                                               "--threads",   threads, "--precision", precision};
        REQUIRE(pretrain_with(tiny_pretraining(scratch, out, objective, more)) == 0);
        const std::string bytes = tensors_of(out);
        if (first.empty()) first = bytes;
        REQUIRE(bytes == first);
      }
    }
  }
}

TEST_CASE("a causal and a masked model learn a small text by heart") {
  for (const std::string objective : {"mlm", "causal"}) {
    const TemporaryFolder scratch;
    const std::string out = scratch / "run";
    std::vector<std::string> arguments = tiny_pretraining(
        scratch, out, objective,
        {"--epochs", "150", "--lr", "1e-2", "--val-interval", "150", "--threads", "1"});
    std::string alphabet;
    for (int i = 0; i < 60; ++i) alphabet += "abcdefghijkl";
    scratch.write("text.txt", alphabet);
    REQUIRE(pretrain_with(arguments) == 0);
    const std::vector<gmlp::test::EpochRecord> rows =
        gmlp::test::read_metrics(out + "/metrics.csv");
    INFO(objective << ": " << rows.front().train_loss << " to " << rows.back().train_loss);
    CHECK(rows.front().train_loss > 3);
    CHECK(rows.back().val.loss < 0.1);
    CHECK(rows.back().val.metric == Approx(std::exp(rows.back().val.loss)));  // perplexity
  }
}

TEST_CASE("a language run keeps its best weights by the validation loss") {
  const TemporaryFolder scratch;
  const std::string out = scratch / "run";
  REQUIRE(pretrain_with(tiny_pretraining(scratch, out, "causal", {"--epochs", "4"})) == 0);
  double least = std::numeric_limits<double>::infinity();
  for (const gmlp::test::EpochRecord& row : gmlp::test::read_metrics(out + "/metrics.csv")) {
    least = std::min(least, row.val.loss);
  }
  const auto summary = nlohmann::json::parse(gmlp::read_text(out + "/summary.json"));
  CHECK(summary.at("best").at("val_loss").get<double>() == Approx(least).epsilon(1e-8));
  const double perplexity = summary.at("best").at("val_perplexity").get<double>();
  CHECK(perplexity == Approx(std::exp(least)).epsilon(1e-6));
  // Of bytes: a token is a byte.
  CHECK(summary.at("best").at("val_bits_per_byte").get<double>() ==
        Approx(least / std::log(2.0)).epsilon(1e-6));
}

TEST_CASE("a checkpoint holds the tokenizer and the objective, and gives the run's loss again") {
  const TemporaryFolder scratch;
  const std::string out = scratch / "run";
  REQUIRE(pretrain_with(tiny_pretraining(scratch, out, "mlm", {"--max-steps", "3"})) == 0);
  const gmlp::LoadedLanguage loaded = gmlp::load_language({.model = out + "/checkpoints/last"});
  CHECK_FALSE(loaded.is_causal());
  CHECK(std::string(loaded.tokenizer->kind()) == "bytes");
  const gmlp::TextSplits data =
      gmlp::open_corpus({scratch / "text.txt"}, {}, *loaded.tokenizer, {});
  const gmlp::TextLoader loader =
      gmlp::text_loader(data.val, *loaded.tokenizer, loaded.model->config());
  gmlp::Arena arena;
  const gmlp::TextScore score =
      gmlp::evaluate_text(*loaded.model, loader, 0, gmlp::ExecutionOptions(), arena);
  CHECK(score.loss ==
        Approx(gmlp::test::read_metrics(out + "/metrics.csv").back().val.loss).epsilon(1e-8));
}

TEST_CASE("a resumed language run needs no tokenizer's file, and refuses another text or model") {
  const TemporaryFolder scratch;
  const std::string out = scratch / "run";
  const std::string tokenizer = scratch.write("t.json", R"({"type":"bytes"})");
  std::vector<std::string> arguments = tiny_pretraining(scratch, out, "mlm", {"--epochs", "2"});
  *(std::find(arguments.begin(), arguments.end(), "bytes")) = tokenizer;
  REQUIRE(pretrain_with(arguments, stop_at(2)) == 128 + SIGTERM);

  std::filesystem::remove(tokenizer);
  scratch.write("text.txt", gmlp::test::small_text(2000));
  CHECK_THAT(error_of({"--resume", out}),
             Catch::Matchers::Contains("132 validation tokens then, 1792 training and 208"));
  // Of the same length, and elsewhere.
  std::string other = gmlp::test::small_text(900);
  other[10] = 'X';
  CHECK(error_of({"--resume", out, "--text", scratch.write("other.txt", other)})
            .find("the same counts, but other tokens") != std::string::npos);
  CHECK(error_of({"--resume", out, "--depth", "3"}).find("--depth") != std::string::npos);
  scratch.write("text.txt", gmlp::test::small_text(900));
  std::string config = gmlp::read_text(out + "/config.toml");
  config.replace(config.find("d-ffn=32"), 8, "d-ffn=48");
  gmlp::write_file_atomic(out + "/config.toml", config);
  CHECK(error_of({"--resume", out}).find("d-ffn") != std::string::npos);
}

TEST_CASE("weights of another length or another tokenizer are refused as a start") {
  const TemporaryFolder scratch;
  const std::string out = scratch / "run";
  REQUIRE(pretrain_with(tiny_pretraining(scratch, out, "mlm", {"--max-steps", "1"})) == 0);
  const std::string best = out + "/checkpoints/best";
  const auto with = [&](const std::string& seq_len, const std::string& tokenizer) {
    std::vector<std::string> arguments =
        tiny_pretraining(scratch, scratch / "second", "mlm", {"--init", best, "--max-steps", "1"});
    *(std::find(arguments.begin(), arguments.end(), "--seq-len") + 1) = seq_len;
    *(std::find(arguments.begin(), arguments.end(), "bytes")) = tokenizer;
    return error_of(arguments);
  };
  const std::string chars =
      scratch.write("t.json", R"({"type":"chars","characters":["a","b"," "]})");
  CHECK(with("32", "bytes").find("--seq-len that they were trained with") != std::string::npos);
  CHECK(with("16", chars).find("its ids mean other words") != std::string::npos);
  CHECK(with("16", "bytes") == "no error");
}

TEST_CASE("fill answers each mask with probabilities, and says why it cannot") {
  const TemporaryFolder scratch;
  REQUIRE(pretrain_with(tiny_pretraining(scratch, scratch / "m", "mlm", {"--max-steps", "1"})) ==
          0);
  REQUIRE(pretrain_with(tiny_pretraining(scratch, scratch / "c", "causal", {"--max-steps", "1"})) ==
          0);
  const gmlp::LoadedLanguage masked =
      gmlp::load_language({.model = (scratch / "m") + "/checkpoints/last"});
  const gmlp::LoadedLanguage causal =
      gmlp::load_language({.model = (scratch / "c") + "/checkpoints/last"});
  const auto guesses = gmlp::fill_masks(masked, "the [MASK]at [MASK]", 300);
  REQUIRE(guesses.size() == 2);
  double sum = 0;
  for (size_t i = 0; i < guesses[0].size(); ++i) {
    sum += guesses[0][i].probability;
    if (i > 0) CHECK(guesses[0][i].probability <= guesses[0][i - 1].probability);
  }
  CHECK(sum == Approx(1));
  const auto error = [&](const gmlp::LoadedLanguage& model, const std::string& text) {
    try {
      gmlp::fill_masks(model, text, 5);
    } catch (const gmlp::InputError& caught) {
      return std::string(caught.what());
    }
    return std::string("no error");
  };
  CHECK(error(masked, "nothing here").find("has no [MASK]") != std::string::npos);
  CHECK(error(masked, "a [MASK] much longer than sixteen").find("window 16") != std::string::npos);
  CHECK(error(causal, "a [MASK]").find("use generate") != std::string::npos);
}

TEST_CASE("an option that belongs to another architecture is refused by name") {
  using Options = gmlp::LanguageModelOptions;
  const auto error = [](const std::string& model, const std::function<void(Options&)>& set) {
    Options options;
    options.model = model;
    set(options);
    try {
      gmlp::choose_language_model(options);
    } catch (const gmlp::InputError& wrong) {
      return std::string(wrong.what());
    }
    return std::string("no error");
  };
  const std::vector<std::pair<std::string, std::function<void(Options&)>>> of_gmlp = {
      {"--gate", [](Options& options) { options.gate = "linear"; }},
      {"--toeplitz", [](Options& options) { options.toeplitz = true; }},
      {"--no-toeplitz", [](Options& options) { options.no_toeplitz = true; }},
      {"--attn-dim", [](Options& options) { options.attn_dim = 8; }}};
  for (const auto& [name, set] : of_gmlp) {
    CHECK(error("gmlp_lm_tiny", set) == "no error");
    for (const std::string other :
         {"transformer_lm_tiny", "relpos_only_lm_tiny", "mixer_lm_tiny"}) {
      CHECK(error(other, set).find(name + ": belongs to --arch gmlp") == 0);
    }
  }
  const auto heads = [](Options& options) { options.heads = 2; };
  CHECK(error("transformer_relpos_lm_tiny", heads) == "no error");
  CHECK(error("gmlp_lm_tiny", heads).find("--heads: belongs to --arch transformer") == 0);
  const auto spatial = [](Options& options) { options.spatial_ffn = 32; };
  CHECK(error("mixer_lm_tiny", spatial) == "no error");
  CHECK(error("amlp_lm_tiny", spatial).find("--spatial-ffn: belongs to --arch mixer") == 0);
  CHECK(error("gmlp_lm_tiny", [](Options& options) {
          options.arch = "transformer";
          options.heads = 4;
        }) == "no error");
  for (const std::string& name : gmlp::language_config_names()) {
    CHECK(error(name, [](Options&) {}) == "no error");
  }
}

TEST_CASE("the resolved configuration of a language run reads back as itself") {
  const TemporaryFolder scratch;
  const auto first = gmlp::parse_pretrain(tiny_pretraining(
      scratch, scratch / "run", "causal", {"--val-text", "a.txt", "b.txt", "--toeplitz"}));
  scratch.write("config.toml", first.config);
  const auto second = gmlp::parse_pretrain({"--config", scratch / "config.toml"});
  CHECK(second.config == first.config);
  CHECK(second.text.size() == 1);
  CHECK(second.val_text == std::vector<std::string>{"a.txt", "b.txt"});
  CHECK(second.model.toeplitz);
  const auto plain = gmlp::parse_pretrain(tiny_pretraining(scratch, scratch / "run", "causal"));
  scratch.write("config.toml", plain.config);
  CHECK(gmlp::parse_pretrain({"--config", scratch / "config.toml"}).val_text.empty());
}

TEST_CASE("Toeplitz weights of a longer window start a shorter one, full ones are refused") {
  const TemporaryFolder folder;
  const std::string file = "/checkpoints/last/model.safetensors";
  const std::string gate = "blocks.1.mlp_channels.gate.proj.";
  const auto run = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.end(), {"--max-steps", "1"});
    return tiny_pretraining(folder, folder / name, "causal", more);
  };
  // With learning rate 0 a step leaves the weights as they were read.
  const auto shorter_run = [&](const std::string& name, const std::string& from,
                               std::vector<std::string> more) {
    more.insert(more.end(), {"--init", (folder / from) + file, "--lr", "0", "--min-lr", "0"});
    std::vector<std::string> arguments = run(name, more);
    *(std::find(arguments.begin(), arguments.end(), "--seq-len") + 1) = "6";
    return arguments;
  };
  REQUIRE(pretrain_with(run("long", {})) == 0);
  REQUIRE(pretrain_with(shorter_run("short", "long", {})) == 0);

  const gmlp::SafetensorsFile from = gmlp::SafetensorsFile::open((folder / "long") + file);
  const gmlp::SafetensorsFile to = gmlp::SafetensorsFile::open((folder / "short") + file);
  const gmlp::Tensor longer = from.read(gate + "weight", gmlp::DType::kF32);
  const gmlp::Tensor shorter = to.read(gate + "weight", gmlp::DType::kF32);
  REQUIRE(shorter.elements() == 11);
  for (int64_t distance = -5; distance <= 5; ++distance) {
    CHECK(shorter.at(5 + distance) == longer.at(15 + distance));
  }
  const gmlp::Tensor biases = from.read(gate + "bias", gmlp::DType::kF32);
  const gmlp::Tensor first = to.read(gate + "bias", gmlp::DType::kF32);
  for (int64_t i = 0; i < 6; ++i) CHECK(first.at(i) == biases.at(i));

  REQUIRE(pretrain_with(run("full", {"--no-toeplitz"})) == 0);
  const std::string error = error_of(shorter_run("none", "full", {"--no-toeplitz"}));
  CHECK(error.find("only Toeplitz gates can be cut") != std::string::npos);
}
