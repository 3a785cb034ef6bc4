#include "apps/training/config_file.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>

#include "core/error.h"

namespace gmlp {

namespace {

/// The line up to a '#' that no quotes enclose. An apostrophe inside a word opens none.
std::string without_comment(const std::string& line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '#') {
      return line.substr(0, i);
    } else if (c == '"' || c == '\'') {
      if (i == 0 || std::string_view("=[, \t").find(line[i - 1]) != std::string_view::npos)
        quote = c;
    }
  }
  return line;
}

/// CLI11's own reader takes the '#' of a quoted "C#/photos" for a comment's beginning.
class ConfigFile : public CLI::ConfigTOML {
 public:
  ConfigFile() { comment('\0'); }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::stringstream lines;
    std::string line;
    while (std::getline(input, line)) lines << without_comment(line) << '\n';
    return CLI::ConfigTOML::from_config(lines);
  }
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
  app.config_formatter(std::make_shared<ConfigFile>());
  app.allow_config_extras(CLI::config_extras_mode::error);
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
