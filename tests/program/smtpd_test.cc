// qmail-smtpd and qmail-newmrh as executables: the dialogue, its limits, and who may send to whom.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "tests/catch.h"
#include "tests/program/proc.h"
#include "tests/program/smtpd_stage.h"

using namespace hato;
using namespace hato::test;

TEST_CASE("smtpd: greeting and the replies of a HELO session are qmail's", "[smtpd]") {
  const MxControls controls(Controls{{"smtpgreeting", "mx.example hello there\n"}});
  const Outcome done = smtp(
      "HELO c.example\r\nNOOP\r\nVRFY x\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<r@far.example>\r\n"
      "RCPT TO:<r@here.example>\r\nFOO\r\nHELP\r\nQUIT\r\n");
  CHECK(done.out ==
        "220 mx.example hello there ESMTP\r\n250 mx.example hello there\r\n250 ok\r\n"
        "252 send some mail, i'll try my best\r\n250 flushed\r\n250 ok\r\n"
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n250 ok\r\n"
        "502 unimplemented (#5.5.1)\r\n"
        "214 HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT; see qmail-smtpd(8)\r\n"
        "221 mx.example hello there\r\n");
  CHECK(done.code == 0);
}

TEST_CASE("smtpd: EHLO offers what there is, and replies carry enhanced codes then", "[smtpd]") {
  const MxControls controls(Controls{{"databytes", "20971520\n"}});
  const Outcome done =
      smtp("EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<r@here.example>\r\nFOO\r\nHELO c\r\nNOOP\r\nQUIT\r\n");
  CHECK(done.out ==
        "220 mx.example ESMTP\r\n250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 20971520\r\n"
        "250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n250 LIMITS RCPTMAX=1000\r\n"
        "250 2.1.0 ok\r\n250 2.1.5 ok\r\n502 5.5.1 unimplemented (#5.5.1)\r\n250 mx.example\r\n250 ok\r\n"
        "221 mx.example\r\n");
}

TEST_CASE("smtpd: order of commands (RFC 5321 4.1.4)", "[smtpd]") {
  const MxControls controls;
  struct Row {
    std::string input, codes;
  };
  const Row rows[] = {
      {"MAIL FROM:<a@b>\r\n", "503"},
      {hello + "RCPT TO:<r@here.example>\r\n", "250 503"},
      {hello + "DATA\r\n", "250 503"},
      {hello + "BDAT 3 LAST\r\na\r\nNOOP\r\n", "250 503 250"},
      {hello + "MAIL FROM:<a@b>\r\nDATA\r\n", "250 250 503"},
      {hello + "MAIL FROM:<a@b>\r\nBDAT 3 LAST\r\na\r\nNOOP\r\n", "250 250 503 250"},
      {hello + "MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", "250 250 503"},
      {hello + "MAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<a@b>\r\n", "250 250 250 250"},
      {hello + "MAIL FROM:<a@b>\r\nEHLO again\r\nRCPT TO:<r@here.example>\r\n", "250 250 250 503"},
      {hello + letter + "HELO again\r\nDATA\r\n", "250 250 250 250 503"},
      {hello + letter + "RSET\r\nDATA\r\n", "250 250 250 250 503"},
      {"NOOP\r\nRSET\r\nVRFY x\r\nHELP\r\n", "250 250 252 214"},
      {"HELO\r\nEHLO \r\n", "501 501"},
      {hello + "RSET x\r\nDATA x\r\nQUIT x\r\n", "250 501 501 501"},
      {hello + "STARTTLS\r\nAUTH PLAIN\r\nEXPN x\r\nETRN x\r\n\r\n", "250 502 502 502 502 502"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.input);
    const Outcome done = smtp(row.input + "QUIT\r\n");
    CHECK(codes(done.out) == "220 " + row.codes + " 221");
  }
  set_control("smtplimits", "helo: 0\n");
  CHECK(codes(smtp("MAIL FROM:<a@b>\r\nQUIT\r\n").out) == "220 250 221");
  set_control("smtplimits", "");
}

TEST_CASE("smtpd: addresses and parameters", "[smtpd]") {
  const MxControls controls(Controls{{"databytes", "1000\n"}});
  struct Row {
    const char* line;
    const char* reply;  // its start
  };
  const Row mails[] = {
      {"MAIL FROM:<>", "250 2.1.0"},
      {"mail from: <a@b>", "250 2.1.0"},
      {"MAIL FROM:a@b", "250 2.1.0"},
      {"MAIL FROM:<@x,@y:a@b>", "250 2.1.0"},
      {"MAIL FROM:<\"a b\"@c>", "250 2.1.0"},
      {"MAIL FROM:<a..b@docomo.ne.jp>", "250 2.1.0"},
      {"MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME SMTPUTF8", "250 2.1.0"},
      {"MAIL FROM:<a@b> SIZE=1001", "552 sorry, that message size exceeds my databytes limit (#5.3.4)\r\n"},
      {"MAIL FROM:<a@b> SIZE=99999999999999999999", "552"},
      {"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"},
      {"MAIL FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"},
      {"MAIL FROM:<a@b> RET=FULL ENVID=QQ+20314", "250 2.1.0"},
      {"MAIL FROM:<a@b> RET=BODY", "501 5.5.4"},
      {"MAIL FROM:<a@b> ENVID=a+0Ab", "501 5.5.4"},
      {"MAIL FROM:<a@b> NOTIFY=NEVER", "555 5.5.4"},
      {"MAIL FROM:<a@b> AUTH=<>", "555 5.5.4"},
      {"MAIL FROM:<#@[]>", "501 5.1.7"},  // it is the null sender in disguise
      {"MAIL FROM:<\xc3\xbc@b>", "553 5.6.7"},
      {"MAIL FROM:<\xc3\xbc@b> SMTPUTF8", "250 2.1.0"},
      {"MAIL FROM:<\xff@b> SMTPUTF8", "553 5.6.7"},
      {"MAIL FROM:", "501 5.1.7"},
      {"MAIL", "501 5.1.7"},
      {"MAIL TO:<a@b>", "501"},
      {"MAIL FROM:<a@b", "501"},
      {"MAIL FROM:<a\x01@b>", "500 5.5.2"},
  };
  for (const Row& row : mails) {
    CAPTURE(row.line);
    const Outcome done = smtp(hello + row.line + "\r\nQUIT\r\n");
    const std::size_t at = done.out.find("RCPTMAX=1000\r\n") + 14;
    CHECK(done.out.substr(at, std::string(row.reply).size()) == row.reply);
  }
  const Row recipients[] = {
      {"RCPT TO:<r@here.example>", "250 2.1.5"},
      {"RCPT TO:<r@HERE.example.>", "250 2.1.5"},
      {"RCPT TO:<postmaster>", "250 2.1.5"},
      {"RCPT TO:<r@far.example>",
       "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\r\n"},
      {"RCPT TO:<@here.example:r@far.example>", "553 sorry"},
      {"RCPT TO:<>", "501 5.1.3"},
      {"RCPT TO:", "501 5.1.3"},
      {"RCPT TO:<r@here.example> NOTIFY=NEVER", "250 2.1.5"},
      {"RCPT TO:<r@here.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@example.com", "250 2.1.5"},
      {"RCPT TO:<r@here.example> NOTIFY=NEVER,DELAY", "501 5.5.4"},
      {"RCPT TO:<r@here.example> ORCPT=Bob@example.com", "501 5.5.4"},
      {"RCPT TO:<r@here.example> ORCPT=utf-8;\xc3\xbc@x", "501 5.5.4"},
      {"RCPT TO:<r@here.example> RET=FULL", "555 5.5.4"},
      {"RCPT TO:<\xc3\xbc@here.example>", "553 5.6.7"},
  };
  for (const Row& row : recipients) {
    CAPTURE(row.line);
    const Outcome done = smtp(hello + "MAIL FROM:<>\r\n" + row.line + "\r\nQUIT\r\n");
    const std::size_t at = done.out.find("250 2.1.0 ok\r\n") + 14;
    CHECK(done.out.substr(at, std::string(row.reply).size()) == row.reply);
  }
  const std::string longest(880, 'x');
  CHECK(has(smtp(hello + "MAIL FROM:<" + longest + "@b>\r\nQUIT\r\n").out, "250 2.1.0"));
  CHECK(has(smtp(hello + "MAIL FROM:<" + longest + longest + "@b>\r\nQUIT\r\n").out, "501 5.1.3"));
}

TEST_CASE("smtpd: command lines end with CR LF only, and the dialogue stays in step", "[smtpd]") {
  const MxControls controls;
  CHECK(codes(smtp("HELO c\nNOOP\r\nQUIT\r\n").out) == "220 500 250 221");
  CHECK(codes(smtp("HELO\rc\r\nNOOP\r\nQUIT\r\n").out) == "220 500 250 221");
  CHECK(codes(smtp("NOOP\r\r\nNOOP\r\nQUIT\r\n").out) == "220 500 250 221");
  CHECK(codes(smtp(std::string("NOOP \0x\r\nNOOP\r\nQUIT\r\n", 21)).out) == "220 500 250 221");
}

TEST_CASE("smtpd: pipelining: one piece in, one reply for each command, in order (RFC 2920)", "[smtpd]") {
  const MxControls controls;
  const QueueProgram program;
  std::string input = hello;
  for (int i = 0; i < 3; ++i)
    input += "MAIL FROM:<a" + std::to_string(i) +
             "@b>\r\nRCPT TO:<r@far.example>\r\nRCPT TO:<r@here.example>\r\nDATA\r\nx\r\n.\r\n";
  CHECK(codes(smtp(input + "QUIT\r\n", into(program)).out) ==
        "220 250 250 553 250 354 250 250 553 250 354 250 250 553 250 354 250 221");
  // 2920 3.1: text that comes although DATA was refused is answered as commands, never queued
  CHECK(codes(smtp(hello + "MAIL FROM:<a@b>\r\nRCPT TO:<r@far.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
                   into(program))
                  .out) == "220 250 250 553 503 502 502 221");
}

TEST_CASE("smtpd: recipients over the limit: 452, no error, and the message goes to the others", "[smtpd]") {
  const MxControls controls(Controls{{"smtplimits", "recipients: 3\nerrors: 2\n"}});
  const QueueProgram program;
  std::string input = "EHLO c\r\nMAIL FROM:<>\r\n";
  for (int i = 0; i < 50; ++i) input += "RCPT TO:<r" + std::to_string(i) + "@here.example>\r\n";
  const Outcome done = smtp(input + "DATA\r\nx\r\n.\r\nQUIT\r\n", into(program));
  CHECK(has(done.out, "LIMITS RCPTMAX=3\r\n"));
  std::string expected = "220 250 250 250 250 250";
  for (int i = 0; i < 47; ++i) expected += " 452";
  CHECK(codes(done.out) == expected + " 354 250 221");
  CHECK(program.envelope() == "F|Tr0@here.example|Tr1@here.example|Tr2@here.example||");
}

TEST_CASE("smtpd: a thousand recipients by default", "[smtpd]") {
  const MxControls controls;
  const QueueProgram program;
  std::string input = "EHLO c\r\nMAIL FROM:<>\r\n";
  for (int i = 0; i < 1001; ++i) input += "RCPT TO:<r" + std::to_string(i) + "@here.example>\r\n";
  const Outcome done = smtp(input + "DATA\r\nx\r\n.\r\nQUIT\r\n", into(program));
  CHECK(codes(done.out).ends_with(" 250 452 354 250 221"));
  CHECK(has(program.envelope(), "|Tr999@here.example||"));
}

TEST_CASE("smtpd: a command line of 2000 octets passes, one more is refused, and the next is read",
          "[smtpd]") {
  const MxControls controls;
  CHECK(codes(smtp("NOOP " + std::string(1995, 'x') + "\r\nQUIT\r\n").out) == "220 250 221");
  CHECK(codes(smtp("NOOP " + std::string(1996, 'x') + "\r\nQUIT\r\n").out) == "220 500 221");
  CHECK(codes(smtp("NOOP " + std::string(100000, 'x') + "\r\nNOOP\r\nQUIT\r\n").out) == "220 500 250 221");
}

TEST_CASE("smtpd: twenty errors are answered, then 421 and the end", "[smtpd]") {
  const MxControls controls;
  std::string input = hello;
  for (int i = 0; i < 30; ++i) input += "NONSENSE\r\n";
  const Outcome done = smtp(input);
  std::string expected = "220 250";
  for (int i = 0; i < 20; ++i) expected += " 502";
  CHECK(codes(done.out) == expected + " 421");
  CHECK(done.code == 1);
  // An accepted message makes up for them.
  const QueueProgram program;
  const std::string nine = "X\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\nX\r\n";
  const std::string one = letter + "DATA\r\nx\r\n.\r\n";
  CHECK(
      codes(smtp(hello + nine + nine + one + nine + nine + "QUIT\r\n", into(program)).out).ends_with("221"));
  // The client reads 421 although much of what it sent was never read.
  LiveSession live("qmail-smtpd");
  live.send(hello + nine + nine + nine + std::string(30000, 'x'));
  CHECK(has(live.to_end(), "421 4.7.0 too many errors"));
}

TEST_CASE("smtpd: too many commands without a message", "[smtpd]") {
  const MxControls controls(Controls{{"smtplimits", "commands: 5\n"}});
  CHECK(codes(smtp("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nRSET\r\nNOOP\r\nNOOP\r\n").out) ==
        "220 250 250 250 250 250 421");
}

TEST_CASE("smtpd: silence ends with 421", "[smtpd]") {
  const MxControls controls(Controls{{"timeoutsmtpd", "1\n"}});
  for (const std::string& sent : {std::string(), std::string("NOO"), hello + letter + "DATA\r\nhalf"}) {
    CAPTURE(sent);
    const QueueProgram program;
    LiveSession live("qmail-smtpd", into(program));
    live.send(sent);
    CHECK(has(live.to_end(), "421 "));
    live.close();
    CHECK(live.process().wait() == 1);
    CHECK(program.envelope().empty());
  }
  // One octet now and then does not keep a command line open.
  signal(SIGPIPE, SIG_IGN);
  LiveSession live("qmail-smtpd");
  live.until("ESMTP\r\n");
  std::string said;
  for (int i = 0; i < 40 && said.empty(); ++i) {
    live.send("x");
    usleep(100000);
    if (i > 12) said = live.until("421", 0);
  }
  CHECK(has(said, "421"));
}

TEST_CASE("smtpd: no growth, whatever is sent: lines of 80 MB", "[smtpd]") {
  const MxControls controls;
  const std::string megabyte(1U << 20, 'x');
  {
    LiveSession live("qmail-smtpd", with(into(QueueProgram()), {}));
    live.until("ESMTP\r\n");
    for (int i = 0; i < 80; ++i) live.send(megabyte);
    live.send("\r\nNOOP\r\n");
    CHECK(has(live.until("250 ok\r\n", 60), "500 that command line is too long"));
    CHECK(live.peak_kib() < 24 << 10);  // a tenth of it without sanitizers
  }
  const QueueProgram program;
  LiveSession live("qmail-smtpd", into(program));
  live.send(hello + letter + "DATA\r\n");
  live.until("354 go ahead\r\n");
  for (int i = 0; i < 80; ++i) live.send(megabyte);
  live.send("\r\n.\r\n");
  CHECK(has(live.until("\r\n", 60), "250 2.0.0 ok"));
  CHECK(live.peak_kib() < 24 << 10);  // a tenth of it without sanitizers
  CHECK(body_in(program).size() == (80U << 20) + 1);
}

TEST_CASE("smtpd: RELAYCLIENT, badmailfrom, localiphost, morercpthosts", "[smtpd]") {
  const MxControls controls(Controls{{"badmailfrom", "@bad.example\nspam@there.example\n"},
                                     {"localiphost", "here.example\n"},
                                     {"morercpthosts", "more.example\n.Wild.example\n"}});
  Start newmrh;
  newmrh.args = {installed("qmail-newmrh")};
  REQUIRE(run(newmrh).code == 0);
  struct Row {
    const char* sender;
    const char* recipient;
    Env env;
    const char* taken;  // recipient as queued; otherwise the code of its refusal
  };
  const Row rows[] = {
      {"a@b", "r@more.example", {}, "r@more.example"},
      {"a@b", "r@x.wild.example", {}, "r@x.wild.example"},
      {"a@b", "r@wild.example", {}, "553"},
      {"a@b", "r@far.example", {{"RELAYCLIENT", ""}}, "r@far.example"},
      {"a@b", "r@far.example", {{"RELAYCLIENT", "@fixme"}}, "r@far.example@fixme"},
      {"x@BAD.example", "r@here.example", {}, "553"},
      {"Spam@there.example", "r@here.example", {}, "553"},
      {"x@bad.example", "r@here.example", {{"RELAYCLIENT", ""}}, "553"},
      {"a@b", "r@[192.0.2.1]", {}, "r@here.example"},
      {"a@b", "r@[127.0.0.1]", {}, "r@here.example"},
      {"a@b", "r@[192.0.2.99]", {}, "553"},
      {"a@b", "r@[IPv6:::1]", {}, "r@here.example"},
      {"a@b",
       "r@[IPv6:2001:db8::5]",
       {{"PROTO", "TCP6"}, {"TCP6LOCALIP", "2001:db8::5"}, {"TCPLOCALIP", "2001:db8::5"}},
       "r@here.example"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.sender, row.recipient, row.taken);
    const QueueProgram program;
    const Outcome done = smtp(std::string("HELO c\r\nMAIL FROM:<") + row.sender + ">\r\nRCPT TO:<" +
                                  row.recipient + ">\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
                              with(into(program), row.env));
    if (std::string(row.taken) == "553") {
      CHECK(codes(done.out).starts_with("220 250 250 553 503"));
    } else {
      CHECK(has(program.envelope(), std::string("|T") + row.taken + "||"));
    }
  }
  CHECK(has(smtp("HELO c\r\nMAIL FROM:<x@bad.example>\r\nRCPT TO:<r@here.example>\r\nQUIT\r\n").out,
            "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)\r\n"));
  // A damaged cdb: temporary, for that recipient.
  set_control("morercpthosts.cdb", "rubbish");
  CHECK(codes(smtp("HELO c\r\n").out) == "421");
  set_control("morercpthosts.cdb", "");
  set_control("morercpthosts", "");
  const Outcome missing = run(newmrh);
  CHECK(missing.code == 111);
  CHECK(has(missing.err, "morercpthosts"));
}

TEST_CASE("smtpd: without rcpthosts everything is taken, as with qmail", "[smtpd]") {
  const MxControls controls;
  set_control("rcpthosts", "");
  CHECK(codes(smtp("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<r@far.example>\r\nQUIT\r\n").out) ==
        "220 250 250 250 221");
}

TEST_CASE("smtpd: control files that are missing or cannot be read: 421 and a line that names the file",
          "[smtpd]") {
  const MxControls controls;
  set_control("me", "");
  const Outcome nameless = smtp("QUIT\r\n");
  CHECK(nameless.out.starts_with("421 "));
  CHECK(nameless.code == 1);
  CHECK(has(nameless.err, "smtpgreeting"));
  set_control("me", "mx.example\n");
  for (const char* name :
       {"rcpthosts", "badmailfrom", "databytes", "timeoutsmtpd", "smtpreplies", "smtplimits"}) {
    CAPTURE(name);
    set_control(name, "1\n");
    REQUIRE(chmod((std::string(conf::home) + "/control/" + name).c_str(), 0600) ==
            0);  // root's: qmaild may not
    const Outcome done = smtp("QUIT\r\n");
    CHECK(done.out.starts_with("421 "));
    CHECK(has(done.err, name));
    set_control(name, std::string(name) == "rcpthosts" ? "here.example\n" : "");
  }
}

TEST_CASE("smtpd: the operator's own texts and limits", "[smtpd]") {
  const MxControls controls(
      Controls{{"smtpreplies", "rcpthosts: 550 go to our help page (#5.7.1)\nunimpl: 250 yes\n"},
               {"smtplimits", "recipients: many\n"}});
  const Outcome done = smtp("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<r@far.example>\r\nFOO\r\nQUIT\r\n");
  CHECK(has(done.out, "\r\n550 go to our help page (#5.7.1)\r\n502 unimplemented (#5.5.1)\r\n"));
  CHECK(has(done.err, "control/smtpreplies: not understood: unimpl: 250 yes"));
  CHECK(has(done.err, "control/smtplimits: not understood: recipients: many"));
}

TEST_CASE("smtpd: one log line for each refusal, with the trace, and nothing that could forge one",
          "[smtpd]") {
  const MxControls controls;
  const Outcome done =
      smtp("HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<r@far.example>\r\nRCPT TO:<q@far.example>\r\nQUIT\r\n",
           with(from_outside, {{"TCPREMOTEHOST", "evil\nqmail-smtpd: forged"}}));
  CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 2);
  CHECK(done.err.starts_with("qmail-smtpd: trace "));
  CHECK(has(done.err,
            "192.0.2.7 (evil?qmail-smtpd: forged): refused RCPT TO:<r@far.example> from <a@b>: 553 sorry"));
}

TEST_CASE("smtpd: under inetd descriptor 2 is the client: nothing is logged there", "[smtpd]") {
  const MxControls controls;
  LiveSession live("qmail-smtpd", from_outside, true);
  live.send("HELO c\r\nFOO\r\nQUIT\r\n");
  CHECK(live.to_end() ==
        "220 mx.example ESMTP\r\n250 mx.example\r\n502 unimplemented (#5.5.1)\r\n221 mx.example\r\n");
}

TEST_CASE("smtpd: under inetd the queue program's complaints do not get among the replies either",
          "[smtpd]") {
  const MxControls controls;
  const QueueProgram program("echo complaint >&2");
  LiveSession live("qmail-smtpd", into(program), true);
  live.send("HELO c\r\n" + letter + "DATA\r\n");
  live.until("354 go ahead\r\n");
  live.send("x: y\r\n\r\n.\r\nQUIT\r\n");
  const std::string rest = live.to_end();
  CAPTURE(rest);
  CHECK(rest.starts_with("250 ok "));
  CHECK(!has(rest, "complaint"));
  CHECK(rest.ends_with("221 mx.example\r\n"));
}

TEST_CASE("smtpd: runs as qmaild, in a chroot, sealed, whether a starter stands beside it or not",
          "[smtpd]") {
  const MxControls controls;
  for (const bool starter : {false, true}) {
    const QueueProgram program;
    LiveSession live("qmail-smtpd", starter ? into(program) : from_outside);
    live.until("ESMTP\r\n");
    const std::optional<User> qmaild = passwd_user(conf::user_qmaild);
    REQUIRE(qmaild);
    const std::string id = std::to_string(qmaild->uid);
    CHECK(status_field(live.pid(), "Uid") == id + "\t" + id + "\t" + id + "\t" + id);
    CHECK(status_field(live.pid(), "Groups") == std::to_string(qmaild->gid) + " ");
    CHECK(status_field(live.pid(), "Seccomp") == "2");
    CHECK(status_field(live.pid(), "NoNewPrivs") == "1");
    CHECK(status_field(live.pid(), "CapEff") == "0000000000000000");
    CHECK(proc_link(live.pid(), "root") == std::string(conf::home) + "/gate");
  }
}
