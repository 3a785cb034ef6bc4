// JSON's text, whatever bytes a name has.
#include "core/io/json.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

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

TEST_CASE("JSON that is damaged, too deep or hides something is refused with the file's name") {
  const auto refusal = [](std::string_view text) {
    return gmlp::test::message_of<gmlp::InputError>([&] { gmlp::parse_json(text, "x.json"); });
  };
  CHECK(refusal(std::string(32, '[') + std::string(32, ']')).empty());
  CHECK(refusal("{\"a\": \"[[[\\\"" + std::string(40, '{') + "\"}").empty());
  for (const std::string& text :
       {std::string(), std::string("{\"a\":"), std::string("{} x"), std::string("{}\0", 3),
        std::string(33, '[') + std::string(33, ']'), std::string(1 << 20, '[')}) {
    CHECK_THAT(refusal(text), Catch::Matchers::StartsWith("x.json: "));
  }
}
