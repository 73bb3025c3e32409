// JSON text as a value: RFC 8259.
#include "lib/mail/json_value.h"

#include "lib/base/error.h"
#include "tests/catch.h"

using namespace hato;

namespace {

std::string refusal(std::string_view text) {
  try {
    JsonValue::parse(text);
  } catch (const PermError& e) {
    return e.text();
  }
  return "";
}

}  // namespace

TEST_CASE("values of every kind", "[json]") {
  const JsonValue value = JsonValue::parse(
      " {\"s\": \"\\u9ce9\\ud83d\\udd4a\\n\\u0000\", \"n\": -42, \"t\": true, \"f\": false, \"z\": null,"
      " \"a\": [1, \"two\", []], \"o\": {\"\": {}}, \"big\": 9223372036854775807}\r\n");
  CHECK(*value.member("s")->string() == std::string("鳩🕊\n\0", 9));
  CHECK(*value.member("n")->number() == -42);
  CHECK(*value.member("t")->boolean());
  CHECK_FALSE(*value.member("f")->boolean());
  CHECK(value.member("z")->is_null());
  REQUIRE(value.member("a")->items()->size() == 3);
  CHECK(*value.member("a")->items()->at(1).string() == "two");
  CHECK(value.member("a")->items()->at(2).items()->empty());
  CHECK(value.member("o")->member("")->members()->empty());
  CHECK(*value.member("big")->number() == INT64_MAX);
  CHECK(value.member("nothing") == nullptr);
  CHECK(value.member("s")->member("x") == nullptr);
  CHECK(value.member("s")->number() == nullptr);
}

TEST_CASE("what is refused, and the sentence", "[json]") {
  struct Row {
    std::string text, why;
  };
  const Row rows[] = {
      {"", "byte 1"},
      {"{", "byte 2"},
      {"{\"a\":1,}", "byte 8"},
      {"[1] [2]", "byte 5"},
      {"\"\xff\"", "byte 2"},  // RFC 8259 8.1: UTF-8
      {"\"\xed\xa0\x80\"", "byte 3"},
      {"\"\\ud800\"", "byte 8"},
      {"\"a\nb\"", "byte 3"},
      {"nul", "byte 4"},
      {"// c\n1", "byte 1"},
      {"NaN", "byte 1"},
      {"{\"a\":1,\"a\":2}", "\"a\" is there twice"},
      {"1.5", "1.5 is not whole"},
      {"1e3", "1e3 is not whole"},
      {"1e999", "byte 5"},
      {"9223372036854775808", "too large"},
      {"-9223372036854775809", "too large"},
      {std::string(33, '[') + std::string(33, ']'), "32 levels"},
      {std::string(100000, '['), "32 levels"},
      {std::string(json_text_limit + 1, ' '), "1 MiB"},
  };
  for (const Row& row : rows) {
    INFO(row.text.substr(0, 40));
    CHECK(refusal(row.text).starts_with("JSON: "));
    CHECK(refusal(row.text).find(row.why) != std::string::npos);
    CHECK(refusal(row.text).size() < 200);
  }
  CHECK(refusal(std::string(32, '[') + std::string(32, ']')).empty());
}
