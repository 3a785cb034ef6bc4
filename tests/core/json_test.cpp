// JSON's text, whatever bytes a name has.
#include "core/io/json.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

using nlohmann::ordered_json;

TEST_CASE("a value's text keeps the order of its keys and reads back") {
  const ordered_json json = {{"b", 1}, {"a", {1.5, nullptr, "x\n"}}};
  CHECK(gmlp::json_line(json) == R"({"b":1,"a":[1.5,null,"x\n"]})");
  CHECK(gmlp::json_text(json).starts_with("{\n  \"b\": 1,\n"));
  CHECK(gmlp::json_text(json).ends_with("}\n"));
  CHECK(ordered_json::parse(gmlp::json_text(json)) == json);
}

TEST_CASE("bytes that are not UTF-8 become U+FFFD, and other text stays") {
  CHECK(gmlp::utf8_of("caf\u00E9 \"#\\") == "caf\u00E9 \"#\\");
  CHECK(gmlp::utf8_of("a\xFF") == "a\uFFFD");
  CHECK(gmlp::utf8_of("\xC3(") == "\uFFFD(");
  CHECK(gmlp::json_line({{"path", "\xFFx"}}) == "{\"path\":\"\uFFFDx\"}");
}
