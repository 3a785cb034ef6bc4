#include "apps/report/report.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/report/page.h"
#include "apps/train/pictures.h"
#include "core/io/file.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

/// About `most` lines of a file, if it is there, with the first 20, the last, and samples of text.
std::vector<std::string> some_lines(const std::string& path, size_t most) {
  constexpr int64_t kMostBytes = int64_t{256} << 20;
  std::vector<std::string> lines, some;
  if (fs::exists(path)) lines = lines_of(read_text(path, kMostBytes));
  const size_t stride = 1 + lines.size() / (most + 1);
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool sample = lines[i].starts_with("written  ") || lines[i].starts_with("filled  ");
    if (i < 20 || i % stride == 0 || sample || i + 1 == lines.size()) some.push_back(lines[i]);
  }
  return some;
}

Json read_run(const std::string& folder, size_t most_lines) {
  refuse_if(!fs::exists(folder + "/config.toml"),
            "report: {} is no run folder (no config.toml); name one that training made", folder);
  Json run = {{"folder", folder}};
  for (const char* name : {"config.toml", "environment.json", "summary.json", "metrics.csv",
                           "steps.jsonl", "log.txt"}) {
    run[name] = some_lines(fmt::format("{}/{}", folder, name), most_lines);
  }
  return run;
}

}  // namespace

std::string report_page(const std::vector<std::string>& folders,
                        const std::function<void(Json& run)>& add, std::string& note) {
  Json runs = Json::array();
  const size_t most_lines = std::max<size_t>(200, 2000 / folders.size());
  for (const std::string& folder : folders) runs.push_back(read_run(folder, most_lines));
  try {
    if (folders.size() == 1) add(runs[0]);
  } catch (const InputError& error) {
    runs[0]["note"] = note = error.what();
  }
  // Without a < no name from foreign data ends its script element; the page inserts them as text.
  std::string data;
  for (const char c : json_line({{"version", GMLP_VERSION}, {"runs", runs}})) {
    data += c == '<' ? "\\u003c" : std::string(1, c);
  }
  std::string page = kPage;
  return page.replace(page.find("{{data}}"), std::size("{{data}}") - 1, data);
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  uint32_t bits = 0;
  for (size_t i = 0; i < (bytes.size() + 2) / 3 * 3; ++i) {
    bits = bits << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
    for (int shift = 18; shift >= 0 && i % 3 == 2; shift -= 6) text += kDigits[bits >> shift & 63];
  }
  const size_t missing = (3 - bytes.size() % 3) % 3;
  return text.replace(text.size() - missing, missing, missing, '=');
}

Json inspect_weights(const std::vector<Tensor>& weights, int64_t rows, int64_t columns) {
  constexpr int64_t kMost = 1'600'000;  // weights: 2.1 MB of the page's 5
  Json layers = Json::array();
  const int64_t size = weights.empty() ? 1 : weights[0].elements();
  for (const int64_t block : spread_indices(std::ssize(weights), kMost / size)) {
    const Tensor& weight = weights[static_cast<size_t>(block)];
    double scale = 1e-30;
    for (int64_t i = 0; i < size; ++i) scale = std::max(scale, std::abs(weight.at(i)));
    std::string roots;
    for (int64_t i = 0; i < size; ++i) {
      const double root = 127 * std::sqrt(std::abs(weight.at(i)) / scale);
      roots += static_cast<char>(std::lround(std::copysign(root, weight.at(i))));
    }
    layers.push_back({{"block", block}, {"scale", scale}, {"roots", base64(roots)}});
  }
  return {{"rows", rows}, {"columns", columns}, {"blocks", weights.size()}, {"layers", layers}};
}

Json inspect_gates(const Tape& tape, const BlockConfig& block) {
  // After spatial_project: the tiny attention (linear, head_attention, linear, add), the product or
  // sum with u, and fc2.
  const int64_t later = (block.d_attn > 0 ? 4 : 0) + (block.gate == Gate::kLinear ? 0 : 1);
  Json gates = Json::array();
  const std::vector<std::string> names = tape.op_names();
  for (int64_t op = 0; op < std::ssize(names); ++op) {
    if (names[static_cast<size_t>(op)] != "spatial_project") continue;
    const Tensor& gate = tape.value(Var{op + later});
    const int64_t width = gate.shape().cols();
    Json means = Json::array();
    for (int64_t token = 0; token < block.tokens; ++token) {
      double sum = 0;
      for (int64_t e = 0; e < width; ++e) sum += std::abs(gate.at(token * width + e));
      means.push_back(std::round(1e4 * sum / static_cast<double>(width)) / 1e4);  // short as text
    }
    gates.push_back(means);
  }
  return gates;
}

int run_report(const std::string& program, const std::vector<std::string>& arguments,
               const std::function<void(Json& run)>& evaluate) {
  std::vector<std::string> folders;
  std::string out;
  bool overwrite = false;
  int threads = 0;
  CLI::App app("Show a run in a browser, or several beside each other", program + " report");
  app.add_option("RUN", folders, "Run folders")->type_name("")->required();
  app.add_option("--out", out, "Page; by default report.html in a single run's folder, or here")
      ->type_name("FILE");
  app.add_flag("--overwrite", overwrite,
               "Replace a file that is no report, or one with more parts");
  add_threads_option(app, threads);
  add_config_option(app);
  parse_arguments(app, arguments);
  if (out.empty()) out = folders.size() == 1 ? folders[0] + "/report.html" : "report.html";
  const char* mark = "<!DOCTYPE html>\n<!-- gmlp report";  // of page.html
  refuse_if(fs::exists(out) && !overwrite && !read_text(out).starts_with(mark),
            "--out {}: exists and is no report; choose another, or add --overwrite", out);
  use_threads(threads);
  std::string note;
  const std::string page = report_page(folders, evaluate, note);
  refuse_if(!note.empty() && fs::exists(out) && !overwrite,
            "{}: would lose parts: {}; or add --overwrite", out, note);
  write_file_atomic(out, page);
  fmt::print("written  {}\n", printable(out, std::string::npos));
  if (!note.empty())
    fmt::print("note     parts are missing: {}\n", printable(note, std::string::npos));
  return kExitSuccess;
}

}  // namespace gmlp
