// npy: what is written is read back; files as NumPy writes them are read; the rest is refused.
#include "core/io/npy.h"

#include <cstring>

#include "core/error.h"
#include "core/io/decode.h"
#include "core/io/file.h"
#include "tests/core/allocation_peak.h"
#include "tests/core/bytes_of.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace gmlp {
namespace {

using test::AllocationPeak;
using test::bytes_of;
using test::message_of;
using test::TemporaryFolder;

using Catch::Matchers::Contains;

// A file by hand; `major` chooses the width of the header's length.
std::string npy_of(const std::string& header, const std::string& data, char major = 1,
                   char minor = 0) {
  const uint32_t size = static_cast<uint32_t>(header.size());
  std::string length(major == 1 ? 2 : 4, '\0');
  std::memcpy(length.data(), &size, length.size());
  return std::string("\x93NUMPY") + major + minor + length + header + data;
}

std::string header_of(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }   \n";
}

NpyArray read_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  return read_npy(folder.write("x.npy", bytes));
}

std::string npy_refusal(const std::string& bytes) {
  std::string message = message_of<InputError>([&] { read_bytes(bytes); });
  if (!message.empty()) CHECK_THAT(message, Contains("x.npy"));
  return message;
}

TEST_CASE("a tensor comes back from an npy file as it was written") {
  const TemporaryFolder folder;
  for (const DType dtype : {DType::kF32, DType::kF64, DType::kBf16}) {
    for (const Shape& shape : {Shape{6}, Shape{2, 3}, Shape{1, 2, 1, 3}}) {
      const Tensor tensor = Tensor::zeros(dtype, shape);
      tensor.fill(-1.5);
      write_npy(folder / "x.npy", tensor);
      const NpyArray array = read_npy(folder / "x.npy");
      CHECK(array.dtype == (dtype == DType::kF64 ? "f8" : "f4"));
      CHECK(array.shape == shape.to_vector());
      const Tensor back = array.to_tensor(dtype, "x.npy");
      CHECK(back.shape() == shape);
      for (int64_t i = 0; i < back.elements(); ++i) CHECK(back.at(i) == -1.5);
    }
  }
  CHECK(folder.count() == 1);  // no temporary is left
}

TEST_CASE("a written npy header is NumPy's own, byte by byte") {
  const TemporaryFolder folder;
  write_npy(folder / "x.npy", Tensor::zeros(DType::kF32, {3}));
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
  header.resize(128 - 10 - 1, ' ');
  CHECK(read_text(folder / "x.npy") == npy_of(header + "\n", std::string(12, '\0')));
}

TEST_CASE("versions 1, 2 and 3 of npy are read") {
  const std::string data = bytes_of<float>({1, 2, 3});
  for (const char major : {'\1', '\2', '\3'}) {
    const NpyArray array = read_bytes(npy_of(header_of("<f4", "(3,)"), data, major));
    CHECK(array.to_tensor(DType::kF32, "x").at(2) == 3);
  }
  CHECK_THAT(npy_refusal(npy_of(header_of("<f4", "(3,)"), data, 4)), Contains("version 4.0"));
  CHECK_THAT(npy_refusal(npy_of(header_of("<f4", "(3,)"), data, 0)), Contains("version 0.0"));
  CHECK_THAT(npy_refusal(npy_of(header_of("<f4", "(3,)"), data, 1, 1)), Contains("version 1.1"));
}

TEST_CASE("npy keys come in any order, with either quote and with Python 2's long integers") {
  const std::string data = bytes_of<float>({1, 2});
  for (const char* header : {
           "{'shape': (2,), 'fortran_order': False, 'descr': '<f4'}\n",
           "{\"fortran_order\":False,\"descr\":\"=f4\",\"shape\":(2,)}",
           "{'descr': '|f4', 'fortran_order': False, 'shape': (2L, 1L), }        \n",
           "{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 1 , 2 , ) , }",
       }) {
    INFO(header);
    CHECK(read_bytes(npy_of(header, data)).bytes.size() == 8);
  }
}

TEST_CASE("every number type of npy is read") {
  const auto ints = [](const std::string& descr, const std::string& data) {
    return read_bytes(npy_of(header_of(descr, "(2,)"), data)).to_integers("x");
  };
  const std::vector<int64_t> expected{-3, 7};
  CHECK(ints("|i1", bytes_of<int8_t>({-3, 7})) == expected);
  CHECK(ints("<i2", bytes_of<int16_t>({-3, 7})) == expected);
  CHECK(ints("<i4", bytes_of<int32_t>({-3, 7})) == expected);
  CHECK(ints("<i8", bytes_of<int64_t>({-3, 7})) == expected);
  const std::vector<int64_t> positive{250, 7};
  CHECK(ints("|u1", bytes_of<uint8_t>({250, 7})) == positive);
  CHECK(ints("<u2", bytes_of<uint16_t>({250, 7})) == positive);
  CHECK(ints("<u4", bytes_of<uint32_t>({250, 7})) == positive);
  CHECK(ints("<u8", bytes_of<uint64_t>({250, 7})) == positive);
  CHECK(ints("|b1", bytes_of<uint8_t>({1, 0})) == std::vector<int64_t>{1, 0});
  const auto half = read_bytes(npy_of(header_of("<f2", "(1,)"), bytes_of<uint16_t>({0x3E00})));
  CHECK(half.to_tensor(DType::kF64, "x").at(0) == 1.5);
}

TEST_CASE("a scalar array is one element") {
  const NpyArray array = read_bytes(npy_of(header_of("<f8", "()"), bytes_of<double>({4.5})));
  CHECK(array.shape.empty());
  CHECK(array.bytes.size() == 8);
  CHECK(array.to_tensor(DType::kF32, "x").shape() == Shape{1});
}

TEST_CASE("floats asked of integers, integers of floats and five dimensions are refused") {
  const NpyArray ints = read_bytes(npy_of(header_of("<i4", "(1,)"), "xxxx"));
  CHECK_THAT(message_of<InputError>([&] { ints.to_tensor(DType::kF32, "labels.npy"); }),
             Contains("labels.npy") && Contains("i4"));
  const NpyArray floats = read_bytes(npy_of(header_of("<f4", "(1, 1, 1, 1, 1)"), "xxxx"));
  CHECK_THAT(message_of<InputError>([&] { floats.to_integers("x.npy"); }), Contains("f4"));
  CHECK_THAT(message_of<InputError>([&] { floats.to_tensor(DType::kF32, "x.npy"); }),
             Contains("5 dimensions"));
}

TEST_CASE("what npy can hold and gmlp cannot is refused with the remedy") {
  CHECK_THAT(npy_refusal(npy_of(header_of(">f4", "(1,)"), "xxxx")),
             Contains("big-endian") && Contains("newbyteorder"));
  CHECK_THAT(npy_refusal(npy_of(header_of("|O", "(1,)"), "xxxx")),
             Contains("Python objects") && Contains("dtype="));
  CHECK_THAT(npy_refusal(npy_of(
                 "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "xxxx")),
             Contains("structured") && Contains("array['field']"));
  CHECK_THAT(
      npy_refusal(npy_of("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", "xxxx")),
      Contains("Fortran") && Contains("ascontiguousarray"));
  for (const char* descr : {"<c8", "<U1", "|S4", "<M8[ns]", "<f16", "|V4", "f4", "<f3", "<", ""}) {
    INFO(descr);
    CHECK_THAT(npy_refusal(npy_of(header_of(descr, "(1,)"), "xxxx")), Contains("astype"));
  }
}

TEST_CASE("every malformed npy header is refused") {
  const std::string tail = "'fortran_order': False, 'shape': (1,)}";
  const std::string start = "{'descr': '<f4', 'fortran_order': False, ";
  const std::string headers[] = {
      "",
      "{",
      "{}",
      "{'descr': '<f4', " + tail + "x",
      "{'descr': '<f4', " + tail + "}",
      "{'descr': '<f4', 'descr': '<f4', " + tail,
      "{'descr': '<f4', 'other': 1, " + tail,
      "{'descr': '<f4' " + tail,
      "{'descr' '<f4', " + tail,
      "{'descr': <f4, " + tail,
      "{'descr': '<f4, " + tail,
      "{'descr': '\\x3cf4', " + tail,
      "{,'descr': '<f4', " + tail,
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
      "{'descr': '<f4', 'shape': (1,)}",
      start + "'shape': (1)}",
      start + "'shape': 1}",
      start + "'shape': [1]}",
      "{'descr': '\\u003cf4', " + tail,
      start + "'shape': (1,}",
      start + "'shape': (,)}",
      start + "'shape': (1,,1)}",
      start + "'shape': (1 1)}",
      start + "'shape': (-1,)}",
      start + "'shape': (1.0,)}",
      start + "'shape': (0x1,)}",
      start + "'shape': (1,)",
      start + "'shape': (99999999999999999999,)}",
      start + "'shape': (4294967296, 4294967296)}",
      start + "'shape': (4611686018427387904,)}",
  };
  for (const std::string& header : headers) {
    INFO(header);
    CHECK_FALSE(npy_refusal(npy_of(header, "xxxx")).empty());
  }
  CHECK(npy_refusal(npy_of(start + "'shape': (1,)}", "xxxx")).empty());
}

TEST_CASE("an npy array with a dimension of 0 is refused, whatever the others multiply to") {
  for (const char* shape : {"(0,)", "(2, 0, 3)", "(0, 4294967296, 4294967296)"}) {
    CHECK_THAT(npy_refusal(npy_of(header_of("<f4", shape), "")), Contains("x.npy"));
  }
  CHECK_THAT(npy_refusal(npy_of(header_of("<f4", "(3, 0)"), "")), Contains("has no elements"));
}

TEST_CASE("npy data of another size than the shape says is refused") {
  CHECK_THAT(npy_refusal(npy_of(header_of("<f4", "(2,)"), "xxxxxxx")), Contains("truncated"));
  CHECK_THAT(npy_refusal(npy_of(header_of("<f4", "(2,)"), "xxxxxxxxx")),
             Contains("something else"));
  CHECK_THAT(npy_refusal(std::string("\x93NUMPY\1\0\x05\0{   ", 14)), Contains("only 4 are left"));
  CHECK_THAT(npy_refusal("PK\3\4 a zip archive"), Contains("is it an .npy file?"));
}

TEST_CASE("an npy file truncated at any length is refused") {
  for (const char major : {'\1', '\2'}) {
    const std::string bytes =
        npy_of(header_of("<f8", "(2, 3)"), std::string(6 * sizeof(double), 'x'), major);
    CHECK(npy_refusal(bytes).empty());
    for (size_t size = 0; size < bytes.size(); ++size) {
      INFO(size << " of " << bytes.size() << " bytes");
      CHECK_FALSE(npy_refusal(bytes.substr(0, size)).empty());
    }
  }
}

TEST_CASE("a flipped bit in an npy file is refused or gives an array of the data's size") {
  const TemporaryFolder folder;
  const std::string good = npy_of(header_of("<f4", "(2, 3)"), std::string(24, 'x'));
  for (size_t bit = 0; bit < (good.size() - 24) * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    try {
      const NpyArray array = read_npy(folder.write("x.npy", bytes));
      CHECK(static_cast<int64_t>(array.bytes.size()) ==
            array_size(array.shape, array.dtype[1] - '0', "x"));
    } catch (const InputError&) {
      SUCCEED("refused");
    }
  }
}

TEST_CASE("reading an npy file takes about its own size of memory, whatever it claims") {
  if (!AllocationPeak::counts()) {
    WARN("SKIPPED: a sanitizer keeps operator new for itself");
    return;
  }
  const TemporaryFolder folder;
  const std::string data(8 << 20, 'x');
  const auto peak_of = [&](const std::string& bytes) {
    const std::string path = folder.write("x.npy", bytes);
    const AllocationPeak peak;
    try {
      read_npy(path);
    } catch (const InputError&) {
      SUCCEED("refused");
    }
    return peak.bytes();
  };
  const int64_t margin = 64 << 10;
  CHECK(peak_of(npy_of(header_of("|u1", "(8388608,)"), data)) < (8 << 20) + margin);
  CHECK(peak_of(npy_of(header_of("<f4", "(1099511627776,)"), "xxxx")) < margin);
  CHECK(peak_of(std::string("\x93NUMPY\2\0\xFF\xFF\xFF\x7F", 12)) < margin);
}

}  // namespace
}  // namespace gmlp
