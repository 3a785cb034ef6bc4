// safetensors: what is written is read back; files of other programs are read; memory is
// bounded. Malformed headers are in safetensors_malformed_test.cpp.
#include "core/io/safetensors.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/file.h"
#include "tests/core/allocation_peak.h"
#include "tests/core/bytes_of.h"
#include "tests/core/safetensors_by_hand.h"
#include "tests/support/catch.h"
#include "tests/support/read_integers.h"
#include "tests/support/temporary_folder.h"

namespace gmlp {
namespace {

using test::AllocationPeak;
using test::bytes_of;
using test::file_of;
using test::message_of;
using test::refusal;
using test::TemporaryFolder;

using Catch::Matchers::Contains;

Tensor counted(DType dtype, const Shape& shape) {
  Tensor source = Tensor::zeros(DType::kF64, shape);
  for (int64_t i = 0; i < source.elements(); ++i) {
    source.data<double>()[i] = static_cast<double>(i) - 2.5;
  }
  Tensor tensor = Tensor::zeros(dtype, shape);
  tensor.copy_from(source);
  return tensor;
}

std::string sample() {
  return to_safetensors({{"a.weight", counted(DType::kF32, {2, 3})},
                         {"b", counted(DType::kBf16, {5})},
                         {"empty", counted(DType::kF32, {0, 4})},
                         {"c \"quoted\" \xC3\xA9", counted(DType::kF64, {1, 2, 1, 2})}},
                        {{"format", "pt"}, {"note", "two\nlines"}});
}

TEST_CASE("tensors and metadata come back from a safetensors file as they were written") {
  const TemporaryFolder folder;
  const auto file = SafetensorsFile::open(folder.write("x", sample()));
  CHECK(file.metadata() ==
        std::map<std::string, std::string>{{"format", "pt"}, {"note", "two\nlines"}});
  REQUIRE(file.entries().size() == 4);
  CHECK(file.entries()[0].name == "a.weight");
  CHECK(file.entries()[1].dtype == "BF16");
  const Tensor a = file.read("a.weight", DType::kF32);
  CHECK(a.shape() == Shape{2, 3});
  for (int64_t i = 0; i < 6; ++i) CHECK(a.at(i) == static_cast<double>(i) - 2.5);
  CHECK(file.read("b", DType::kBf16).at(4) == 1.5);
  CHECK(file.read("empty", DType::kF32).shape() == Shape{0, 4});
  CHECK(file.read("c \"quoted\" \xC3\xA9", DType::kF64).at(3) == 0.5);
  CHECK(file.find("absent") == nullptr);
}

TEST_CASE("a written header is padded to eight bytes and is JSON of the documented form") {
  const std::string bytes = sample();
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  CHECK(length % 8 == 0);
  const auto json =
      nlohmann::json::parse(bytes.begin() + 8, bytes.begin() + 8 + static_cast<ptrdiff_t>(length));
  CHECK(json["b"]["data_offsets"] == nlohmann::json({24, 34}));
  CHECK(json["b"]["shape"] == nlohmann::json({5}));
  CHECK(json["__metadata__"]["format"] == "pt");
}

TEST_CASE("writing a name twice or the reserved name is an error of the program") {
  const Tensor tensor = Tensor::zeros(DType::kF32, {1});
  CHECK_THROWS_AS(to_safetensors({{"a", tensor}, {"a", tensor}}, {}), std::logic_error);
  CHECK_THROWS_AS(to_safetensors({{"__metadata__", tensor}}, {}), std::logic_error);
}

TEST_CASE("a file without tensors is read") {
  CHECK(refusal("{}", "").empty());
  CHECK(refusal("{\"__metadata__\":{}}", "").empty());
  CHECK(to_safetensors({}, {}).size() == 16);
}

TEST_CASE("an unpadded header with tensors in any order is read, at odd addresses") {
  const TemporaryFolder folder;
  const std::string header = R"({"z":{"data_offsets":[1,9],"shape":[2],"dtype":"F32"},)"
                             R"("i":{"dtype":"I64","shape":[1],"data_offsets":[9,17]},)"
                             R"("b":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})";
  const std::string data =
      std::string(1, '\1') + bytes_of<float>({1.5F, -2}) + bytes_of<int64_t>({-7});
  const auto file = SafetensorsFile::open(folder.write("x", file_of(header, data)));
  CHECK(file.entries()[0].name == "b");
  CHECK(file.entries()[1].name == "z");
  CHECK(file.read("z", DType::kF32).at(1) == -2);
  CHECK(test::read_integers(file, "i") == std::vector<int64_t>{-7});
  CHECK(test::read_integers(file, "b") == std::vector<int64_t>{1});
}

TEST_CASE("spaces after the JSON are read") {
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   )", "x").empty());
}

// One tensor "t" of `count` elements.
SafetensorsFile open_one(const TemporaryFolder& folder, const std::string& dtype, int64_t count,
                         const std::string& data) {
  const std::string header = fmt::format(
      R"({{"t":{{"dtype":"{}","shape":[{}],"data_offsets":[0,{}]}}}})", dtype, count, data.size());
  return SafetensorsFile::open(folder.write("x", file_of(header, data)));
}

TEST_CASE("every float type is converted to every dtype") {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> files = {
      {"F64", bytes_of<double>({1.5, -0.25})},
      {"F32", bytes_of<float>({1.5F, -0.25F})},
      {"F16", bytes_of<uint16_t>({0x3E00, 0xB400})},
      {"BF16", bytes_of<uint16_t>({0x3FC0, 0xBE80})},
  };
  for (const auto& [dtype, data] : files) {
    const SafetensorsFile file = open_one(folder, dtype, 2, data);
    for (const DType target : {DType::kF32, DType::kF64, DType::kBf16}) {
      const Tensor tensor = file.read("t", target);
      CHECK(tensor.dtype() == target);
      CHECK(tensor.at(0) == 1.5);
      CHECK(tensor.at(1) == -0.25);
    }
  }
}

TEST_CASE("F16 specials are read exactly") {
  const TemporaryFolder folder;
  const auto data =
      bytes_of<uint16_t>({0x0001, 0x83FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x7E00, 0x8000});
  const Tensor tensor = open_one(folder, "F16", 8, data).read("t", DType::kF64);
  CHECK(tensor.at(0) == 0x1p-24);          // the smallest subnormal
  CHECK(tensor.at(1) == -1023 * 0x1p-24);  // the largest one
  CHECK(tensor.at(2) == 0x1p-14);          // the smallest normal
  CHECK(tensor.at(3) == 65504);            // the largest
  CHECK(tensor.at(4) == std::numeric_limits<double>::infinity());
  CHECK(tensor.at(5) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(tensor.at(6)));
  CHECK(tensor.at(7) == 0);
  CHECK(std::signbit(tensor.at(7)));
}

TEST_CASE("every integer type is read, and 2^63 as U64 refused") {
  const TemporaryFolder folder;
  const std::vector<int64_t> expected{-1, 100};
  CHECK(test::read_integers(open_one(folder, "I64", 2, bytes_of<int64_t>({-1, 100})), "t") ==
        expected);
  CHECK(test::read_integers(open_one(folder, "I32", 2, bytes_of<int32_t>({-1, 100})), "t") ==
        expected);
  CHECK(test::read_integers(open_one(folder, "I16", 2, bytes_of<int16_t>({-1, 100})), "t") ==
        expected);
  CHECK(test::read_integers(open_one(folder, "I8", 2, bytes_of<int8_t>({-1, 100})), "t") ==
        expected);
  const std::vector<int64_t> high{200, 0};
  CHECK(test::read_integers(open_one(folder, "U8", 2, bytes_of<uint8_t>({200, 0})), "t") == high);
  CHECK(test::read_integers(open_one(folder, "U16", 2, bytes_of<uint16_t>({200, 0})), "t") == high);
  CHECK(test::read_integers(open_one(folder, "U32", 2, bytes_of<uint32_t>({200, 0})), "t") == high);
  const auto file = open_one(folder, "U64", 1, bytes_of<uint64_t>({uint64_t{1} << 63}));
  CHECK_THAT(message_of<InputError>([&] { test::read_integers(file, "t"); }),
             Contains("9223372036854775808"));
}

TEST_CASE("reading an absent tensor or one of another kind names it") {
  const TemporaryFolder folder;
  const auto ints = open_one(folder, "I32", 1, bytes_of<int32_t>({1}));
  CHECK_THAT(message_of<InputError>([&] { ints.read("t", DType::kF32); }),
             Contains("'t'") && Contains("I32"));
  CHECK_THAT(message_of<InputError>([&] { ints.read("missing", DType::kF32); }),
             Contains("'missing'"));
  const auto floats = open_one(folder, "F32", 1, bytes_of<float>({1}));
  CHECK_THAT(message_of<InputError>([&] { test::read_integers(floats, "t"); }), Contains("F32"));
  CHECK_THAT(message_of<InputError>([&] { open_one(folder, "F8_E4M3", 1, "x"); }),
             Contains("F8_E4M3"));
}

TEST_CASE("a scalar is read as one element and five dimensions are refused when read") {
  const TemporaryFolder folder;
  const std::string header = R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                             R"("five":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[4,8]}})";
  const auto file =
      SafetensorsFile::open(folder.write("x", file_of(header, bytes_of<float>({3, 4}))));
  CHECK(file.read("s", DType::kF32).shape() == Shape{1});
  CHECK(file.read("s", DType::kF32).at(0) == 3);
  CHECK_THAT(message_of<InputError>([&] { file.read("five", DType::kF32); }),
             Contains("'five'") && Contains("5 dimensions"));
}

TEST_CASE("a safetensors file truncated at any length is refused") {
  const TemporaryFolder folder;
  const std::string bytes = sample();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string path = folder.write("x", bytes.substr(0, size));
    INFO(size << " of " << bytes.size() << " bytes");
    CHECK_THROWS_AS(SafetensorsFile::open(path), InputError);
  }
}

TEST_CASE("any flipped bit of a safetensors file is refused or changes no tensor") {
  const TemporaryFolder folder;
  const std::string good = sample();
  const auto original = SafetensorsFile::open(folder.write("good", good));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const std::string path = folder.write("x", bytes);
    const std::string message = message_of<InputError>([&] {
      const auto file = SafetensorsFile::open(path);
      for (const SafetensorsFile::Entry& entry : original.entries()) {
        if (entry.name == "empty") continue;  // all its shapes are the same bytes
        const Tensor tensor = file.read(entry.name, DType::kF64);
        const Tensor expected = original.read(entry.name, DType::kF64);
        REQUIRE(tensor.shape() == expected.shape());
        for (int64_t i = 0; i < tensor.elements(); ++i) REQUIRE(tensor.at(i) == expected.at(i));
      }
    });
    INFO(bit);
    const bool in_data = bit / 8 >= good.size() - 24 - 10 - 32;
    CHECK((!in_data || message.find("its checksum") != std::string::npos));
  }
}

TEST_CASE("a damaged tensor is named; a file of another program has no checksums") {
  const TemporaryFolder folder;
  std::string bytes = sample();
  bytes[bytes.size() - 33] ^= 1;  // the last byte of "b"
  const std::string path = folder.write("x", bytes);
  CHECK_THAT(message_of<InputError>([&] { SafetensorsFile::open(path); }),
             Contains("x: tensor 'b': does not match its checksum"));
  const std::string header = R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  CHECK(refusal(header, bytes_of<float>({1})).empty());
  CHECK(refusal(header, bytes_of<float>({2})).empty());
}

TEST_CASE("names lose what PyTorch's wrappers put in front of them") {
  const TemporaryFolder folder;
  const Tensor one = counted(DType::kF32, {1});
  const auto file =
      SafetensorsFile::open(folder.write("x", to_safetensors({{"module.a", one},
                                                              {"_orig_mod.b", one},
                                                              {"module._orig_mod.c", one},
                                                              {"_orig_mod.module.d", one},
                                                              {"e.module.f", one}},
                                                             {})));
  for (const char* name : {"a", "b", "c", "d", "e.module.f"}) CHECK(file.find(name) != nullptr);
}

TEST_CASE("a PyTorch file is refused with the line that converts it") {
  const TemporaryFolder folder;
  for (const std::string& bytes :
       {std::string("PK\3\4") + std::string(60, '\0'), std::string("\x80\x02\x8a\nl\xfc\x9c"
                                                                   "F")}) {
    const std::string path = folder.write("pytorch_model.bin", bytes);
    CHECK_THAT(message_of<InputError>([&] { SafetensorsFile::open(path); }),
               Contains("is a PyTorch file") && Contains("python3 -c \"import torch") &&
                   Contains("save_file({k: v.clone()") && Contains(path + ".safetensors"));
  }
  // A header of 0x0280 bytes begins with the same two.
  std::string header = "{}";
  header.resize(0x280, ' ');
  CHECK(refusal(header, "").empty());
}

// The peak of memory while the file is opened.
int64_t peak_of_opening(const std::string& path, bool valid) {
  const AllocationPeak peak;
  bool opened = true;
  try {
    SafetensorsFile::open(path);
  } catch (const InputError&) {
    opened = false;
  }
  CHECK(opened == valid);
  return peak.bytes();
}

TEST_CASE("a header length beyond the file or the format's limit is refused with both numbers") {
  const TemporaryFolder folder;
  const auto message_for = [&](uint64_t length) {
    std::string bytes = file_of("{}", "");
    std::memcpy(bytes.data(), &length, sizeof length);
    return message_of<InputError>([&] { SafetensorsFile::open(folder.write("x", bytes)); });
  };
  CHECK(message_for(2).empty());
  CHECK_THAT(message_for(3), Contains("3 bytes but only 2 are left"));
  CHECK_THAT(message_for(100'000'000), Contains("only 2 are left"));
  CHECK_THAT(message_for(100'000'001), Contains("the format allows 100000000"));
  CHECK_THAT(message_for(UINT64_MAX), Contains("18446744073709551615"));
}

TEST_CASE("a header of more than 100,000 tensors is refused before it fills the memory") {
  std::string header = "{";
  for (int i = 0; i <= 100'000; ++i) {
    header += fmt::format(R"("{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},)", i);
  }
  header.back() = '}';
  CHECK_THAT(refusal(header, ""), Contains("'100000'") && Contains("more than 100000 tensors"));
}

constexpr int64_t kMegabyte = 1 << 20;

TEST_CASE("a small file that claims much takes little memory") {
  if (!AllocationPeak::counts()) {
    WARN("SKIPPED: a sanitizer keeps operator new for itself");
    return;
  }
  const TemporaryFolder folder;
  std::string length = file_of("{}", "");
  length[3] = 5;  // a header of 83,886,082 bytes
  CHECK(peak_of_opening(folder.write("a", length), false) < kMegabyte);
  length[7] = '\x7F';  // of 2^63 bytes
  CHECK(peak_of_opening(folder.write("b", length), false) < kMegabyte);
  const std::string claim =
      R"({"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}})";
  CHECK(peak_of_opening(folder.write("c", file_of(claim, "")), false) < kMegabyte);
}

TEST_CASE("opening a safetensors file takes at most 64 MB and twice its size") {
  const TemporaryFolder folder;
  const auto check = [&](const std::string& header, const std::string& data, bool valid) {
    const std::string bytes = file_of(header, data);
    const std::string path = folder.write("x", bytes);
    CHECK(peak_of_opening(path, valid) < 64 * kMegabyte + 2 * static_cast<int64_t>(bytes.size()));
  };
  const size_t large = 16 * static_cast<size_t>(kMegabyte);
  // Data only; then what would swell in memory: sizes, tensors, keys, one string, nested lists.
  check(R"({"a":{"dtype":"U8","shape":[16777216],"data_offsets":[0,16777216]}})",
        std::string(large, 'x'), true);
  std::string sizes;
  while (sizes.size() < large) sizes += "1,";
  check(R"({"a":{"dtype":"U8","shape":[)" + sizes + "1]}}", "", false);
  std::string tensors;
  std::string keys;
  for (int i = 0; i < 300'000; ++i) {
    tensors += fmt::format(R"("{}":{{"dtype":"U8","shape":[],"data_offsets":[0,1]}},)", i);
    keys += fmt::format(R"("{}":"",)", i);
  }
  tensors.back() = '}';
  check("{" + tensors, "x", false);
  keys.back() = '}';
  check(R"({"__metadata__":{)" + keys + "}", "", false);
  check(R"({"__metadata__":{"k":")" + std::string(large, 'x') + "\"}}", "", false);
  check(R"({"__metadata__":{"k":")" + std::string(large / 4, 'x') + "\"}}", "", true);
  check("{\"a\":" + std::string(large, '['), "", false);
}

}  // namespace
}  // namespace gmlp
