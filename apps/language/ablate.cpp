// gmlp-language ablate: the paper's Table 3 on your text. Every row is an ordinary run of pretrain,
// all with the same text, masks, steps and seed; what differs is the architecture. Stopped, the
// same command goes on where it was.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include <fmt/format.h>

#include "apps/language/commands.h"
#include "apps/language/run.h"
#include "apps/training/main_guard.h"
#include "apps/training/run_folder.h"
#include "core/error.h"
#include "core/file.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

struct Row {
  const char* name;   // of the run's folder
  const char* title;  // of the table's row
  const char* small;  // the model of --scale tiny, and what overrides it
  const char* paper;  // the model of --scale paper
  double perplexity;  // the paper's (Table 3), of 125,000 steps on C4; 0: not in it
};

// The gates without a split have as wide a gate as the split one has before it, so a smaller F
// makes their numbers of parameters comparable, as in the paper.
constexpr Row kRows[] = {
    {"transformer", "Transformer (BERT)", "transformer_lm_tiny", "bert_base_128", 4.37},
    {"transformer-relpos", "+ relative position bias", "transformer_relpos_lm_tiny",
     "bert_relpos_128", 4.26},
    {"relpos-only", "relative position bias only", "relpos_only_lm_tiny", "bert_relpos_only_128",
     5.64},
    {"mixer", "MLP-Mixer", "mixer_lm_tiny", "mixer_base_128", 5.34},
    {"linear", "gMLP, linear gate", "gmlp_lm_tiny --gate linear --d-ffn 512 --no-toeplitz",
     "gmlp_linear_128", 5.14},
    {"additive", "gMLP, additive gate", "gmlp_lm_tiny --gate additive --d-ffn 512 --no-toeplitz",
     "gmlp_additive_128", 4.97},
    {"multiplicative", "gMLP, multiplicative gate",
     "gmlp_lm_tiny --gate multiplicative --d-ffn 512 --no-toeplitz", "gmlp_multiplicative_128",
     4.53},
    {"split", "gMLP, split gate", "gmlp_lm_tiny --no-toeplitz", "gmlp_split_128", 4.35},
    {"amlp", "aMLP (tiny attention)", "amlp_lm_tiny", "amlp_l36_128", 0},
};

struct AblateOptions {
  std::string out = "runs/ablation";
  std::string scale = "tiny";
  std::vector<std::string> only;
  std::vector<std::string> shared;  // pretrain's
};

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

bool wanted(const Row& row, const AblateOptions& options) {
  return options.only.empty() ||
         std::find(options.only.begin(), options.only.end(), row.name) != options.only.end();
}

void check(const AblateOptions& options) {
  for (const char* name : {"--model", "--gate", "--arch", "--resume", "--init", "--overwrite"}) {
    if (std::find(options.shared.begin(), options.shared.end(), name) == options.shared.end()) {
      continue;
    }
    fail_input("{}: the rows of the table decide it, or the run's folder; leave it out", name);
  }
  for (const std::string& name : options.only) {
    const bool known = std::any_of(std::begin(kRows), std::end(kRows),
                                   [&](const Row& row) { return name == row.name; });
    if (known) continue;
    std::string names;
    for (const Row& row : kRows) names += (names.empty() ? "" : ", ") + std::string(row.name);
    fail_input("--only {}: no such row; the rows are {}", name, names);
  }
}

/// pretrain's arguments for a row's whole run.
std::vector<std::string> arguments_for(const Row& row, const AblateOptions& options) {
  std::vector<std::string> arguments = options.shared;
  const auto add = [&](const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
  };
  if (std::find(arguments.begin(), arguments.end(), "--objective") == arguments.end()) {
    add({"--objective", "mlm"});
  }
  add({"--model"});
  add(words_of(options.scale == "tiny" ? row.small : row.paper));
  add({"--out", options.out + "/" + row.name, "--overwrite"});
  return arguments;
}

/// Runs a row to its end, from where it was stopped; a finished one is left as it is. Throws
/// InputError for a run under other options: the rows would not be comparable.
int run_row(const Row& row, const AblateOptions& options) {
  const std::string folder = options.out + "/" + row.name;
  std::optional<PretrainCommand> command = parse_pretrain(arguments_for(row, options));
  if (!command) return kExitSuccess;  // --help among pretrain's options
  const RunState state = run_state(folder, command->config);
  if (state == RunState::kDone) {
    fmt::print("{}: done before, in {}\n", row.title, folder);
    return kExitSuccess;
  }
  fmt::print("\n{}\n", row.title);
  if (state == RunState::kSaved) command = parse_pretrain({"--resume", folder});
  return pretrain(*command);
}

Json read_summary(const Row& row, const AblateOptions& options) {
  return Json::parse(read_text(options.out + "/" + row.name + "/summary.json"));
}

void report(const AblateOptions& options) {
  std::string table =
      "| model | parameters | perplexity | loss ± s.e. | seconds | perplexity in the paper |\n"
      "|---|---|---|---|---|---|\n";
  Json json = Json::array();
  for (const Row& row : kRows) {
    if (!wanted(row, options)) continue;
    const Json summary = read_summary(row, options);
    const Json& last = summary.at("final");
    // Of a single batch there is none.
    const std::string error =
        last.contains("val_loss_standard_error")
            ? fmt::format(" ± {:.4f}", last.at("val_loss_standard_error").get<double>())
            : std::string();
    table += fmt::format("| {} | {:.3g} M | {:.3f} | {:.4f}{} | {:.0f} | {} |\n", row.title,
                         summary.at("parameters").get<double>() / 1e6,
                         last.at("val_perplexity").get<double>(), last.at("val_loss").get<double>(),
                         error, summary.at("wall_seconds").get<double>(),
                         row.perplexity > 0 ? fmt::format("{:.2f}", row.perplexity) : "");
    json.push_back({{"row", row.name}, {"paper_perplexity", row.perplexity}, {"run", summary}});
  }
  fmt::print("\n{}", table);
  write_file_atomic(options.out + "/ablation.md", table);
  write_file_atomic(options.out + "/ablation.json", json.dump(2) + "\n");
  fmt::print("\nwritten to {0}/ablation.md and {0}/ablation.json\n", options.out);
}

}  // namespace

int language_ablate(const std::vector<std::string>& arguments) {
  AblateOptions options;
  CLI::App app(
      "The paper's Table 3: one command, one table. All other options are pretrain's "
      "(--text, --tokenizer, --max-steps, ...) and hold for every row",
      "gmlp-language ablate");
  app.add_option("--out", options.out, "Folder of the runs and the table")->type_name("DIR");
  app.add_option("--scale", options.scale, "tiny: models of minutes; paper: the paper's sizes")
      ->check(CLI::IsMember({"tiny", "paper"}));
  app.add_option("--only", options.only, "Rows by name, such as split,mixer")->delimiter(',');
  app.allow_extras();
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  options.shared = app.remaining();
  check(options);

  for (const Row& row : kRows) {
    if (!wanted(row, options)) continue;
    const int status = run_row(row, options);
    if (status != kExitSuccess) return status;
  }
  report(options);
  return kExitSuccess;
}

}  // namespace gmlp
