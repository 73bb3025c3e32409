// Words of a line (lib/base/words.h).
#include "lib/base/words.h"

#include "tests/catch.h"

using namespace hato;

TEST_CASE("words are what stands between blanks", "[words]") {
  using Words = std::vector<std::string>;
  struct Row {
    const char* line;
    Words words;
  };
  const Row rows[] = {
      {"", {}},
      {" \t ", {}},
      {"one", {"one"}},
      {" one\ttwo  three ", {"one", "two", "three"}},
      {"a\nb\rc", {"a\nb\rc"}},  // nothing else is a blank
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    CHECK(split_words(row.line) == row.words);
  }
}

TEST_CASE("a word is taken off the front", "[words]") {
  std::string_view rest = "\tone two";
  CHECK(next_word(rest) == "one");
  CHECK(rest == " two");
  CHECK(next_word(rest) == "two");
  CHECK(rest.empty());
  CHECK_FALSE(next_word(rest));
}
