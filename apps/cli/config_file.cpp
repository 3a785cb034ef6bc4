#include "apps/cli/config_file.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string_view>

#include "core/error.h"

namespace gmlp {

namespace {

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
      const bool begins = i == 0 || kBefore.find(line[i - 1]) != kBefore.npos;
      if (begins) quote = c;
    }
  }
  return line;
}

/// The FILE of --config.
std::string path_of_config(const CLI::App& app) {
  return app.get_config_ptr()->as<std::string>();
}

/// The option that CLI11 will take `name` for; null when there is none.
const CLI::Option* find_option(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw("--" + name);
  if (option == nullptr && name.size() == 1) option = app.get_option_no_throw("-" + name);
  return option != nullptr ? option : app.get_option_no_throw(name);
}

/// CLI11's own errors name neither the file nor what to do.
void check_names(const CLI::App& app, const std::vector<CLI::ConfigItem>& items) {
  const std::string path = path_of_config(app);
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++") {
      fail_input("{}: [{}] begins a section, and options stand in none; remove that line", path,
                 item.parents.back());
    }
    const CLI::Option* option = item.parents.empty() ? find_option(app, item.name) : nullptr;
    if (option == nullptr) {
      fail_input("{}: {} is no option of {}; `{} --help` lists them", path, item.fullname(),
                 app.get_name(), app.get_name());
    }
    if (!option->get_configurable()) {
      fail_input("{}: {} may not stand in a file; give it on the command line", path, item.name);
    }
  }
}

/// CLI11's own reader takes the '#' of a quoted "C#/photos" for a comment's beginning.
class ConfigFile : public CLI::ConfigTOML {
 public:
  explicit ConfigFile(const CLI::App& app) : app_(app) { comment('\0'); }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::stringstream lines;
    std::string line;
    while (std::getline(input, line)) lines << without_comment(line) << '\n';
    std::vector<CLI::ConfigItem> read = CLI::ConfigTOML::from_config(lines);
    // config.toml of a run by an earlier version may have this option, which changed no result.
    std::erase_if(read, [](const CLI::ConfigItem& item) { return item.name == "cache-dir"; });
    check_names(app_, read);
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

void add_config_option(CLI::App& app, const std::string& description) {
  app.set_config("--config", "", description)->type_name("FILE");
  app.config_formatter(std::make_shared<ConfigFile>(app));
  app.allow_config_extras(CLI::config_extras_mode::error);
}

void fail_config_file(const CLI::App& app) {
  const std::string path = path_of_config(app);
  if (std::filesystem::is_directory(path)) {
    fail_input("--config {}: is a folder; name a file, such as a run's config.toml", path);
  }
  if (!std::filesystem::exists(path)) {
    fail_input("--config {}: no such file; check the path", path);
  }
  fail_input("--config {}: cannot be read; check its permissions", path);
}

std::string resolved_config(const CLI::App& app) {
  std::string text = "\n" + app.config_to_str(true, false);
  for (const CLI::Option* option : app.get_options()) {
    check_can_be_written(*option);
    if (option->count() > 0 || option->get_items_expected_max() == 1) continue;
    // CLI11 writes a list's default as one quoted text, "[0.9,0.999]" or "[]", and a list that was
    // given as [0.9, 0.999]. One form, so that a configuration that is read back is the same text.
    std::string list = option->get_default_str();
    const std::string begin = fmt::format("\n{}=", option->get_single_name());
    const std::string line = fmt::format("{}\"{}\"\n", begin, list);
    const size_t at = text.find(line);
    if (at == std::string::npos) continue;
    const size_t comma = list.find(',');
    if (comma != std::string::npos) list.insert(comma + 1, 1, ' ');
    text.replace(at, line.size(), list == "[]" ? "\n" : begin + list + "\n");
  }
  return text.substr(1);
}

}  // namespace gmlp
