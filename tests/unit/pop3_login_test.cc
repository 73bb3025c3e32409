#include "pop3d/login.h"

#include <string>

#include "pop3d/command.h"
#include "tests/catch.h"

using namespace hato;
using namespace std::string_literals;

namespace {

const std::string stamp = "<12.34@pop.example>";

int exited(int code) {
  return code << 8;
}

}  // namespace

TEST_CASE("the greeting carries the timestamp") {
  // RFC 1939 section 7, APOP; the blank at the end: qmail-popup(8).
  CHECK(LoginDialogue(stamp).greeting() == "+OK <12.34@pop.example> \r\n");
}

TEST_CASE("replies before login") {
  struct Row {
    const char* line;
    std::string reply;
    bool over;
    const char* source;
  };
  const Row rows[] = {
      {"USER abc", "+OK \r\n", false, "qmail-popup"},
      {"USER", "-ERR syntax error\r\n", false, "qmail-popup"},
      {"PASS x", "-ERR USER first\r\n", false, "qmail-popup"},
      {"NOOP", "+OK \r\n", false, "qmail-popup"},
      {"STAT", "-ERR authorization first\r\n", false, "qmail-popup"},
      {"", "-ERR authorization first\r\n", false, "qmail-popup"},
      {"APOP abc", "-ERR syntax error\r\n", false, "qmail-popup"},
      {"APOP abc ", "-ERR syntax error\r\n", false, "an empty digest"},
      {"QUIT", "+OK \r\n", true, "qmail-popup"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line, row.source);
    LoginDialogue dialogue(stamp);
    const LoginDialogue::Step step = dialogue.command(row.line);
    CHECK(step.reply == row.reply);
    CHECK(step.over == row.over);
    CHECK_FALSE(step.login);
  }
}

TEST_CASE("CAPA before login names what the server can") {
  LoginDialogue dialogue(stamp);
  const std::string reply = dialogue.command("CAPA").reply;
  for (const char* line : {"\r\nTOP\r\n", "\r\nUSER\r\n", "\r\nUIDL\r\n", "\r\nPIPELINING\r\n"})
    CHECK(reply.find(line) != std::string::npos);
  CHECK(reply.substr(0, 4) == "+OK ");
  CHECK(reply.substr(reply.size() - 5) == "\r\n.\r\n");
}

TEST_CASE("USER and PASS make a login") {
  LoginDialogue dialogue(stamp);
  dialogue.command("USER first\r");
  dialogue.command("USER a b\r");  // the last one counts
  CHECK(dialogue.command("PASS").reply == "-ERR syntax error\r\n");
  const LoginDialogue::Step step = dialogue.command("PASS  p w \r");
  REQUIRE(step.login);
  CHECK(step.over);
  CHECK(step.reply.empty());
  CHECK(step.login->name.text() == "a b");
  CHECK(step.login->password.text() == " p w ");
}

TEST_CASE("APOP makes a login") {
  LoginDialogue dialogue(stamp);
  const LoginDialogue::Step step = dialogue.command("APOP mrose c4c9334bac560ecc979e58001b3e22fb");
  REQUIRE(step.login);
  CHECK(step.login->name.text() == "mrose");
  CHECK(step.login->password.text() == "c4c9334bac560ecc979e58001b3e22fb");
}

TEST_CASE("limits before login") {
  LoginDialogue patient(stamp);
  for (unsigned i = 0; i < LoginDialogue::command_limit; ++i) REQUIRE_FALSE(patient.command("NOOP").over);
  CHECK(patient.command("NOOP").over);

  // name NUL password NUL timestamp NUL: 512 bytes fit, one more does not
  const std::size_t room = checkpassword_limit - 3 - stamp.size() - 1;
  LoginDialogue fits(stamp), too_long(stamp);
  fits.command("USER u");
  too_long.command("USER u");
  CHECK(fits.command("PASS " + std::string(room, 'x')).login);
  const LoginDialogue::Step refused = too_long.command("PASS " + std::string(room + 1, 'x'));
  CHECK_FALSE(refused.login);
  CHECK(refused.over);
  CHECK(refused.reply.substr(0, 5) == "-ERR ");
  CHECK(LoginDialogue::line_too_long().over);
}

TEST_CASE("a login between child and monitor") {
  const Login login{Secret("name"), Secret(" pass word")};
  CHECK(to_wire(login) == "name\0 pass word\0"s);
  const std::optional<Login> back = from_wire(to_wire(login));
  REQUIRE(back);
  CHECK(back->name.text() == "name");
  CHECK(back->password.text() == " pass word");
  for (const std::string& wrong : {""s, "a"s, "a\0"s, "a\0b"s, "\0b\0"s, "a\0\0"s, "a\0b\0c"s, "a\0b\0c\0"s,
                                   "a\0"s + std::string(600, 'b') + "\0"s}) {
    CAPTURE(wrong);
    CHECK_FALSE(from_wire(wrong));
  }
}

TEST_CASE("what a client hears of a subprogram's end") {
  // cr.yp.to/checkpwd/interface.html: 1 unacceptable, 2 misused, 111 temporary; RFC 2449 and 3206: [SYS/…]
  CHECK(reply_to_exit(exited(0)).empty());
  CHECK(reply_to_exit(exited(1)) == "-ERR authorization failed\r\n");
  CHECK(reply_to_exit(exited(2)).substr(0, 16) == "-ERR [SYS/PERM] ");
  CHECK(reply_to_exit(exited(111)).substr(0, 16) == "-ERR [SYS/TEMP] ");
  CHECK(reply_to_exit(exited(77)) == "-ERR authorization failed\r\n");
  CHECK(reply_to_exit(9) == "-ERR aack, child crashed\r\n");
}
