// Text as JSON strings (lib/mail/json.h), after RFC 8259 section 7.
#include "lib/mail/json.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

TEST_CASE("json: strings", "[json]") {
  CHECK(json_string("") == "\"\"");
  CHECK(json_string("plain") == "\"plain\"");
  CHECK(json_string("a\"b\\c/") == "\"a\\\"b\\\\c/\"");
  CHECK(json_string("\n\t\0\x1f\x7f"s) == "\"\\u000a\\u0009\\u0000\\u001f\\u007f\"");
  CHECK(json_string("\xe9\xb3\xa9@\xf0\x9f\x95\x8a") == "\"\xe9\xb3\xa9@\xf0\x9f\x95\x8a\"");
  // not UTF-8: each byte becomes U+FFFD
  CHECK(json_string("a\xff\xc3") == "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
}
