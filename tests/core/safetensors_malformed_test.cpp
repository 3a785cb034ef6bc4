// Every way to break a safetensors header, one line each, and the reason that the error must give.
#include <string>

#include "tests/core/safetensors_by_hand.h"
#include "tests/support/catch.h"

namespace gmlp {
namespace {

using test::refusal;

using Catch::Matchers::Contains;

struct Malformed {
  const char* what;
  const char* header;
  const char* data;
  const char* message;  // a part of the refusal
};

// Each is refused with the tensor named (where one is concerned) and the reason.
constexpr Malformed kMalformed[] = {
    {"empty header", "", "", "does not begin with '{'"},
    {"space first", " {}", "", "does not begin with '{'"},
    {"byte order mark", "\xEF\xBB\xBF{}", "", "does not begin with '{'"},
    {"list", "[]", "", "does not begin with '{'"},
    {"unfinished JSON", "{\"a\":", "", "not JSON"},
    {"text after the JSON", "{} x", "", "not JSON"},
    {"two objects", "{}{}", "", "not JSON"},
    {"trailing comma", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},})", "x",
     "not JSON"},
    {"comment", "{/**/}", "", "not JSON"},
    {"invalid UTF-8", "{\"\xFF\":{}}", "", "not JSON"},
    {"lone surrogate", R"({"\ud800":{}})", "", "not JSON"},
    {"tensor is a number", R"({"a":1})", "", "'a'"},
    {"tensor is null", R"({"a":null})", "", "'a'"},
    {"tensor is a list", R"({"a":[]})", "", "'a'"},
    {"tensor is a string", R"({"a":"x"})", "", "'a'"},
    {"deep nesting", R"({"a":{"shape":[[[[1]]]]}})", "", "'a'"},
    {"object in a tensor", R"({"a":{"dtype":{}}})", "", "'a'"},
    {"metadata is a list", R"({"__metadata__":[]})", "", "'__metadata__'"},
    {"metadata holds a number", R"({"__metadata__":{"k":1}})", "", "'k' is no text"},
    {"metadata holds an object", R"({"__metadata__":{"k":{}}})", "", "'k' is no text"},
    {"metadata key twice", R"({"__metadata__":{"k":"1","k":"1"}})", "", "'k' twice"},
    {"metadata twice", R"({"__metadata__":{},"__metadata__":{}})", "", "twice"},
    {"no dtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", "x", "'a': lacks dtype"},
    {"no shape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", "x", "'a': lacks shape"},
    {"no offsets", R"({"a":{"dtype":"U8","shape":[1]}})", "x", "'a': lacks data_offsets"},
    {"unknown key", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", "x",
     "'a': has the unknown key 'x'"},
    {"key twice", R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x",
     "'a': has 'dtype' twice"},
    {"tensor twice",
     R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
     R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
     "xx", "'a': appears twice"},
    {"the same tensor twice, once escaped",
     R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
     R"("\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
     "", "'a': appears twice"},
    {"unknown dtype", R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,1]}})", "x",
     "'a': its dtype \"F31\""},
    {"lower-case dtype", R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", "xxxx",
     "'a': its dtype \"f32\""},
    {"dtype is a number", R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", "x", "'a'"},
    {"negative size", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", "x",
     "'a': -1 in its shape"},
    {"fractional size", R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", "x",
     "'a': 1.0"},
    {"size beyond 64 bits",
     R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,1]}})", "x", "'a'"},
    {"size of 2^63", R"({"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}})",
     "x", "'a'"},
    {"size is a string", R"({"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", "x", "'a'"},
    {"shape is a number", R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", "x", "'a'"},
    {"product overflows",
     R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", "xxxx",
     "'a'"},
    {"bytes overflow",
     R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", "", "'a'"},
    {"one offset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", "x", "'a'"},
    {"three offsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}})", "x", "'a'"},
    {"reversed offsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", "x", "'a'"},
    {"negative offset", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", "x", "'a'"},
    {"too few bytes", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}})", "xxx", "'a'"},
    {"too many bytes", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,5]}})", "xxxxx", "'a'"},
    {"past the end", R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", "xx",
     "'a': ends at byte 3"},
    {"hole at the start", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "xx",
     "'a': begins at byte 1 of the data, after a hole"},
    {"hole between",
     R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
     R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
     "xxx", "'b': begins at byte 2 of the data, after a hole"},
    {"overlap",
     R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
     R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
     "xxx", "'b': begins at byte 1 of the data, inside"},
    {"the same bytes twice",
     R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
     R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
     "xx", "'b': begins at byte 0 of the data, inside"},
    {"bytes at the end", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "xx",
     "1 bytes after the last tensor"},
    {"bytes without a tensor", "{}", "x", "1 bytes after the last tensor"},
};

TEST_CASE("every malformed safetensors header is refused with its reason") {
  for (const Malformed& file : kMalformed) {
    INFO(file.what);
    CHECK_THAT(refusal(file.header, file.data), Contains(file.message));
  }
}

TEST_CASE("a NUL in the header is refused, it would hide what follows") {
  CHECK_THAT(refusal(std::string("{}\0{\"a\"", 7), ""), Contains("NUL at byte 2"));
}

TEST_CASE("names with control characters cannot reach the terminal") {
  const std::string message = refusal(R"({"\u001b[2Jx":{"dtype":"U8"}})", "");
  CHECK_THAT(message, Contains("'\\x1b[2Jx'"));
  CHECK(message.find('\x1B') == std::string::npos);
}

}  // namespace
}  // namespace gmlp
