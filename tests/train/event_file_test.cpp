// Event files for TensorBoard, read back by a reader that shares no line with the writer.

#include "apps/train/event_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include <unistd.h>

#include "apps/train/reporter.h"
#include "tests/support/catch.h"
#include "tests/train/run_helpers.h"

using gmlp::test::TemporaryFolder;
using gmlp::test::tiny_run;
using gmlp::test::train_with;

namespace fs = std::filesystem;

namespace {

/// One summary value, the file's version, or the start of a session.
struct Entry {
  int64_t step = 0;
  std::string tag = {};  // "version" and "start", too
  double value = 0;
  std::string bytes = {};  // of a picture, or the version
  int64_t height = 0, width = 0;
};

std::string_view take(std::string_view& rest, uint64_t size) {
  if (size > rest.size()) throw std::runtime_error("a record is cut off");
  const std::string_view bytes = rest.substr(0, size);
  rest.remove_prefix(size);
  return bytes;
}

template <class Number>
Number take_number(std::string_view& rest) {
  Number number;
  std::memcpy(&number, take(rest, sizeof number).data(), sizeof number);
  return number;
}

uint64_t take_varint(std::string_view& rest) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint64_t byte = take_number<uint8_t>(rest);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw std::runtime_error("a varint does not end");
}

/// Calls use(field, integer, real, bytes) for each field of a message.
template <class Use>
void each_field(std::string_view message, const Use& use) {
  while (!message.empty()) {
    const uint64_t tag = take_varint(message);
    int64_t integer = 0;
    double real = 0;
    std::string_view bytes;
    if (tag % 8 == 0) integer = static_cast<int64_t>(take_varint(message));
    if (tag % 8 == 1) real = take_number<double>(message);
    if (tag % 8 == 2) bytes = take(message, take_varint(message));
    if (tag % 8 == 5) real = take_number<float>(message);
    use(tag / 8, integer, real, bytes);
  }
}

Entry entry_of(int64_t step, std::string_view value) {
  Entry entry{.step = step};
  each_field(value, [&](uint64_t field, int64_t, double real, std::string_view bytes) {
    if (field == 1) entry.tag = bytes;
    if (field == 2) entry.value = real;
    if (field != 4) return;
    each_field(bytes, [&](uint64_t part, int64_t integer, double, std::string_view png) {
      if (part == 1) entry.height = integer;
      if (part == 2) entry.width = integer;
      if (part == 4) entry.bytes = png;
    });
  });
  return entry;
}

/// The checksum by its definition: a division of polynomials over two elements, bit by bit.
uint32_t masked_crc(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool one = ((static_cast<unsigned>(byte) >> bit) ^ crc) & 1;
      crc = one ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
    }
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

std::vector<Entry> read_events(const std::string& path) {
  std::vector<Entry> entries;
  const std::string file = gmlp::read_text(path);
  for (std::string_view rest = file; !rest.empty();) {
    const std::string_view length = rest.substr(0, 8);
    const auto size = take_number<uint64_t>(rest);
    REQUIRE(take_number<uint32_t>(rest) == masked_crc(length));
    const std::string_view event = take(rest, size);
    REQUIRE(take_number<uint32_t>(rest) == masked_crc(event));
    int64_t step = 0;
    each_field(event, [&](uint64_t field, int64_t integer, double real, std::string_view bytes) {
      if (field == 1) CHECK(real > 1.7e9);  // seconds since 1970
      if (field == 2) step = integer;
      if (field == 3) entries.push_back({step, "version", 0, std::string(bytes)});
      if (field == 7) entries.push_back({step, "start", 0, std::string(bytes)});
      if (field != 5) return;
      each_field(bytes, [&](uint64_t, int64_t, double, std::string_view value) {
        entries.push_back(entry_of(step, value));
      });
    });
  }
  return entries;
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

TEST_CASE("CRC-32C has its published check values") {
  CHECK(gmlp::crc32c("123456789") == 0xE3069283);
  CHECK(gmlp::crc32c("") == 0);
  CHECK(gmlp::crc32c(std::string(32, '\0')) == 0x8A9136AA);  // RFC 3720, B.4
  CHECK(gmlp::crc32c(std::string(32, '\xff')) == 0x62A8AB43);
}

TEST_CASE("an event file holds scalars and pictures by tag and step") {
  const TemporaryFolder scratch;
  const std::string png = "\x89PNG\r\n\x1a\n" + std::string("\0\0\0\rIHDR\0\0\1\2\0\0\3\4", 16);
  gmlp::EventFile file(scratch / "tensorboard");
  file.add_scalars(7, {{"a/loss", 2.5}, {"lr", NAN}});
  file.add_scalars(int64_t{1} << 40, {{"lr", -1e-3}});
  file.add_png(9, "filters", png);
  const std::vector<std::string> paths = files_in(scratch / "tensorboard");
  REQUIRE(paths.size() == 1);
  CHECK(fs::path(paths[0]).filename().string().starts_with("events.out.tfevents."));
  const std::vector<Entry> entries = read_events(paths[0]);
  REQUIRE(entries.size() == 6);
  CHECK(entries[0].bytes == "brain.Event:2");
  CHECK(entries[1].tag == "start");
  CHECK(entries[1].step == 7);
  CHECK(entries[1].bytes == "\x08\x01");
  CHECK(entries[2].step == 7);
  CHECK(entries[2].tag == "a/loss");
  CHECK(entries[2].value == 2.5);
  CHECK(std::isnan(entries[3].value));
  CHECK(entries[4].step == int64_t{1} << 40);
  CHECK(entries[4].tag == "lr");
  CHECK(entries[4].value == -1e-3f);
  CHECK(entries[5].step == 9);
  CHECK(entries[5].tag == "filters");
  CHECK(entries[5].bytes == png);
  CHECK(entries[5].width == 0x102);
  CHECK(entries[5].height == 0x304);
}

TEST_CASE("a run's events are the numbers of its logs, and a resumed run begins a further file") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  std::vector<std::string> arguments = tiny_run(run, {"--epochs", "2", "--tensorboard"});
  std::erase(arguments, "--no-figures");
  REQUIRE(train_with(arguments) == 0);
  REQUIRE(files_in(run + "/tensorboard").size() == 1);
  std::map<std::string, std::map<int64_t, Entry>> by_tag;
  for (const Entry& entry : read_events(files_in(run + "/tensorboard")[0]))
    by_tag[entry.tag][entry.step] = entry;
  std::istringstream lines(gmlp::read_text(run + "/steps.jsonl"));
  int64_t steps = 0;
  for (std::string line; std::getline(lines, line); ++steps) {
    const nlohmann::json json = nlohmann::json::parse(line);
    for (const std::string name : {"loss", "lr", "grad_norm", "samples_per_s"}) {
      const double logged = json.at(name).get<double>();
      const std::string tag = name == "loss" ? "train/loss" : name;
      CHECK(by_tag.at(tag).at(json.at("step").get<int64_t>()).value ==
            Approx(logged).epsilon(1e-3));
    }
  }
  CHECK(steps == 10);
  for (const gmlp::test::EpochRecord& row : gmlp::test::read_metrics(run + "/metrics.csv")) {
    CHECK(by_tag.at("val/loss").at(row.step).value == Approx(row.val.loss).epsilon(1e-6));
    CHECK(by_tag.at("val/top1").at(row.step).value == Approx(row.val.metric).epsilon(1e-6));
  }
  CHECK(by_tag.at("filters").size() == 1);  // once, at the run's end
  CHECK(by_tag.at("filters").at(10).bytes == gmlp::read_text(run + "/filters.png"));
  CHECK(by_tag.at("start").begin()->first == 1);

  REQUIRE(train_with({"--resume", run, "--epochs", "3", "--threads", "1", "--tensorboard"}) == 0);
  std::vector<Entry> later;
  for (const std::string& path : files_in(run + "/tensorboard")) {
    const std::vector<Entry> entries = read_events(path);
    later.insert(later.end(), entries.begin(), entries.end());
  }
  const auto of_step = [&](const char* tag, int64_t step) {
    return std::count_if(later.begin(), later.end(), [&](const Entry& entry) {
      return entry.tag == tag && entry.step == step;
    });
  };
  CHECK(of_step("version", 0) == 2);
  CHECK(of_step("start", 11) == 1);
  CHECK(of_step("train/loss", 15) == 1);
  CHECK(of_step("train/loss", 10) == 1);
}

TEST_CASE("a run without --tensorboard writes no events, and --overwrite removes old ones") {
  const TemporaryFolder scratch;
  const std::string run = scratch / "run";
  REQUIRE(train_with(tiny_run(run, {"--epochs", "1", "--tensorboard"})) == 0);
  CHECK(fs::exists(run + "/tensorboard"));
  REQUIRE(train_with(tiny_run(run, {"--epochs", "1", "--overwrite"})) == 0);
  CHECK(!fs::exists(run + "/tensorboard"));
}

TEST_CASE("events that cannot be written end a run, and the error names file and reason") {
  if (access("/dev/full", W_OK) != 0) {
    WARN("SKIPPED: there is no /dev/full here");
    return;
  }
  const TemporaryFolder scratch;
  gmlp::EventFile file(scratch.path());
  file.add_scalars(1, {{"lr", 1}});
  const std::string path = files_in(scratch.path())[0];
  fs::remove(path);
  fs::create_symlink("/dev/full", path);
  REQUIRE_THROWS_WITH(file.add_scalars(1, {{"lr", 1}}),
                      path + ": could not be written: No space left on device");
}
