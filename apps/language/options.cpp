#include "apps/language/options.h"

#include <algorithm>
#include <filesystem>
#include <tuple>

#include <fmt/ranges.h>

#include "apps/cli/model_info.h"
#include "apps/cli/run_main.h"
#include "data/text/corpus.h"

namespace gmlp {

namespace {

constexpr const char* kSkipBad =
    "Number of bad lines to skip in all texts, or of bad rows or questions per file";

/// What pretrain and finetune share; `tokenizer` is the help of --tokenizer.
void add_language_options(CLI::App& app, LanguageOptions& options, const char* tokenizer) {
  OptionGroup data(app, "Data");
  data.text("--tokenizer", options.tokenizer, "FILE|bytes", tokenizer);
  app.add_flag("--no-shuffle", options.no_shuffle, "Keep the order of the training data");
  add_language_model_options(app, options.model);
  OptionGroup(app, "Recipe")
      .number("--dropout", options.dropout, "Dropout of the embeddings and of each block", 0, 0.99);
}

void add_pretrain_options(CLI::App& app, PretrainOptions& options) {
  OptionGroup data(app, "Data");
  app.add_option("--text", options.text,
                 "Training text: UTF-8, plain or gzip'd; - is standard input")
      ->type_name("FILE...");
  app.add_option("--val-text", options.val_text, "Validation text; by default the end of --text")
      ->type_name("FILE...");
  data.number("--val-fraction", options.val_fraction,
              "Share of --text kept for validation without --val-text; 0 = none", 0, 1);
  data.integer("--val-batches", options.val_batches,
               "Number of batches of 16 windows to validate on; 0 = all");
  data.integer("--skip-bad", options.skip_bad, kSkipBad);
  add_language_options(app, options,
                       "bytes, or a file: a SentencePiece .model, or a .json of `tokenizer train`");
  // No CLI::IsMember, because config.toml may hold an empty value.
  app.add_option("--objective", options.objective,
                 "mlm: predict masked words (15 %, as BERT); causal: predict the next word");
  OptionGroup(app, "Model")
      .text("--init", options.init, "DIR|FILE",
            "Initial weights: a checkpoint folder or FILE.safetensors");
}

void check_pretrain(const PretrainOptions& options) {
  const std::pair<bool, const char*> missing[] = {
      {options.text.empty(), "--text FILE; name one or more text files"},
      {options.tokenizer.empty(),
       "--tokenizer: a file (gmlp-language tokenizer train makes one), or bytes"},
      {options.objective.empty(),
       "--objective; choose mlm (masked words) or causal (the next word)"},
      {options.model.model.empty(), "--model; for example --model gmlp_lm_tiny"}};
  for (const auto& [is_missing, needs] : missing) refuse_if(is_missing, "pretrain needs {}", needs);
  refuse_if(options.model.causal && options.objective == "mlm",
            "--causal: a masked model sees both sides of a word; leave it out, or use --objective "
            "causal");
  choice_index(options.objective, {"mlm", "causal"}, "--objective", "objective");  // throws
}

constexpr const char* kTaskGroup = "Task";
constexpr const char* kTaskNames = "sst2, mnli, squad1, squad2 or classify";

void add_reading_options(CLI::App& app, OptionGroup& group, TaskReading& reading,
                         const std::string& more = "") {
  const int64_t least = more.empty() ? 1 : 0;
  group.integer(
      "--doc-stride", reading.windows.stride,
      ("SQuAD: tokens between the starts of two windows of a long context" + more).c_str(), least,
      1 << 24);
  group.integer("--max-question-tokens", reading.windows.max_question,
                ("SQuAD: length to which questions are cut" + more).c_str(), least, 1 << 24);
  app.add_option("--text-columns", reading.text_columns,
                 "classify: one or two columns of text; by default guessed from their names")
      ->type_name("NAME...");
  group.text("--label-column", reading.label_column, "NAME", "classify: the label's column");
}

void add_finetune_options(CLI::App& app, FinetuneOptions& options) {
  OptionGroup data(app, "Data");
  app.add_option("--task", options.task, fmt::format("Task: {}", kTaskNames))->type_name("NAME");
  data.text(
      "--data", options.data, "DIR|FILE",
      "Folder with the official files of the task; of classify with train and val in tsv, csv "
      "or jsonl, or one such file");
  data.integer("--max-train-samples", options.max_train_samples,
               "Number of training examples to use; 0 = all");
  add_reading_options(app, data, options.reading);
  data.integer("--skip-bad", options.reading.skip_bad, kSkipBad);
  add_language_options(app, options, "Tokenizer for a --model without weights: bytes, or its file");
  app.add_flag("--from-scratch", options.from_scratch,
               "Use only the architecture and the tokenizer of --model, with random weights")
      ->group("Model");
  // Configurations of earlier versions have runs=1.
  app.add_option("--runs", "")->check(CLI::IsMember({"1"}))->group("");
}

void check_complete(const FinetuneOptions& options) {
  const std::string& model = options.model.model;
  refuse_if(options.task.empty(), "finetune needs --task; choose {}", kTaskNames);
  task_facts(options.task);
  refuse_if(options.data.empty(), "finetune needs --data, the folder with the files of {}",
            options.task);
  refuse_if(model.empty(),
            "finetune needs --model DIR, a checkpoint folder of gmlp-language pretrain");
  const bool stored = std::filesystem::is_directory(model);
  refuse_if(stored && !options.tokenizer.empty(),
            "--tokenizer: {} has its own, to which the weights belong; leave it out", model);
  refuse_if(
      !stored && options.tokenizer.empty(),
      "--model {} has no weights: use a checkpoint folder, or add --tokenizer FILE to start from "
      "random weights",
      model);
}

/// Also fills in the options that the user did not set. The paper finetunes models of width 512 for
/// 5 epochs with a rate of 1e-5 to 3e-5. On SQuAD it uses 5e-5 for 8000 steps, which are 3 epochs.
/// The first tenth is warm-up. Narrower models need larger steps, by the squared ratio of widths:
/// 4.8e-4 for 128. Random weights are trained as in pretraining.
void check_and_fill_in(CLI::App& app, FinetuneOptions& options) {
  check_complete(options);
  const bool span = task_facts(options.task).is_span();
  const double epochs = fill_in(app, "--epochs", static_cast<double>(options.epochs), span ? 3 : 5);
  options.epochs = static_cast<int64_t>(epochs);
  options.warmup_epochs = fill_in(app, "--warmup-epochs", options.warmup_epochs, 0.1 * epochs);
  const auto given = [&](const char* name) { return app.count(name) > 0; };
  if (options.max_steps > 0 && !given("--epochs") && !given("--warmup-epochs") &&
      !given("--warmup-steps")) {
    options.warmup_steps = (options.max_steps + 9) / 10;
    app.get_option("--warmup-steps")->default_str(std::to_string(options.warmup_steps));
  }
  const double ratio =
      512.0 / static_cast<double>(choose_language_model(options.model).block.d_model);
  const bool pretrained =
      std::filesystem::is_directory(options.model.model) && !options.from_scratch;
  const double scaled = std::min(1e-3, (span ? 5e-5 : 3e-5) * ratio * ratio);
  options.lr = fill_in(app, "--lr", options.lr, pretrained ? scaled : 1e-3);
}

/// FLOPs per sequence of the forward pass in training.
double training_flops(const LanguageConfig& config) {
  const bool masked = config.head == LanguageHead::kNone && !config.block.causal;
  return config.forward_flops(masked ? TextBatchOptions{}.mask_share : 1);
}

/// Sets `field` by --NAME or --no-NAME, if one is given.
void override_if_given(bool& field, bool on, bool off, const char* name) {
  refuse_if(on && off, "--{0} and --no-{0} contradict each other; leave one out", name);
  if (on || off) field = on;
}

}  // namespace

void add_language_model_options(CLI::App& app, LanguageModelOptions& options) {
  OptionGroup group(app, "Model");
  group.text(
      "--model", options.model, "NAME|DIR|FILE",
      "Architecture: a name (`gmlp-language info --help` lists them), FILE.json, or a checkpoint "
      "folder, from whose weights finetune starts");
  app.add_option("--arch", options.arch,
                 "gmlp, or a baseline: transformer, transformer-relpos, relpos-only, mixer; by "
                 "default the model's");
  const std::tuple<const char*, int64_t&, const char*> sizes[] = {
      {"--vocab-size", options.vocab_size,
       "Rows of the embedding, at least the tokenizer's ids; 0 = as many"},
      {"--seq-len", options.seq_len, "Tokens per window; 0 = the model's"},
      {"--depth", options.depth, "Number of blocks; 0 = the model's"},
      {"--d-model", options.d_model, "Model width; 0 = the model's"},
      {"--d-ffn", options.d_ffn, "Feed-forward width; 0 = the model's"},
      {"--attn-dim", options.attn_dim, "Width of aMLP's tiny attention; 0 = the model's"},
      {"--heads", options.heads, "Heads of a Transformer; 0 = the model's, or d_model / 64"},
      {"--spatial-ffn", options.spatial_ffn,
       "Width of a Mixer's token mixing; 0 = the model's, or d_model / 2"}};
  for (const auto& [name, value, help] : sizes) group.integer(name, value, help, 0, 1 << 24);
  app.add_option("--gate", options.gate,
                 "Gate of Table 3 of the paper: split, multiplicative, additive or linear; by "
                 "default the model's");
  const std::tuple<const char*, bool&, const char*> flags[] = {
      {"--toeplitz", options.toeplitz,
       "Spatial weights that depend on the distance of two tokens only"},
      {"--no-toeplitz", options.no_toeplitz, "One spatial weight per pair of tokens"},
      {"--causal", options.causal, "Tokens see earlier tokens only; implied by a causal objective"},
      {"--tie-embeddings", options.tie_embeddings,
       "One matrix for the input embedding and the output"},
      {"--no-tie-embeddings", options.no_tie_embeddings, "Two matrices"}};
  for (const auto& [name, value, help] : flags) app.add_flag(name, value, help);
}

LanguageConfig choose_language_model(const LanguageModelOptions& options) {
  LanguageConfig config = named_or_stored_language_config(options.model);
  BlockConfig& block = config.block;
  if (options.vocab_size > 0) config.vocab = options.vocab_size;
  if (options.causal) block.causal = true;
  const LanguageConfig before = config;
  if (!options.arch.empty()) config.arch = kLanguageArchs.from_name(options.arch);
  const bool gmlp = config.arch == Arch::kGmlp, mixer = config.arch == Arch::kMixer;
  const auto check_fits = [&](const char* name, bool given, bool fits, const char* owners) {
    refuse_if(given && !fits,
              "{}: belongs to --arch {}, the model's is {}; leave it out, or give another --arch",
              name, owners, kLanguageArchs.name(config.arch));
  };
  check_fits("--gate", !options.gate.empty(), gmlp, "gmlp");
  check_fits("--toeplitz", options.toeplitz, gmlp, "gmlp");
  check_fits("--no-toeplitz", options.no_toeplitz, gmlp, "gmlp");
  const std::tuple<const char*, int64_t, int64_t&, bool, const char*> sizes[] = {
      {"--seq-len", options.seq_len, block.tokens, true, ""},
      {"--depth", options.depth, config.depth, true, ""},
      {"--d-model", options.d_model, block.d_model, true, ""},
      {"--d-ffn", options.d_ffn, block.d_ffn, true, ""},
      {"--attn-dim", options.attn_dim, block.d_attn, gmlp, "gmlp"},
      {"--heads", options.heads, config.heads, !gmlp && !mixer,
       "transformer, transformer-relpos or relpos-only"},
      {"--spatial-ffn", options.spatial_ffn, config.spatial_ffn, mixer, "mixer"}};
  for (const auto& [name, given, field, fits, owners] : sizes) {
    if (given <= 0) continue;
    check_fits(name, true, fits, owners);
    field = given;
  }
  if (!gmlp && !mixer && config.heads == 0) config.heads = default_heads(block.d_model);
  if (mixer && config.spatial_ffn == 0)
    config.spatial_ffn = std::max<int64_t>(block.d_model / 2, 1);
  if (!options.gate.empty()) block.gate = kGates.from_name(options.gate);
  override_if_given(block.toeplitz, options.toeplitz, options.no_toeplitz, "toeplitz");
  override_if_given(config.tie_embeddings, options.tie_embeddings, options.no_tie_embeddings,
                    "tie-embeddings");
  // A changed architecture may not pass under the name of another one.
  if (!(config == before) && !config.name.ends_with("_custom")) config.name += "_custom";
  config.validate();
  return config;
}

void describe_language_model(const LanguageConfig& config, TaskInfo& info) {
  const BlockConfig& block = config.block;
  info.kind = "language";
  info.model = config.name;
  info.unit = "tok";
  info.units_per_sample = block.tokens;
  info.parameters = config.parameter_count();
  info.forward_flops = training_flops(config);
  info.banner = {fmt::format(
      "model    {} parameters, {} blocks of {}, {} tokens, d_model {}, d_ffn {}, {:.3g} GFLOPs per "
      "sequence",
      grouped(info.parameters), config.depth, kLanguageArchs.name(config.arch), block.tokens,
      block.d_model, block.d_ffn, info.forward_flops / 1e9)};
}

int language_info(const std::vector<std::string>& arguments) {
  LanguageModelOptions choice;
  InfoOptions options{.batch_size = 32};
  CLI::App app(
      fmt::format("Describe a model. Named models: {}", fmt::join(language_config_names(), ", ")),
      "gmlp-language info");
  add_config_option(app);
  add_language_model_options(app, choice);
  app.get_option("--model")->required();
  add_info_options(app, options, "Sequences");
  parse_arguments(app, arguments);

  const LanguageConfig config = choose_language_model(choice);
  const BlockConfig& block = config.block;
  std::string mixing;
  if (config.arch == Arch::kGmlp) {
    mixing =
        fmt::format(", gate {}{}{}", kGates.name(block.gate), block.toeplitz ? ", Toeplitz" : "",
                    block.d_attn > 0 ? fmt::format(", tiny attention {}", block.d_attn) : "");
  }
  const std::string lines = fmt::format(
      "input            {} tokens of {}{}\n"
      "blocks           {} of {}, d_model {}, d_ffn {}{}\n",
      block.tokens, grouped(config.vocab), block.causal ? ", causal" : "", config.depth,
      kLanguageArchs.name(config.arch), block.d_model, block.d_ffn, mixing);
  print_info<LanguageModel>(config, config.block, options, lines, "sequence",
                            training_flops(config));
  return kExitSuccess;
}

PretrainOptions parse_pretrain(const std::vector<std::string>& arguments, PretrainOptions options,
                               bool complete) {
  const auto add = [&](CLI::App& app) { add_pretrain_options(app, options); };
  const auto check = [&](CLI::App&) {
    if (complete) check_pretrain(options);
  };
  parse_training({"gmlp-language pretrain", "Train a language model on text", add, check},
                 arguments, options);
  return options;
}

FinetuneOptions parse_finetune(const std::vector<std::string>& arguments) {
  FinetuneOptions options;
  parse_training(
      {.name = "gmlp-language finetune",
       .description = "Finetune a language model on a task",
       .add = [&](CLI::App& app) { add_finetune_options(app, options); },
       .check = [&](CLI::App& app) { check_and_fill_in(app, options); },
       .defaults = {{"--epochs", "5, or 3 for SQuAD"},
                    {"--warmup-epochs", "a tenth of --epochs or --max-steps"},
                    {"--lr", "the paper's, scaled to the model's width; 1e-3 from scratch"}}},
      arguments, options);
  return options;
}

void add_task_options(CLI::App& app, TaskOptions& options) {
  app.option_defaults()->always_capture_default();
  OptionGroup(app, "Options").integer("--skip-bad", options.reading.skip_bad, kSkipBad);
  OptionGroup task(app, kTaskGroup);
  app.add_option("--task", options.task, fmt::format("Task of the finetuned model: {}", kTaskNames))
      ->type_name("NAME");
  add_reading_options(app, task, options.reading, "; 0 = as in finetuning");
  app.add_option("--null-threshold", options.answers.null_threshold,
                 "SQuAD 2.0: predict no answer if its score exceeds the best answer's by more");
  task.integer("--batch-size", options.batch_size, "Rows per forward pass", 1, kLargestBatch);
}

void separate_groups(CLI::App& app, const std::string& group) {
  CLI::Option* task = app.get_option("--task");
  for (CLI::Option* option : app.get_options()) {
    if (option->get_group() == kTaskGroup && option != task) option->needs(task);
    if (option->get_group() == group) option->excludes(task);
  }
}

}  // namespace gmlp
