#include "smtpd/ident.h"
#include "tests/catch.h"

using namespace hato;

TEST_CASE("ident: replies", "[smtpd]") {
  struct Row {
    const char* line;
    std::optional<std::string> user;
    const char* source;
  };
  const Row rows[] = {
      {"6193, 23 : USERID : UNIX : stjohns", "stjohns", "RFC 1413 section 5"},
      {"6193,23:USERID:OTHER:a b\r", "a?b", "white space is made safe"},
      {"6193, 23 : userid : UNIX, US-ASCII : x:y", "x:y", "charset; the user may hold a colon"},
      {"6193, 23 : ERROR : NO-USER", std::nullopt, "RFC 1413 section 5"},
      {"6194, 23 : USERID : UNIX : x", std::nullopt, "another connection"},
      {"6193, 24 : USERID : UNIX : x", std::nullopt, "another connection"},
      {"6193, 23 : USERID : UNIX : ", std::nullopt, "nobody"},
      {"6193, 23 : USERID : UNIX", std::nullopt, "cut off"},
      {"", std::nullopt, "nothing"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line, row.source);
    CHECK(smtpd::parse_ident_reply(row.line, 6193, 23) == row.user);
  }
}
