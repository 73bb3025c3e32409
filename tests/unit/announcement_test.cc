#include "local/announcement.h"
#include "tests/catch.h"

#include <string.h>
#include <utmp.h>

using namespace hato;

TEST_CASE("qbiff(1): what goes to the screen") {
  struct Row {
    const char *sender, *message, *expected;
  };
  const Row rows[] = {
      {"s@x", "Subject: hi\n\nbody\nmore\n", "\r\n\a*** TO <joe> FROM <s@x>\r\n     hi/body/more/\r\n"},
      {"", "", "\r\n\a*** TO <joe> FROM <>\r\n    \r\n"},
      {"\x1b[2J", "subject: \x1b]0;x\a\n\n",
       "\r\n\a*** TO <joe> FROM <_[2J>\r\n     /]0;x//\r\n"},  // no escapes
      {"s",
       "To: x\n\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
       "\r\n\a*** TO <joe> FROM <s>\r\n    "
       "01234567890123456789012345678901234567890123456789012345678901234567890123"
       "\r\n"},
  };
  for (const Row& row : rows) CHECK(announcement("joe", row.sender, row.message) == row.expected);
}

TEST_CASE("qbiff(1): the user's terminals") {
  std::string bytes;
  const auto add = [&](short type, const char* user, const char* line) {
    utmp entry{};
    entry.ut_type = type;
    strncpy(entry.ut_user, user, sizeof entry.ut_user);
    strncpy(entry.ut_line, line, sizeof entry.ut_line);
    bytes.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  };
  add(USER_PROCESS, "joe", "pts/1");
  add(USER_PROCESS, "joey", "pts/2");
  add(DEAD_PROCESS, "joe", "pts/3");
  add(USER_PROCESS, "joe", "/etc/passwd");
  add(USER_PROCESS, "joe", "../etc/passwd");
  add(USER_PROCESS, "joe", "");
  add(USER_PROCESS, "joe", "tty1");
  bytes += "torn";
  CHECK(terminals_of("joe", bytes) == std::vector<std::string>{"pts/1", "tty1"});
}
