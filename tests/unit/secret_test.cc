#include "lib/base/secret.h"
#include "tests/catch.h"

#include <string.h>

using namespace hato;

TEST_CASE("wiping leaves nothing in the space of the string") {
  std::string text = "correct horse battery staple, longer than any short string";
  const char* space = text.data();
  const std::size_t size = text.size();
  wipe(text);
  CHECK(text.empty());
  REQUIRE(text.data() == space);  // the space is still the string's own
  CHECK(std::string(space, size) == std::string(size, '\0'));
}

TEST_CASE("a moved secret leaves nothing behind") {
  Secret a("short");
  Secret b(std::move(a));
  CHECK(a.text().empty());
  CHECK(b.text() == "short");
  b = Secret("another");
  CHECK(b.text() == "another");
}

TEST_CASE("comparing in constant time") {
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time("abc", "abc"));
  CHECK_FALSE(equal_in_constant_time("abc", "abd"));
  CHECK_FALSE(equal_in_constant_time("xbc", "abc"));
  CHECK_FALSE(equal_in_constant_time("abc", "abcd"));
}
