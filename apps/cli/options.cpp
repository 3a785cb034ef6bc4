#include "apps/cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <regex>
#include <sstream>
#include <string_view>

#include <unistd.h>

#include "apps/cli/run_main.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

/// A Validator without a description, so that --help does not show it. `range` is for the error.
template <class Number>
CLI::Validator check_range(const std::string& range, Number low, Number high) {
  const auto validate = [range, low, high](const std::string& input) {
    Number value{};
    const bool fits = std::is_floating_point_v<Number> || input.size() < 20;  // else it is clamped
    const bool valid =
        fits && CLI::detail::lexical_cast(input, value) && low <= value && value <= high;
    return valid ? "" : fmt::format("{} is not a {}", input, range);
  };
  return {validate, ""};
}

/// The line up to a '#' that no quotes enclose. An apostrophe inside a word opens none.
std::string without_comment(const std::string& line) {
  constexpr std::string_view kBefore = "=[, \t";  // an opening quote
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '#') {
      return line.substr(0, i);
    } else if (c == '"' || c == '\'') {
      if (i == 0 || kBefore.find(line[i - 1]) != kBefore.npos) quote = c;
    }
  }
  return line;
}

/// Keeps the '#' of a quoted "C#/photos", where CLI11's own reader would begin a comment.
class ConfigFile : public CLI::ConfigTOML {
 public:
  explicit ConfigFile(const CLI::App& app) : app_(app) { comment('\0'); }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    const std::string path = app_.get_config_ptr()->as<std::string>();
    std::stringstream lines;
    input.exceptions(std::ios::badbit);  // else a stream that runs out of memory just ends
    lines.exceptions(std::ios::badbit);
    std::string line;
    while (std::getline(input, line)) {
      if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a byte order mark
      line = CLI::detail::trim_copy(without_comment(line));
      // CLI11 would copy all parents of a section.
      refuse_if(line.starts_with('[') && line.ends_with(']'),
                "{}: {} begins a section, options have none; remove it", path, line);
      lines << line << '\n';
    }
    std::vector<CLI::ConfigItem> read = CLI::ConfigTOML::from_config(lines);
    // config.toml of a run by an earlier version may have this option, which changed no result.
    std::erase_if(read, [](const CLI::ConfigItem& item) { return item.name == "cache-dir"; });
    // CLI11's own errors name neither the file nor what to do.
    const std::vector<const CLI::Option*> options = app_.get_options();
    std::vector<std::string> known;
    known.reserve(options.size());
    for (const CLI::Option* option : options) known.push_back(option->get_single_name());
    for (const CLI::ConfigItem& item : read) {
      const auto place = std::ranges::find(known, item.name);
      if (place == known.end() || !item.parents.empty()) {
        fail_input("{}: {} is no option of {}; `{} --help` lists them{}", path, item.fullname(),
                   app_.get_name(), app_.get_name(), did_you_mean(item.name, known));
      }
      const CLI::Option& option = *options[static_cast<size_t>(place - known.begin())];
      refuse_if(!option.get_configurable(),
                "{}: {} may not be in a file; pass it on the command line", path, item.name);
      refuse_if(std::ranges::count(read, item.name, &CLI::ConfigItem::name) > 1,
                "{}: {} is there twice; remove one", path, item.name);
      refuse_if(item.inputs.size() > 1 && option.get_items_expected_max() <= 1,
                "{}: {} has several values or lines; give it one, in quotes if it has spaces", path,
                item.name);
      refuse_if(item.inputs.empty(), "{}: {} has no value; give it one or remove the line", path,
                item.name);  // CLI11 would read the first
    }
    return read;
  }

 private:
  const CLI::App& app_;  // owns this
};

/// A line is one value, and CLI11 has no escapes.
void check_can_be_written(const CLI::Option& option) {
  for (const std::string& value : option.results()) {
    const bool quotes =
        value.find('"') != std::string::npos && value.find('\'') != std::string::npos;
    if (!quotes && value.find('\n') == std::string::npos) continue;
    fail_input("--{} {}: config.toml cannot hold a {}; choose another name",
               option.get_single_name(), value,
               quotes ? "value with both kinds of quotes" : "line break");
  }
}

}  // namespace

CLI::Validator integer_in(int64_t low, int64_t high) {
  return check_range(fmt::format("whole number in [{}, {}]", low, high), low, high);
}

CLI::Validator number_in(double low, double high) {
  return check_range(fmt::format("number in [{:g}, {:g}]", low, high), low, high);
}

OptionGroup::OptionGroup(CLI::App& app, const char* name) : app_(app) {
  app.option_defaults()->group(name);
}

void OptionGroup::integer(const char* name, int64_t& value, const char* text, int64_t low,
                          int64_t high) {
  app_.add_option(name, value, text)->check(integer_in(low, high))->capture_default_str();
}

void OptionGroup::number(const char* name, double& value, const char* text, double low,
                         double high) {
  app_.add_option(name, value, text)->check(number_in(low, high));
}

void OptionGroup::choice(const char* name, std::string& value, const char* text,
                         const std::vector<std::string>& choices) {
  app_.add_option(name, value, text)->check(CLI::IsMember(choices));
}

void OptionGroup::text(const char* name, std::string& value, const char* type, const char* text) {
  app_.add_option(name, value, text)->type_name(type);
}

void use_threads(int threads) {
  set_thread_count(threads > 0 ? threads : default_thread_count());
}

void check_outputs(const std::vector<OutputFile>& outputs, std::vector<std::string> inputs,
                   const std::string& model) {
  namespace fs = std::filesystem;
  static const std::regex data(
      R"(\.(png|jpe?g?|jfif|webp|bmp|npy|csv|jsonl?|ndjson|tsv|gz|safetensors|model|onnx))");
  for (const char* name : {"config.json", "training.json", "tokenizer.json", "tokenizer.model",
                           "model.safetensors", "training.safetensors"}) {
    inputs.push_back(model + "/" + name);
  }
  const auto canonical = [](const std::string& path) {
    return fs::weakly_canonical(fs::absolute(path));
  };
  for (const auto& [option, path, ending] : outputs) {
    if (path.empty() || (fs::exists(path) && !fs::is_regular_file(path))) continue;  // /dev/null
    const fs::path folder = fs::absolute(path).parent_path();
    refuse_if(!fs::is_directory(folder), "{} {}: there is no folder {}; make it first", option,
              path, folder.string());
    for (const std::string& other : inputs) {
      if (other.empty() || canonical(path) != canonical(other)) continue;
      fail_input("{} {}: this command reads or writes that file, too; choose another name", option,
                 path);
    }
    std::string own = fs::path(path).extension().string();
    std::ranges::transform(own, own.begin(), [](unsigned char c) { return std::tolower(c); });
    refuse_if(fs::exists(path) && own != ending && std::regex_match(own, data),
              "{} {}: exists and is not named *{}; choose another name", option, path, ending);
    inputs.push_back(path);
  }
}

void add_threads_option(CLI::App& app, int& threads) {
  app.add_option("--threads", threads,
                 "Number of threads, 0 = as many as affinity, OMP_NUM_THREADS and CPU quota allow")
      ->check(integer_in(0, 4096));
}

void add_stored_model(CLI::App& app, StoredModelOptions& options) {
  add_config_option(app);
  app.add_option("--model", options.model, "Checkpoint folder")->required()->type_name("DIR");
  add_threads_option(app, options.threads);
}

void add_stored_model_options(CLI::App& app, StoredModelOptions& options) {
  add_stored_model(app, options);
  add_arithmetic_options(app, options.precision, options.kernels);
}

void add_arithmetic_options(CLI::App& app, std::string& precision, std::string& kernels) {
  app.add_option("--precision", precision, "Precision of the blocks")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_option("--kernels", kernels, "Implementation of the operations")
      ->check(CLI::IsMember({"fused", "reference"}))
      ->capture_default_str();
}

void add_config_option(CLI::App& app, const std::string& description) {
  // CLI11 opens the file itself and would wait for a pipe.
  const auto refuse_pipes = [](const std::string& path) {
    const bool there = std::filesystem::exists(path) && !std::filesystem::is_directory(path);
    if (there) ::close(open_input(path, 1 << 20));
    return std::string();
  };
  app.set_config("--config", "", description)->check(refuse_pipes)->type_name("FILE");
  app.config_formatter(std::make_shared<ConfigFile>(app));
  app.allow_config_extras(CLI::config_extras_mode::error);
}

std::string resolved_config(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    check_can_be_written(*option);
    // CLI11 writes a list's default as one quoted text, "[0.9,0.999]" or "[]", and a list that was
    // given as [0.9, 0.999]. One form, so that a configuration that is read back is the same text.
    const std::string list = option->get_default_str();
    if (option->count() > 0 || option->get_items_expected_max() < 2) continue;
    option->configurable(list != "[]");
    option->add_result(CLI::detail::split(list.substr(1, list.size() - 2), ','));
  }
  return app.config_to_str(true, false);
}

ExportOptions parse_export(const std::string& program, const std::vector<std::string>& formats,
                           const std::string& help, const std::vector<std::string>& arguments) {
  ExportOptions options;
  CLI::App app("Write a model for other programs", program + " export");
  add_config_option(app);
  app.add_option("--model", options.model, "Checkpoint folder")->required()->type_name("DIR");
  app.add_option("--format", options.format, help)->required()->check(CLI::IsMember(formats));
  app.add_option("--out", options.out, "Output folder or file")->required()->type_name("PATH");
  app.add_flag("--overwrite", options.overwrite, "Replace an existing export");
  parse_arguments(app, arguments);
  std::string& out = options.out;
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  if (options.format != "onnx") return options;
  refuse_if(!out.ends_with(".onnx"),
            "--out {}: an ONNX file must be named *.onnx; choose such a name", out);
  refuse_if(std::filesystem::is_directory(out), "--out {}: is a folder; name a file", out);
  refuse_if(std::filesystem::exists(out) && !options.overwrite,
            "--out {}: exists; choose another, or add --overwrite", out);
  return options;
}

}  // namespace gmlp
