// Vacation replies (lib/mail/vacation.h): RFC 3834.
#include "lib/mail/vacation.h"

#include <stdlib.h>
#include <time.h>

#include "lib/base/error.h"
#include "lib/mail/encoded_word.h"
#include "lib/mail/header.h"
#include "tests/catch.h"

using namespace hato;

namespace {

bool is_me(const std::string& address) {
  return address == "me@x.example" || address == "alias@x.example";
}

std::string reason(const std::string& header, const std::string& sender = "you@y.example") {
  const std::string named = named_recipient(header, is_me);
  return no_reply_reason({header, sender, named}).value_or("");
}

}  // namespace

TEST_CASE("vacation: who gets no reply", "[vacation]") {
  const std::string to_me = "To: me@x.example\n";
  struct Row {
    std::string header;
    const char* sender;
    const char* reason;
  };
  const Row rows[] = {
      {to_me, "you@y.example", ""},
      {"Subject: x\nCc: Joe <joe@y.example>,\n =?UTF-8?B?44Gm?= <alias@x.example>\n", "you@y.example", ""},
      {"Resent-To: me@x.example\n", "you@y.example", ""},
      {to_me + "Auto-Submitted: no\n", "you@y.example", ""},
      {to_me + "Auto-Submitted: NO (really)\n", "you@y.example", ""},
      {to_me + "Precedence: first-class\n", "you@y.example", ""},
      {to_me + "Subject: List-Id: is no field here\n", "you@y.example", ""},
      {to_me, "", "it has the null sender"},
      {to_me, "#@[]", "it has the null sender"},
      {to_me, "you", "its sender is no address"},
      {to_me, "MAILER-DAEMON@y.example", "its sender is a machine or a list"},
      {to_me, "owner-list@y.example", "its sender is a machine or a list"},
      {to_me, "list-owner@y.example", "its sender is a machine or a list"},
      {to_me, "list-owner-joe=z.example@y.example", "its sender is a machine or a list"},
      {to_me, "list-request@y.example", "its sender is a machine or a list"},
      {to_me, "NoReply@y.example", "its sender is a machine or a list"},
      {to_me, "me@x.example", "its sender is the recipient"},
      {to_me + "Auto-Submitted: auto-replied\n", "you@y.example", "a machine has sent it (Auto-Submitted)"},
      {to_me + "auto-submitted:\n auto-generated; x=y\n", "you@y.example",
       "a machine has sent it (Auto-Submitted)"},
      {to_me + "Auto-Submitted:\n", "you@y.example", "a machine has sent it (Auto-Submitted)"},
      {to_me + "LIST-UNSUBSCRIBE: <mailto:x>\n", "you@y.example", "it comes from a list (List-...)"},
      {to_me + "Precedence: Bulk\n", "you@y.example", "it was sent to many (Precedence)"},
      {to_me + "Precedence: junk\n", "you@y.example", "it was sent to many (Precedence)"},
      {to_me + "Precedence: list\n", "you@y.example", "it was sent to many (Precedence)"},
      {"To: joe@y.example\n", "you@y.example", "it does not name the recipient in To or Cc"},
      {"To: \"me@x.example\" <joe@y.example>\n", "you@y.example",
       "it does not name the recipient in To or Cc"},
      {"To: undisclosed-recipients:;\n", "you@y.example", "it does not name the recipient in To or Cc"},
      {"", "you@y.example", "it does not name the recipient in To or Cc"},
  };
  for (const Row& row : rows) {
    INFO(row.header << row.sender);
    CHECK(reason(row.header, row.sender) == row.reason);
  }
}

TEST_CASE("vacation: what a reply says", "[vacation]") {
  Vacation vacation;
  vacation.text = "\xe4\xbc\x91\xe6\x9a\x87\xe4\xb8\xad = away\n.\nFrom here";
  const std::string header =
      "From: You <you@y.example>\nTo: me@x.example\nMessage-ID: <m1@y.example>\nReferences: <r1@y.example>\n "
      "<r2@y.example>\nSubject: Hello\n";
  const std::string reply =
      vacation_reply(vacation, {header, "y u@y.example", "me@x.example"}, "id@x.example", 1795514400);
  const auto field = [&](const char* name) {
    const auto found = find_field(reply, name);
    return found ? unfolded(found->body) : "none";
  };
  CHECK(field("To") == "<\"y u\"@y.example>");
  CHECK(field("From") == "<me@x.example>");
  CHECK(field("Subject") == "Auto: Hello");
  CHECK(field("Auto-Submitted") == "auto-replied");
  CHECK(field("In-Reply-To") == "<m1@y.example>");
  CHECK(field("References") == "<r1@y.example> <r2@y.example> <m1@y.example>");
  CHECK(field("Message-ID") == "<id@x.example>");
  CHECK(field("Content-Type") == "text/plain; charset=UTF-8");
  CHECK(reply.substr(body_offset(reply)) == "=E4=BC=91=E6=9A=87=E4=B8=AD =3D away\n=2E\n=46rom here\n");
  for (const char c : reply) CHECK(static_cast<unsigned char>(c) < 127);

  struct Row {
    std::string theirs;
    const char* ours;
  };
  const std::string jis = "\x1b$B\x3d\x22\x1b(B";
  const Row rows[] = {
      {"", "Auto: your mail"},
      {"Subject: \xe3\x81\x93\n", "Auto: =?UTF-8?B?44GT?="},
      {"Subject: =?ISO-2022-JP?B?GyRCPSIbKEI=?=\n", "Auto: =?ISO-2022-JP?B?GyRCPSIbKEI=?="},
      {"Subject: " + jis + "\n", "Auto: =?ISO-2022-JP?B?GyRCPSIbKEI=?="},
      {"Subject: a\rBcc: z@z.example\n", "Auto: your mail"},
      {"Subject: \xff\n", "Auto: your mail"},
      {"Subject: " + std::string(600, 'x') + "\n", "Auto: your mail"},
      {"Subject: a\n b\n\tc\n", "Auto: a b\tc"},
  };
  for (const Row& row : rows) {
    INFO(row.theirs);
    const std::string text = vacation_reply(vacation, {row.theirs, "you@y.example", "me@x.example"}, "i", 0);
    CHECK(unfolded(find_field(text, "Subject")->body) == row.ours);
    CHECK_FALSE(find_field(text, "Bcc"));
    CHECK_FALSE(find_field(text, "In-Reply-To"));
  }
  vacation.subject = "\xe4\xbc\x91\xe6\x9a\x87";
  CHECK(vacation_reply(vacation, {"", "a@b.example", "c@d.example"}, "i", 0)
            .find("Subject: =?UTF-8?B?5LyR5pqH?=\n") != std::string::npos);
  // A Message-ID that would begin a field of its own is not repeated.
  const std::string hostile =
      vacation_reply(vacation, {"Message-ID: <a b>\n", "a@b.example", "c@d.example"}, "i", 0);
  CHECK(hostile.find("In-Reply-To") == std::string::npos);
}

TEST_CASE("vacation: settings as words and back", "[vacation]") {
  Vacation vacation;
  vacation.text = "a\\nb\n\tc";
  CHECK(vacation_words(vacation) == std::vector<std::string>{"--", "a\\\\nb\\n\\tc"});
  CHECK(parse_vacation_words(vacation_words(vacation)) == vacation);
  vacation.text = "-- -s";
  vacation.subject = "-x";
  vacation.from = "2026-12-28";
  vacation.until = "2027-01-03T18:00:00+09:00";
  vacation.days = 3;
  CHECK(parse_vacation_words(vacation_words(vacation)) == vacation);
  CHECK(parse_vacation_words({"hello"}).text == "hello");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{},
                                                                                     {"--"},
                                                                                     {"a", "b"},
                                                                                     {"-s", "x"},
                                                                                     {"-z", "x", "y"},
                                                                                     {"-d", "0", "x"},
                                                                                     {"-d", "3x", "x"},
                                                                                     {"-d", "61", "x"},
                                                                                     {"a\\q"},
                                                                                     {"a\\"},
                                                                                     {"-f", "x", "y"},
                                                                                     {"a\x01"},
                                                                                     {"\xff"}})
    CHECK_THROWS_AS(parse_vacation_words(words), PermError);
}

TEST_CASE("vacation: the days", "[vacation]") {
  const char* before = getenv("TZ");
  const std::string kept = before != nullptr ? before : "";
  setenv("TZ", "JST-9", 1);
  tzset();
  CHECK(vacation_moment("2026-12-28", false) == 1798383600);  // 2026-12-27 15:00 UTC
  CHECK(vacation_moment("2026-12-28", true) == 1798383600 + 86400);
  CHECK(vacation_moment("2026-12-31", true) == vacation_moment("2027-01-01", false));
  CHECK(vacation_moment("2026-12-28T00:00:00+09:00", false) == 1798383600);
  CHECK(vacation_moment("2026-12-27T15:00Z", true) == 1798383600);
  CHECK(vacation_moment("2028-02-29", false));
  for (const char* day : {"", "2026", "2026-2-3", "2026-02-29", "2026-13-01", "2026-00-01", "2026-01-00",
                          "26-01-01", "2026-01-01x", "2026-01-01T10:00", "2026-01-01T24:00Z",
                          "2026-01-01T10:00+9", "1969-01-01", "2026-01-01T10:00:00Zx"}) {
    INFO(day);
    CHECK_FALSE(vacation_moment(day, false));
  }
  Vacation vacation{.text = "x", .subject = "", .from = "2026-12-28", .until = "2026-12-28"};
  CHECK_FALSE(vacation_is_on(vacation, 1798383599));
  CHECK(vacation_is_on(vacation, 1798383600));
  CHECK(vacation_is_on(vacation, 1798383600 + 86399));
  CHECK_FALSE(vacation_is_on(vacation, 1798383600 + 86400));
  if (before != nullptr)
    setenv("TZ", kept.c_str(), 1);
  else
    unsetenv("TZ");
  tzset();
}
