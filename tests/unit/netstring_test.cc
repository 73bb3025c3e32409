// Netstrings: cr.yp.to/proto/netstrings.txt.
#include "lib/mail/netstring.h"
#include "tests/catch.h"

#include <vector>

using namespace hato;

TEST_CASE("netstrings are made as section 2 has them", "[netstring]") {
  std::string out;
  append_netstring(out, "hello world!");
  append_netstring(out, "");
  append_netstring(out, std::string("a\0,", 3));
  CHECK(out == std::string("12:hello world!,0:,3:a\0,,", 25));
  for (const std::size_t length : {0U, 1U, 9U, 10U, 99U, 100U, 12345U}) {
    std::string one;
    append_netstring(one, std::string(length, 'x'));
    CHECK(netstring_size(length) == one.size());
  }
}

TEST_CASE("the length of a netstring, in pieces of any size", "[netstring]") {
  using State = NetstringLength::State;
  struct Row {
    std::string octets;
    State state;
    std::uint64_t value;
    std::size_t taken;
  };
  const Row rows[] = {
      {"12:hello", State::done, 12, 3},
      {"0:,", State::done, 0, 2},
      {"999999999999999999:x", State::done, 999999999999999999U, 19},
      {"", State::more, 0, 0},
      {"1", State::more, 1, 1},
      {":", State::malformed, 0, 1},    // "a nonempty sequence of ASCII digits"
      {"00:", State::malformed, 0, 2},  // "Extra zeros at the front of [len] are prohibited"
      {"012:", State::malformed, 0, 2},
      {"1000000000000000000:", State::malformed, 0, 19},  // our limit: 18 digits
      {"-1:", State::malformed, 0, 1},
      {"+1:", State::malformed, 0, 1},
      {" 1:", State::malformed, 0, 1},
      {"1 :", State::malformed, 0, 2},
      {"1a:", State::malformed, 0, 2},
      {"EHLO x\r\n", State::malformed, 0, 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.octets);
    NetstringLength whole;
    CHECK(whole.feed(row.octets) == row.taken);
    CHECK(whole.state() == row.state);
    if (row.state != State::malformed) CHECK(whole.value() == row.value);
    NetstringLength pieces;
    std::size_t taken = 0;
    for (const char c : row.octets) taken += pieces.feed(std::string_view(&c, 1));
    CHECK(taken == row.taken);
    CHECK(pieces.state() == row.state);
  }
}

TEST_CASE("a netstring is cut off the front of what came", "[netstring]") {
  struct Row {
    std::string octets;
    NetstringTake take;
    std::string string, rest;
  };
  const Row rows[] = {
      {"21:Kok 838640135 qp 1390,5:Zlat", NetstringTake::complete, "Kok 838640135 qp 1390", "5:Zlat"},
      {"0:,", NetstringTake::complete, "", ""},
      {"3:ab,", NetstringTake::more, "", "3:ab,"},
      {"3:abc", NetstringTake::more, "", "3:abc"},
      {"3:abc.", NetstringTake::malformed, "", "3:abc."},
      {"30:", NetstringTake::more, "", "30:"},
      {"31:", NetstringTake::too_long, "", "31:"},
      {"999999999999999999:", NetstringTake::too_long, "", "999999999999999999:"},
      {"220 mx.example ESMTP", NetstringTake::malformed, "", "220 mx.example ESMTP"},
      {"", NetstringTake::more, "", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.octets);
    std::string_view rest = row.octets, string;
    CHECK(take_netstring(rest, string, 30) == row.take);
    CHECK(string == row.string);
    CHECK(rest == row.rest);
  }
}
