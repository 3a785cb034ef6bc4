// gmlp-language ablate: the paper's Table 3 and its series by depth on your text. Every row is an
// ordinary run of pretrain per seed. All runs see the same text, masks and steps, and differ in the
// architecture and its learning rate. A repeated command continues where the previous one stopped.

#include "apps/language/ablation.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include <fmt/ranges.h>

#include "apps/cli/run_main.h"
#include "apps/language/options.h"
#include "core/io/file.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

// Without a split the gate is as wide as F, so F = 512 keeps the parameter counts comparable, as in
// the paper. All gates are Toeplitz, as the paper's are from Table 4 on: a full W has one weight
// per pair of tokens and needs several times as many steps to leave its initial plateau. A
// Transformer block has 1.2 times the parameters of a gMLP block, hence depth 10 beside 12.
constexpr double kAttentionLr = 1e-3;
// clang-format off
const std::vector<AblationRow> kAblationRows = {
    {.name = "transformer", .title = "Transformer (BERT)", .model = {"transformer_lm_tiny"},
     .lr = kAttentionLr, .perplexity = 4.37},
    {.name = "transformer-relpos", .title = "Transformer, relative position bias",
     .model = {"transformer_relpos_lm_tiny"}, .lr = kAttentionLr, .perplexity = 4.26},
    {.name = "relpos-only", .title = "relative position bias only",
     .model = {"relpos_only_lm_tiny"}, .lr = kAttentionLr, .perplexity = 5.64},
    {.name = "mixer", .title = "MLP-Mixer", .model = {"mixer_lm_tiny"}, .perplexity = 5.34},
    {.name = "linear", .title = "gMLP, linear gate",
     .model = {"gmlp_lm_tiny", "--gate", "linear", "--d-ffn", "512"}, .perplexity = 5.14,
     .ordered = true},
    {.name = "additive", .title = "gMLP, additive gate",
     .model = {"gmlp_lm_tiny", "--gate", "additive", "--d-ffn", "512"}, .perplexity = 4.97,
     .ordered = true},
    {.name = "multiplicative", .title = "gMLP, multiplicative gate",
     .model = {"gmlp_lm_tiny", "--gate", "multiplicative", "--d-ffn", "512"}, .perplexity = 4.53,
     .ordered = true},
    {.name = "split", .title = "gMLP, split gate", .model = {"gmlp_lm_tiny"}, .perplexity = 4.35,
     .ordered = true},
    {.name = "amlp", .title = "aMLP (tiny attention)", .model = {"amlp_lm_tiny"}},
    {.series = "depth", .name = "gmlp-shallow", .title = "gMLP",
     .model = {"gmlp_lm_tiny", "--depth", "3"}, .perplexity = 5.25},
    // Reads the run of Table 3, as transformer-relpos does.
    {.series = "depth", .name = "split", .title = "gMLP", .model = {"gmlp_lm_tiny"},
     .perplexity = 4.35},
    {.series = "depth", .name = "gmlp-deep", .title = "gMLP",
     .model = {"gmlp_lm_tiny", "--depth", "12"}, .perplexity = 3.79},
    {.series = "depth", .name = "transformer-shallow", .title = "Transformer",
     .model = {"transformer_relpos_lm_tiny", "--depth", "3"}, .lr = kAttentionLr,
     .perplexity = 4.91},
    {.series = "depth", .name = "transformer-relpos", .title = "Transformer",
     .model = {"transformer_relpos_lm_tiny"}, .lr = kAttentionLr, .perplexity = 4.26},
    {.series = "depth", .name = "transformer-deep", .title = "Transformer",
     .model = {"transformer_relpos_lm_tiny", "--depth", "10"}, .lr = kAttentionLr,
     .perplexity = 3.83},
};
// clang-format on

namespace {

MeanDeviation perplexity_of(const AblationResult& result) {
  std::vector<double> perplexities = values_of(result.runs, &AblationRun::loss);
  for (double& value : perplexities) value = std::exp(value);
  return mean_deviation(perplexities);
}

/// Adds one series to the report: a table, and an array in JSON.
void add_series(const std::vector<AblationResult>& results, const std::string& series,
                AblationReport& report) {
  const bool by_depth = series == "depth";
  Json& rows = report.json[by_depth ? "depths" : "table3"] = Json::array();
  std::string table;
  std::vector<uint64_t> seeds;  // of the first row
  for (const AblationResult& result : results) {
    const AblationRow& row = *result.row;
    if (row.series != series) continue;
    const double tokens = static_cast<double>(result.tokens);
    const MeanDeviation perplexity = perplexity_of(result);
    const MeanDeviation loss = mean_deviation(values_of(result.runs, &AblationRun::loss));
    const int64_t parameters = result.runs.front().parameters;
    const double speed = median(values_of(result.runs, &AblationRun::samples_per_s)) * tokens;
    table += fmt::format("| {} | {} | {:.3g} M | {} | {} | {} | {} |\n", row.title, result.blocks,
                         static_cast<double>(parameters) / 1e6, perplexity.text(3), loss.text(4),
                         grouped(std::llround(speed)),
                         row.perplexity > 0 ? fmt::format("{:.2f}", row.perplexity) : "");
    Json runs = Json::array();
    for (const AblationRun& run : result.runs) {
      if (rows.empty()) seeds.push_back(run.seed);
      runs.push_back({{"seed", run.seed},
                      {"folder", run.folder},
                      {"val_loss", run.loss},
                      {"val_perplexity", std::exp(run.loss)},
                      {"tokens_per_s", run.samples_per_s * tokens}});
    }
    rows.push_back({{"row", row.name},
                    {"title", row.title},
                    {"blocks", result.blocks},
                    {"parameters", parameters},
                    {"perplexity", to_json(perplexity)},
                    {"loss", to_json(loss)},
                    {"tokens_per_s", speed},
                    {"paper_perplexity", row.perplexity > 0 ? Json(row.perplexity) : Json()},
                    {"runs", runs}});
  }
  if (rows.empty()) return;
  const bool one = seeds.size() == 1;
  report.markdown += fmt::format(
      "{}| model | blocks | parameters | perplexity | loss | tokens/s | perplexity in the paper |\n"
      "|---|---|---|---|---|---|---|\n{}\n"
      "{} {}{}; tokens/s is the median of the logged steps{}.\n",
      report.markdown.empty() ? "" : "\n", table, one ? "Seed" : "Seeds", fmt::join(seeds, ", "),
      one ? "" : ", mean ± sample standard deviation",
      by_depth
          ? ". gMLP has the split gate and a Toeplitz W, the Transformer has relative position "
            "biases. The paper's models have 18, 36 and 72 blocks of gMLP, and 6, 12 and 24 layers "
            "of attention"
          : "");
}

/// Adds a comparison per pair of neighbors in the paper's order.
void add_order(const std::vector<AblationResult>& results, AblationReport& report) {
  Json& order = report.json["paper_order"] = Json::array();
  std::string text;
  for (size_t i = 0; i + 1 < results.size(); ++i) {
    const AblationRow& higher = *results[i].row;
    const AblationRow& lower = *results[i + 1].row;
    if (!higher.ordered || &lower != &higher + 1) continue;
    const MeanDeviation a = perplexity_of(results[i]);
    const MeanDeviation b = perplexity_of(results[i + 1]);
    const double difference = a.mean - b.mean;
    if (std::isnan(difference)) continue;  // a run diverged
    const double spread = std::hypot(a.deviation, b.deviation);
    const bool outside = std::abs(difference) > spread;
    order.push_back({{"higher", higher.name},
                     {"lower", lower.name},
                     {"difference", difference},
                     {"spread", spread},
                     {"as_paper", difference > 0},
                     {"outside_spread", outside}});
    const std::string among =
        std::isnan(spread)
            ? "with one seed and no spread"
            : fmt::format("{} the spread of {:.3f}", outside ? "outside" : "within", spread);
    text += fmt::format("- {} above {}: {:+.3f}, {}, {}\n", higher.name, lower.name, difference,
                        difference > 0 ? "as in the paper" : "in reverse order", among);
  }
  if (text.empty()) return;
  report.markdown +=
      "\nNeighbors in the paper's order. The spread of two rows with deviations s and t is "
      "sqrt(s² + t²).\n\n" +
      text;
}

struct AblateOptions : AblationOptions {
  std::string budget = "quick", series = "both";
  std::set<std::string> only;
  int64_t max_steps = 0;  // given; 0: the budget's
};

/// Windows per step, and steps per run. 16,000 steps (33 M tokens) take seven minutes on two cores.
/// So `quick`, 13 runs of half that length, takes an hour, and `paper`, 31 runs, takes four.
constexpr int64_t kBatch = 16;
constexpr int64_t kQuickSteps = 8000;
constexpr int64_t kPaperSteps = 16000;
constexpr int64_t kVocab = 2000;

/// The defaults of pretrain's options.
PretrainOptions recipe(const AblateOptions& options, double lr) {
  PretrainOptions recipe;
  recipe.tokenizer = options.out + "/tokenizer.model";
  recipe.objective = "mlm";
  recipe.epochs = 1000;  // a short text is repeated until max_steps
  recipe.max_steps = options.budget == "paper" ? kPaperSteps : kQuickSteps;
  if (options.max_steps > 0) recipe.max_steps = options.max_steps;
  recipe.batch_size = kBatch;
  recipe.warmup_steps = std::max<int64_t>(1, recipe.max_steps / 20);
  recipe.lr = lr;
  recipe.val_batches = 60;
  recipe.precision = "bf16";
  return recipe;
}

/// Trains the tokenizer of all runs on their text, unless the arguments name one.
void make_tokenizer(const AblateOptions& options, const PretrainOptions& shared) {
  const std::string path = recipe(options, 0).tokenizer;
  if (shared.tokenizer != path) return;
  std::string tokenizer;
  try {
    tokenizer = train_tokenizer(shared.text, {.type = "sentencepiece", .vocab = kVocab});
  } catch (const InputError& error) {
    fail_input("{} (or choose a --tokenizer, such as bytes)", error.what());
  }
  refuse_if(std::filesystem::exists(path) && read_text(path) != tokenizer,
            "{}: the tokenizer of another text; use another --out", path);
  std::filesystem::create_directories(options.out);
  write_file_atomic(path, tokenizer);
}

/// Refuses shared options that the rows or the run folders determine. A file that repeats a
/// default, as a config.toml does, is accepted.
void check_shared(const PretrainOptions& shared, const std::vector<AblationResult>& results,
                  const AblateOptions& options) {
  const std::string defaults = parse_pretrain({}, recipe(options, shared.lr), false).config;
  const auto refuse = [&](const std::vector<const char*>& names, const std::string& reason) {
    refuse_options(names, reason, shared.config, defaults);
  };
  refuse({"model", "arch", "gate", "toeplitz", "no-toeplitz", "attn-dim"},
         "the rows of the table set it");
  refuse({"init"}, "all rows start from random weights");
  refuse({"time-limit"}, "all rows must see the same tokens; use --max-steps");
  for (const AblationResult& result : results) {
    for (const std::string& argument : result.row->model) {
      if (argument != "--depth" && argument != "--d-ffn") continue;
      refuse({argument.c_str() + 2}, fmt::format("row {} sets it", result.row->name));
    }
  }
  refuse_if(!shared.resume.empty(), "--resume: repeat the command without it to continue");
  refuse_if(shared.overwrite, "--overwrite: finished runs are kept; use another --out");
}

/// Throws InputError for what would fail only after hours of training.
PlannedRun plan_run(AblationResult& result, uint64_t seed, const AblateOptions& options) {
  const AblationRow& row = *result.row;
  const std::string folder = fmt::format("{}/{}/seed-{}", options.out, row.name, seed);
  std::vector<std::string> arguments = options.shared;
  arguments.insert(arguments.end(),
                   {"--out", folder, "--overwrite", "--seed", std::to_string(seed), "--model"});
  arguments.insert(arguments.end(), row.model.begin(), row.model.end());
  const PretrainOptions chosen = parse_pretrain(arguments, recipe(options, row.lr));
  const LanguageConfig config = choose_language_model(chosen.model);
  const Arithmetic arithmetic = arithmetic_from(chosen.precision, chosen.kernels);
  require_precision(arithmetic.execution, config.arch, config.block);
  result.blocks = config.depth;
  result.tokens = config.block.tokens;
  const auto train = [=](bool resume) {
    return pretrain(resume ? parse_pretrain({"--resume", folder}) : chosen);
  };
  return {fmt::format("{}, {} blocks, seed {}", row.title, config.depth, seed), chosen, train,
          &result.runs};
}

int ablate(const AblateOptions& options) {
  std::vector<AblationResult> results;
  for (const AblationRow& row : kAblationRows) {
    if (options.series != "both" && options.series != row.series) continue;
    if (options.only.empty() || options.only.contains(row.name)) results.push_back({&row});
  }
  refuse_if(results.empty(), "--only: names no row of --series {}; leave one of the two out",
            options.series);
  const PretrainOptions shared =
      parse_pretrain(options.shared, recipe(options, results.front().row->lr), false);
  check_shared(shared, results, options);
  std::vector<PlannedRun> runs;
  for (AblationResult& result : results) {
    const int64_t seeds = result.row->series == "depth" ? 1 : options.seeds;
    for (int64_t i = 0; i < seeds; ++i) {
      runs.push_back(plan_run(result, shared.seed + static_cast<uint64_t>(i), options));
    }
  }
  make_tokenizer(options, shared);
  return train_all(runs, [&] {
    const AblationReport report = report_ablation(results);
    write_ablation(options.out, report.markdown, report.json);
  });
}

}  // namespace

AblationReport report_ablation(const std::vector<AblationResult>& results) {
  AblationReport report;
  add_series(results, "table3", report);
  add_order(results, report);
  add_series(results, "depth", report);
  return report;
}

int language_ablate(const std::vector<std::string>& arguments) {
  AblateOptions options;
  CLI::App app(
      "Rerun the paper's Table 3 and its series by depth. All other "
      "options, such as --text, --tokenizer and --max-steps, are those of pretrain and apply to "
      "every row",
      "gmlp-language ablate");
  options.out = "runs/ablation";
  options.seeds = 0;
  const PretrainOptions defaults = recipe(options, 0);
  app.footer(fmt::format(
      "Defaults: a SentencePiece tokenizer of {} ids trained on the text; a learning rate per "
      "architecture; --objective {}; --max-steps {} (quick) or {} (paper); a warm-up of a "
      "twentieth of the steps; --batch-size {}; --precision {}; --val-batches {}",
      kVocab, defaults.objective, kQuickSteps, kPaperSteps, kBatch, defaults.precision,
      defaults.val_batches));
  add_ablation_options(app, options,
                       "Runs per row of Table 3, with consecutive seeds; 0 = one, or three with "
                       "--budget paper. The series by depth has the first seed only");
  app.add_option(
         "--budget", options.budget,
         "quick: one seed and 16 M tokens per run, an hour on two cores; paper: three seeds "
         "and 33 M tokens, four hours")
      ->check(CLI::IsMember({"quick", "paper"}));
  app.add_option("--series", options.series, "Table 3, the series by depth, or both")
      ->check(CLI::IsMember({"table3", "depth", "both"}));
  std::set<std::string> names;
  for (const AblationRow& row : kAblationRows) names.insert(row.name);
  app.add_option("--only", options.only, "Names of the rows to train, such as split,mixer")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  parse_arguments(app, arguments);
  options.shared = app.remaining();
  options.max_steps = parse_pretrain(options.shared, recipe(options, 0), false).max_steps;
  if (options.seeds == 0) options.seeds = options.budget == "paper" ? 3 : 1;
  return ablate(options);
}

}  // namespace gmlp
