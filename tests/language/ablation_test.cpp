// The statistics and the report of ablate, against numbers computed by hand.

#include "apps/train/ablation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/io/json.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace {

using gmlp::Json;

Json row_with(const std::string& name, const std::vector<double>& perplexities) {
  const std::vector<Json> rows = gmlp::ablation_rows("language");
  const auto found =
      std::ranges::find_if(rows, [&](const Json& row) { return row.at("row") == name; });
  REQUIRE(found != rows.end());
  Json row = *found;
  row["blocks"] = 6;
  uint64_t seed = 42;
  for (const double perplexity : perplexities) {
    row["runs"].push_back({{"seed", seed++},
                           {"folder", "runs"},
                           {"parameters", 910000},
                           {"val_loss", std::log(perplexity)},
                           {"val_perplexity", perplexity},
                           {"tokens_per_s", 17000}});
  }
  return row;
}

}  // namespace

TEST_CASE("a spread is the sample standard deviation, undefined for a single value") {
  const auto spread = [](const std::vector<double>& perplexities) {
    const Json json = gmlp::report_ablation("language", {row_with("mixer", perplexities)}).json;
    return json.at("table3")[0].at("perplexity");
  };
  // Deviations from 5: -3, -1, -1, 0, 5: squares 36, over n - 1 = 4: 9.
  CHECK(spread({2, 4, 4, 5, 10}) == Json{{"mean", 5.0}, {"deviation", 3.0}});
  CHECK(spread({7.5}).at("mean") == 7.5);
  CHECK(std::isnan(spread({7.5}).at("deviation").get<double>()));
  CHECK(spread({3, 3, 3}).at("deviation") == 0.0);
}

TEST_CASE("a median is the middle value, or the mean of the two in the middle") {
  const auto median = [](const std::vector<double>& speeds) {
    Json row = row_with("mixer", std::vector<double>(speeds.size(), 3));
    for (size_t i = 0; i < speeds.size(); ++i) row["runs"][i]["tokens_per_s"] = speeds[i];
    return gmlp::report_ablation("language", {row}).json.at("table3")[0].at("tokens_per_s");
  };
  CHECK(median({9}) == 9.0);
  CHECK(median({9, 1, 2}) == 2.0);
  CHECK(median({9, 1, 2, 4}) == 3.0);
}

TEST_CASE("neighbors in the paper's order are compared, with the spread of both") {
  const std::vector<Json> rows = {row_with("mixer", {20, 21}), row_with("linear", {20, 22, 24}),
                                  row_with("additive", {9, 9.5, 10}),
                                  row_with("multiplicative", {8, 10, 12}),
                                  row_with("amlp", {3, 3, 3})};
  const gmlp::AblationReport report = gmlp::report_ablation("language", rows);
  const nlohmann::ordered_json& pairs = report.json["paper_order"];
  REQUIRE(pairs.size() == 2);  // split is missing, so its two pairs are
  CHECK(pairs[0]["higher"] == "linear");
  CHECK(pairs[0]["lower"] == "additive");
  CHECK(pairs[0]["difference"].get<double>() == Approx(12.5));
  CHECK(pairs[0]["spread"].get<double>() == Approx(std::sqrt(4 + 0.25)));
  CHECK(pairs[0]["as_paper"] == true);
  CHECK(pairs[0]["outside_spread"] == true);
  CHECK(pairs[1]["difference"].get<double>() == Approx(-0.5));
  CHECK(pairs[1]["as_paper"] == false);
  CHECK(pairs[1]["outside_spread"] == false);
  const std::string& text = report.markdown;
  CHECK(text.find("| gMLP, linear gate | 6 | 0.91 M | 22.000 ± 2.000 |") != std::string::npos);
  CHECK(text.find("linear above additive: +12.500, as in the paper, outside the spread of 2.062") !=
        std::string::npos);
  CHECK(text.find("additive above multiplicative: -0.500, in reverse order, within") !=
        std::string::npos);
}

TEST_CASE("with one seed there is no spread to be outside of") {
  const gmlp::AblationReport report =
      gmlp::report_ablation("language", {row_with("linear", {22}), row_with("additive", {9})});
  const nlohmann::ordered_json& pairs = report.json["paper_order"];
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0]["as_paper"] == true);
  CHECK(pairs[0]["outside_spread"] == false);
  CHECK(report.markdown.find("one seed and no spread") != std::string::npos);
  CHECK(gmlp::json_text(report.json).find("\"deviation\": null") != std::string::npos);
}

TEST_CASE("a run that diverged is in the tables, and its perplexity is null in JSON") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const gmlp::AblationReport report =
      gmlp::report_ablation("language", {row_with("linear", {20, 22}), row_with("mixer", {nan})});
  const nlohmann::ordered_json& rows = report.json["table3"];
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["perplexity"]["mean"].get<double>() == Approx(21.0));
  CHECK(rows[0]["parameters"] == 910000);
  CHECK(rows[1]["title"] == "MLP-Mixer");
  CHECK(gmlp::json_text(rows[1]).find("\"mean\": null") != std::string::npos);
}

TEST_CASE("a run that is not finished is refused, a finished one read as its files say") {
  const gmlp::test::TemporaryFolder folder;
  const std::string& run = folder.path();
  folder.write("summary.json", R"({"parameters": 12, "steps": 3, "total_steps": 4})");
  CHECK_THROWS_AS(gmlp::read_ablation_run(run, "top1", "tokens_per_s", 2), gmlp::InputError);
  folder.write("summary.json", R"({"parameters": 12, "steps": 4, "total_steps": 4, "final": {}})");
  CHECK_THROWS_AS(gmlp::read_ablation_run(run, "top1", "tokens_per_s", 2), gmlp::InputError);
  folder.write("summary.json", R"({"parameters": 12, "steps": 4, "total_steps": 4,
                                   "final": {"val_loss": 2.0, "val_top1": null}})");
  folder.write("steps.jsonl",
               "{\"step\":1,\"samples_per_s\":10}\n{\"step\":2,\"samples_per_s\":30}\n"
               "{\"step\":3,\"samples_per_s\":20}\n");
  const Json read = gmlp::read_ablation_run(run, "top1", "tokens_per_s", 2);
  CHECK(read.at("folder") == run);
  CHECK(read.at("parameters") == 12);
  CHECK(read.at("val_loss") == 2.0);
  CHECK(read.at("val_top1").is_null());
  CHECK(read.at("tokens_per_s") == 40.0);
}
