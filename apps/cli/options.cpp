#include "apps/cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "apps/cli/config_file.h"

namespace gmlp {

namespace {

/// A Validator without a description, so that --help does not show it. `range` is for the error.
template <class Number>
CLI::Validator check(const std::string& range, const std::function<bool(Number)>& accepts) {
  const auto validate = [range, accepts](const std::string& input) {
    Number value{};
    const bool valid = CLI::detail::lexical_cast(input, value) && accepts(value);
    return valid ? "" : fmt::format("{} is not a {}", input, range);
  };
  return {validate, ""};
}

/// `text` broken into lines of at most `width` columns.
std::string wrapped(const std::string& text, size_t width) {
  std::string lines;
  size_t used = 0;
  for (const std::string& word : CLI::detail::split(text, ' ')) {
    if (used > 0) lines += used + 1 + word.size() > width ? '\n' : ' ';
    used = lines.empty() || lines.back() == '\n' ? word.size() : used + 1 + word.size();
    lines += word;
  }
  return lines;
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kNameWidth); }

  /// " FILE", " N" or " {fused,reference}".
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string type = option->get_type_name();
    if (option->get_type_size() == 0 || type.empty()) return "";
    const size_t choices = type.find(":{");
    if (choices != type.npos) type = type.substr(choices + 1);
    if (type == "INT" || type == "UINT") type = "N";
    if (type == "FLOAT") type = "X";
    if (option->get_expected_min() > 1) type += " " + type;
    return " " + type + (option->get_required() ? " (required)" : "");
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    std::string value = option->get_default_str();
    if (value.starts_with('[')) value = value.substr(1, value.size() - 2);  // a list
    const bool shown = option->get_type_size() != 0 && !value.empty();
    if (shown) text += fmt::format(" (default {})", value);
    return wrapped(text, kWidth - kNameWidth);
  }

 private:
  static constexpr size_t kNameWidth = 32;
  static constexpr size_t kWidth = 100;
};

}  // namespace

CLI::Validator integer_in(int64_t low, int64_t high) {
  return check<int64_t>(fmt::format("whole number in [{}, {}]", low, high),
                        [low, high](int64_t value) { return low <= value && value <= high; });
}

CLI::Validator number_in(double low, double high) {
  return check<double>(fmt::format("number in [{:g}, {:g}]", low, high),
                       [low, high](double value) { return low <= value && value <= high; });
}

CLI::Validator number_below(double low, double high) {
  return check<double>(fmt::format("number in [{:g}, {:g})", low, high),
                       [low, high](double value) { return low <= value && value < high; });
}

void set_help_format(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
}

int resolve_threads(int threads) {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void add_threads_option(CLI::App& app, int& threads) {
  app.add_option("--threads", threads, "Number of threads, 0 = all of the machine's")
      ->check(integer_in(0, 4096));
}

void add_stored_model(CLI::App& app, StoredModelOptions& options) {
  add_config_option(app);
  app.add_option("--model", options.model, "Checkpoint folder")->required()->type_name("DIR");
  add_threads_option(app, options.threads);
}

void add_stored_model_options(CLI::App& app, StoredModelOptions& options) {
  add_stored_model(app, options);
  app.add_option("--precision", options.precision, "Precision of the blocks")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_option("--kernels", options.kernels, "Implementation of the operations")
      ->check(CLI::IsMember({"fused", "reference"}))
      ->capture_default_str();
}

}  // namespace gmlp
