#include "pop3d/command.h"
#include "tests/catch.h"

#include <limits>
#include <string>

using namespace hato;
using namespace std::string_literals;

TEST_CASE("POP3 command lines") {
  struct Row {
    std::string line;
    Verb verb;
    std::string argument;
    const char* source;
  };
  const Row rows[] = {
      {"STAT", Verb::stat, "", "RFC 1939 section 5"},
      {"stat\r", Verb::stat, "", "RFC 1939 section 3: case-insensitive, CRLF"},
      {"Retr 7\r", Verb::retr, "7", "RFC 1939 section 5"},
      {"TOP 1 10", Verb::top, "1 10", "RFC 1939 section 7"},
      {"LIST   3", Verb::list, "3", "qmail: blanks before an argument do not count"},
      {"LIST ", Verb::list, "", "an argument that is none"},
      {"USER mrose", Verb::user, "mrose", "RFC 1939 section 7"},
      {"PASS  two words ", Verb::pass, " two words ", "RFC 1939: what follows one blank is the password"},
      {"APOP mrose c4c9334bac560ecc979e58001b3e22fb", Verb::apop, "mrose c4c9334bac560ecc979e58001b3e22fb",
       "RFC 1939 section 7"},
      {"CAPA", Verb::capa, "", "RFC 2449 section 5"},
      {"LAST", Verb::last, "", "RFC 1460"},
      {"STATS", Verb::unknown, "", "no abbreviation, no prefix"},
      {"", Verb::unknown, "", "an empty line"},
      {" STAT", Verb::unknown, "STAT", "a blank in front"},
      {"STAT\0x"s, Verb::unknown, "", "a NUL"},
      {"XTND XMIT", Verb::unknown, "XMIT", "an extension"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line, row.source);
    const Pop3Command command = parse_pop3_command(row.line);
    CHECK(command.verb == row.verb);
    CHECK(command.argument == row.argument);
  }
}

TEST_CASE("POP3 message numbers") {
  std::string_view two = "12  34";
  CHECK(take_number(two) == 12);
  CHECK(two == "34");
  CHECK(take_number(two) == 34);
  CHECK(two.empty());
  CHECK_FALSE(take_number(two));

  std::string_view word = "x1", negative = "-1";
  CHECK_FALSE(take_number(word));
  CHECK(word == "x1");
  CHECK_FALSE(take_number(negative));

  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  std::string_view largest = "18446744073709551615", larger = "18446744073709551616",
                   far = "99999999999999999999999";
  CHECK(take_number(largest) == most);
  CHECK(take_number(larger) == most);
  CHECK(take_number(far) == most);
}
