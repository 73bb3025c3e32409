// qmail-remote as an executable: what it says to a server, and what it reports.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/mail/dsn.h"
#include "tests/catch.h"
#include "tests/program/remote_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

// How many system calls a program makes, from its first instruction to its end.
int system_calls(const std::vector<std::string>& args, const std::string& input) {
  Fd message(memfd_create("message", MFD_CLOEXEC));
  write_all(message.get(), input, "memfd");
  lseek(message.get(), 0, SEEK_SET);
  const auto user = passwd_user(conf::user_qmailr);
  const pid_t pid = fork_child("test", [&] {
    become(user->uid, user->gid);
    dup2(message.get(), 0);
    dup2(open_file("/dev/null", O_WRONLY).get(), 1);
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    exec_program(args);
    return 1;
  });
  int stops = 0;
  for (int status = 0; waitpid(pid, &status, 0) == pid && WIFSTOPPED(status);) {
    // The time is a call in our static programs and none in others (lib/base/static_start.cc).
    if (ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.orig_rax), nullptr) != SYS_clock_gettime)
      ++stops;
    ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr);
  }
  return stops / 2;  // one stop when a call begins, one when it ends
}

}  // namespace

TEST_CASE("remote: one message, one round trip for the envelope", "[remote]") {
  Remote remote;
  SmtpServer server;
  remote.relay(server);
  const Reports reports =
      remote.send("a.test", "from@client.test", {"to@a.test"}, ".dot\nx\r\ny\rz\ncaf\xc3\xa9");
  CHECK(reports == Reports{"r", "K127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n"});
  const auto sessions = server.sessions();
  REQUIRE(sessions.size() == 1);
  CHECK(sessions[0].commands == Reports{"EHLO client.test",
                                        "MAIL FROM:<from@client.test> SIZE=22 BODY=8BITMIME",
                                        "RCPT TO:<to@a.test>", "DATA", "QUIT"});
  CHECK(sessions[0].messages == Reports{"..dot\r\nx\r\ny z\r\ncaf\xc3\xa9\r\n"});
  CHECK_FALSE(sessions[0].bare_cr_or_lf);
  CHECK(sessions[0].early_commands);
  CHECK(remote.dns.queries().empty());
}

TEST_CASE("remote: helohost, the null sender, quoting, 7-bit", "[remote]") {
  Remote remote;
  SmtpServer server;
  remote.relay(server);
  remote.home.write("control/helohost", "other.test\n");
  const Reports reports = remote.send("a.test", "", {"a..b@a.test", "two words@a.test", "q\"@a.test"}, "x\n");
  CHECK(reports.size() == 4);
  CHECK(server.sessions()[0].commands ==
        Reports{"EHLO other.test", "MAIL FROM:<> SIZE=3", "RCPT TO:<\"a..b\"@a.test>",
                "RCPT TO:<\"two words\"@a.test>", "RCPT TO:<\"q\\\"\"@a.test>", "DATA", "QUIT"});
}

TEST_CASE("remote: servers that offer little", "[remote]") {
  Remote remote;
  struct Row {
    const char* ehlo;
    Reports commands;
  };
  const std::string rcpt = "RCPT TO:<to@a.test>";
  const Row rows[] = {
      {"250 test", {"EHLO client.test", "MAIL FROM:<from@client.test>", rcpt, "DATA", "QUIT"}},
      {"250-test\n250 8bitmime",
       {"EHLO client.test", "MAIL FROM:<from@client.test> BODY=8BITMIME", rcpt, "DATA", "QUIT"}},
      {"250-test\n250 SIZE",  // converted: MIME-Version, Content-Type, Content-Transfer-Encoding, =C3=A9x
       {"EHLO client.test", "MAIL FROM:<from@client.test> SIZE=116", rcpt, "DATA", "QUIT"}},
      {"502 5.5.1 what?",
       {"EHLO client.test", "HELO client.test", "MAIL FROM:<from@client.test>", rcpt, "DATA", "QUIT"}},
      {"500 what?",
       {"EHLO client.test", "HELO client.test", "MAIL FROM:<from@client.test>", rcpt, "DATA", "QUIT"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.ehlo);
    SmtpScript script;
    script.ehlo = row.ehlo;
    SmtpServer server(script);
    remote.relay(server);
    const Reports reports = remote.send("a.test", "from@client.test", {"to@a.test"}, "\xc3\xa9x\n");
    REQUIRE(reports.size() == 2);
    CHECK(reports[1][0] == 'K');
    const auto session = server.sessions().at(0);
    CHECK(session.commands == row.commands);
    CHECK_FALSE(session.early_commands);  // RFC 2920: nothing early without PIPELINING
  }
}

TEST_CASE("remote: refusals word for word, with and without pipelining", "[remote]") {
  Remote remote;
  struct Row {
    const char* what;
    SmtpScript script;
    Reports reports;
  };
  const std::string many = "550-5.7.1 first line\n550-5.7.1 second line\n550 5.7.1 third line";
  const auto script = [](const std::string& command, const std::string& reply) {
    SmtpScript s;
    s.replies[command] = reply;
    return s;
  };
  SmtpScript refused_after{};
  refused_after.message = many;
  SmtpScript deferred_after{};
  deferred_after.message = "451 later";
  SmtpScript closes_after{};
  closes_after.message = "";
  const std::vector<Row> rows = {
      {"sender, for good",
       script("MAIL", many),
       {"DConnected to 127.0.0.1 but sender was rejected.\nRemote host said: " + many + "\n"}},
      {"sender, for now",
       script("MAIL", "451 4.3.0 busy"),
       {"ZConnected to 127.0.0.1 but sender was rejected.\nRemote host said: 451 4.3.0 busy\n"}},
      {"the recipient, for good",
       script("RCPT", many),
       {"h127.0.0.1 does not like recipient.\nRemote host said: " + many + "\n",
        "DGiving up on 127.0.0.1.\n"}},
      {"the recipient, for now",
       script("RCPT", "450 4.2.0 greylisted"),
       {"s127.0.0.1 does not like recipient.\nRemote host said: 450 4.2.0 greylisted\n",
        "DGiving up on 127.0.0.1.\n"}},
      {"DATA, for good",
       script("DATA", "554 no"),
       {"r", "D127.0.0.1 failed on DATA command.\nRemote host said: 554 no\n"}},
      {"DATA, for now",
       script("DATA", "451 no"),
       {"r", "Z127.0.0.1 failed on DATA command.\nRemote host said: 451 no\n"}},
      {"DATA answered by 250, which is no answer",
       script("DATA", "250 what"),
       {"r", "Z127.0.0.1 failed on DATA command.\nRemote host said: 250 what\n"}},
      {"the message, for good",
       refused_after,
       {"r", "D127.0.0.1 failed after I sent the message.\nRemote host said: " + many + "\n"}},
      {"the message, for now",
       deferred_after,
       {"r", "Z127.0.0.1 failed after I sent the message.\nRemote host said: 451 later\n"}},
      {"hangs up after the message",
       closes_after,
       {"r", "ZConnected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n"}},
      {"hangs up at DATA", script("DATA", ""), {"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n"}},
      {"hangs up at RCPT", script("RCPT", ""), {"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n"}},
      {"421 at MAIL",
       script("MAIL", "421 4.3.2 going down"),
       {"ZConnected to 127.0.0.1 but it closed the session.\nRemote host said: 421 4.3.2 going down\n"}},
      {"421 at RCPT",
       script("RCPT", "421 4.3.2 going down"),
       {"ZConnected to 127.0.0.1 but it closed the session.\nRemote host said: 421 4.3.2 going down\n"}},
      {"421 at DATA",
       script("DATA", "421 4.3.2 going down"),
       {"ZConnected to 127.0.0.1 but it closed the session.\nRemote host said: 421 4.3.2 going down\n"}},
      {"not SMTP at all",
       script("MAIL", "hello there"),
       {"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\nThe connection was given up: what it says is "
        "not SMTP: "
        "hello there\n.\n"}},
  };
  for (const Row& row : rows) {
    for (const bool pipelining : {true, false}) {
      CAPTURE(row.what, pipelining);
      SmtpScript s = row.script;
      if (!pipelining) s.ehlo = "250 test";
      SmtpServer server(s);
      remote.relay(server);
      Reports reports = remote.send_to("a.test");
      if (std::string(row.what) == "not SMTP at all" && reports.size() == 1)
        CHECK(starts(reports[0], "ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n"));
      else
        CHECK(reports == row.reports);
      const auto sessions = server.sessions();
      REQUIRE(sessions.size() == 1);
      const bool should_have = row.script.message != "250 2.0.0 queued" && row.script.replies.empty();
      // Nothing is handed over when nobody may have it.
      for (const std::string& message : sessions[0].messages)
        CHECK((should_have || message.empty() || message == "(broken off)"));
    }
  }
}

TEST_CASE("remote: several recipients, some accepted", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.replies["RCPT TO:<bad"] = "550-5.1.1 no\n550 5.1.1 such user";
  script.replies["RCPT TO:<later"] = "450 4.2.1 later";
  for (const bool pipelining : {true, false}) {
    CAPTURE(pipelining);
    if (!pipelining) script.ehlo = "250 test";
    SmtpServer server(script);
    remote.relay(server);
    CHECK(
        remote.send("a.test", "f@c.test", {"one@a.test", "bad@a.test", "later@a.test", "two@a.test"}) ==
        Reports{"r",
                "h127.0.0.1 does not like recipient.\nRemote host said: 550-5.1.1 no\n550 5.1.1 such user\n",
                "s127.0.0.1 does not like recipient.\nRemote host said: 450 4.2.1 later\n", "r",
                "K127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n"});
    CHECK(server.sessions().at(0).messages == Reports{"Subject: test\r\n\r\nHello.\r\n"});
  }
}

TEST_CASE("remote: more recipients than go out at once", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.replies["RCPT TO:<u7@"] = "550 no";
  SmtpServer server(script);
  remote.relay(server);
  std::vector<std::string> recipients;
  for (int i = 0; i < 120; ++i) recipients.push_back("u" + std::to_string(i) + "@a.test");
  const Reports reports = remote.send("a.test", "f@c.test", recipients);
  REQUIRE(reports.size() == 121);
  for (std::size_t i = 0; i < 120; ++i) CHECK(reports[i][0] == (i == 7 ? 'h' : 'r'));
  CHECK(reports[120][0] == 'K');
}

TEST_CASE("remote: accepted recipients of a refused sender get nothing", "[remote]") {
  // A server that is so confused that it refuses MAIL, takes RCPT and asks for the message.
  Remote remote;
  SmtpScript script;
  script.replies["MAIL"] = "550 no";
  SmtpServer server(script);
  remote.relay(server);
  CHECK(remote.send_to("a.test") ==
        Reports{"DConnected to 127.0.0.1 but sender was rejected.\nRemote host said: 550 no\n"});
  CHECK(server.sessions().at(0).messages == Reports{"(broken off)"});
}

TEST_CASE("remote: a refusal in the middle of the message is heard", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.message = "552 5.3.4 that is enough";
  script.early_quit_in_data = true;
  SmtpServer server(script);
  remote.relay(server);
  std::string large;
  while (large.size() < (30U << 20)) large += std::string(99, 'x') + "\n";
  const Reports reports = remote.send("a.test", "f@c.test", {"t@a.test"}, large);
  REQUIRE(reports.size() == 2);
  // The kernel may throw the refusal away when the connection is reset; never is it taken for acceptance.
  const bool heard =
      reports[1] ==
      "D127.0.0.1 failed after I sent the message.\nRemote host said: 552 5.3.4 that is enough\n";
  const bool lost = starts(reports[1], "ZConnected to 127.0.0.1 but connection died. ");
  CHECK((heard || lost));
}

TEST_CASE("remote: too large for the server", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.ehlo = "250-test\n250 SIZE 1000";
  SmtpServer server(script);
  remote.relay(server);
  const std::string exactly = std::string(998, 'x') + "\n";
  CHECK(remote.send("a.test", "f@c.test", {"t@a.test"}, exactly).back()[0] == 'K');
  CHECK(remote.send("a.test", "f@c.test", {"t@a.test"}, "x" + exactly) ==
        Reports{"DConnected to 127.0.0.1 but the message is too large for it: 1001 bytes, and it takes 1000 "
                "at most. "
                "(#5.3.4)\n"});
  CHECK(server.sessions().at(1).commands == Reports{"EHLO client.test", "QUIT"});
}

TEST_CASE("remote: internationalized addresses", "[remote]") {
  Remote remote;
  SmtpServer old;
  remote.relay(old);
  CHECK(remote.send("日本.test", "f@c.test", {"u@日本.test"}).back()[0] == 'K');
  CHECK(old.sessions().at(0).commands.at(2) == "RCPT TO:<u@xn--wgv71a.test>");
  CHECK(starts(remote.send("a.test", "f@c.test", {"鳩@a.test"}).back(),
               "DConnected to 127.0.0.1 but it does not know internationalized addresses (SMTPUTF8)"));
  SmtpScript script;
  script.ehlo = "250-test\n250 SMTPUTF8";
  SmtpServer modern(script);
  remote.relay(modern);
  CHECK(remote.send("a.test", "f@c.test", {"鳩@日本.test"}).back()[0] == 'K');
  CHECK(modern.sessions().at(0).commands.at(1) == "MAIL FROM:<f@c.test> SMTPUTF8");
  CHECK(modern.sessions().at(0).commands.at(2) == "RCPT TO:<鳩@日本.test>");
  // A message that came with SMTPUTF8 goes on with it, and without where nobody knows it.
  for (const char* params : {"SMTPUTF8", "BODY=8BITMIME SMTPUTF8"}) {
    setenv("QMAILMSGPARAMS", params, 1);
    remote.relay(modern);
    CHECK(remote.send_to("a.test").back()[0] == 'K');
    CHECK(modern.sessions().back().commands.at(1) == "MAIL FROM:<from@client.test> SMTPUTF8");
    remote.relay(old);
    CHECK(remote.send_to("a.test").back()[0] == 'K');
    unsetenv("QMAILMSGPARAMS");
  }
}

TEST_CASE("remote: SMTPUTF8 only where it must be", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.ehlo = "250-test\n250-8BITMIME\n250 SMTPUTF8";
  SmtpServer modern(script);
  SmtpServer old;
  remote.relay(modern);
  // A domain alone goes by A-labels everywhere.
  CHECK(remote.send("日本.test", "f@日本.test", {"u@日本.test"}).back()[0] == 'K');
  CHECK(modern.sessions().back().commands.at(1) == "MAIL FROM:<f@xn--wgv71a.test>");
  CHECK(modern.sessions().back().commands.at(2) == "RCPT TO:<u@xn--wgv71a.test>");
  CHECK(remote.send("a.test", "鳩@日本.test", {"u@a.test"}).back()[0] == 'K');
  CHECK(modern.sessions().back().commands.at(1) == "MAIL FROM:<鳩@日本.test> SMTPUTF8");
  remote.relay(old);
  CHECK(remote.send("a.test", "鳩@日本.test", {"u@a.test"}) ==
        Reports{"DConnected to 127.0.0.1 but it does not know internationalized addresses (SMTPUTF8) like "
                "鳩@日本.test. (#5.6.7)\n"});
  // A header in UTF-8 that came with SMTPUTF8 cannot go on without it; a body in UTF-8 can.
  setenv("QMAILMSGPARAMS", "BODY=8BITMIME SMTPUTF8", 1);
  CHECK(remote.send("a.test", "f@c.test", {"u@a.test"}, "Subject: 鳩\n\nx\n") ==
        Reports{
            "DConnected to 127.0.0.1 but it does not know internationalized mail (SMTPUTF8), and the header "
            "of this message has characters that are not ASCII. (#5.6.7)\n"});
  CHECK(remote.send("a.test", "f@c.test", {"u@a.test"}, "Subject: x\n\n鳩\n").back()[0] == 'K');
  unsetenv("QMAILMSGPARAMS");
  // Without SMTPUTF8 from its sender it is what senders always did.
  CHECK(remote.send("a.test", "f@c.test", {"u@a.test"}, "Subject: 鳩\n\nx\n").back()[0] == 'K');
  CHECK(old.sessions().back().messages.at(0) == "Subject: 鳩\r\n\r\nx\r\n");
}

TEST_CASE("remote: DSN parameters go on where DSN is offered, and the report says so", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.ehlo = "250-test\n250 DSN";
  SmtpServer knows(script);
  SmtpServer does_not;
  const std::string accepted = "K127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n";
  setenv("QMAILMSGPARAMS", "BODY=8BITMIME RET=HDRS ENVID=QQ+2B1", 1);
  setenv("QMAILRCPTPARAMS", "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@a.test", 1);
  remote.relay(knows);
  CHECK(remote.send_to("a.test") == Reports{"r", accepted + std::string(dsn_passed_on)});
  CHECK(knows.sessions().back().commands.at(1) == "MAIL FROM:<from@client.test> RET=HDRS ENVID=QQ+2B1");
  CHECK(knows.sessions().back().commands.at(2) ==
        "RCPT TO:<to@a.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@a.test");
  remote.relay(does_not);
  CHECK(remote.send_to("a.test") == Reports{"r", accepted});
  CHECK(does_not.sessions().back().commands.at(2) == "RCPT TO:<to@a.test>");
  // What is no parameter never reaches a server.
  setenv("QMAILMSGPARAMS", "RET=X ENVID=a\rb", 1);
  setenv("QMAILRCPTPARAMS", "NOTIFY=NEVER,SUCCESS", 1);
  remote.relay(knows);
  CHECK(remote.send_to("a.test") == Reports{"r", accepted});
  CHECK(knows.sessions().back().commands.at(1) == "MAIL FROM:<from@client.test>");
  unsetenv("QMAILMSGPARAMS");
  unsetenv("QMAILRCPTPARAMS");
}

TEST_CASE("remote: BDAT", "[remote]") {
  Remote remote;
  for (const bool pipelining : {true, false}) {
    CAPTURE(pipelining);
    SmtpScript script;
    script.ehlo =
        pipelining ? "250-test\n250-PIPELINING\n250-SIZE\n250 CHUNKING" : "250-test\n250-SIZE\n250 CHUNKING";
    SmtpServer server(script);
    remote.relay(server);
    CHECK(remote.send("a.test", "f@c.test", {"t@a.test"}, ".a\n.\nb\rc") ==
          Reports{"r", "K127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n"});
    CHECK(server.sessions().back().commands == Reports{"EHLO client.test", "MAIL FROM:<f@c.test> SIZE=12",
                                                       "RCPT TO:<t@a.test>", "BDAT 12 LAST", "QUIT"});
    CHECK(server.sessions().back().messages == Reports{".a\r\n.\r\nb c\r\n"});  // no dots doubled

    std::string large, wire;
    for (int i = 0; i < 30000; ++i) {
      const std::string line = "." + std::to_string(i) + std::string(60, 'x');
      large += line + "\n";
      wire += line + "\r\n";
    }
    CHECK(remote.send("a.test", "f@c.test", {"t@a.test"}, large).back()[0] == 'K');
    CHECK(server.sessions().back().messages == Reports{wire});
    CHECK(server.sessions().back().commands.size() >= 3 + large.size() / (400U << 10));
    CHECK(server.sessions().back().commands.size() <= 5 + large.size() / (200U << 10));

    // Refused while it is on its way: heard, and final.
    SmtpScript refuses = script;
    refuses.replies["BDAT"] = "552 5.3.4 that is enough";
    SmtpServer full(refuses);
    remote.relay(full);
    CHECK(
        remote.send("a.test", "f@c.test", {"t@a.test"}, large) ==
        Reports{"r",
                "D127.0.0.1 failed after I sent the message.\nRemote host said: 552 5.3.4 that is enough\n"});
    CHECK(full.sessions().size() == 1);
    CHECK(full.sessions()[0].messages.empty());
    CHECK(remote.send("a.test", "f@c.test", {"t@a.test"}, "x\n").back()[0] == 'D');

    // No recipient, no message.
    SmtpScript nobody = script;
    nobody.replies["RCPT"] = "550 no";
    SmtpServer empty(nobody);
    remote.relay(empty);
    CHECK(remote.send_to("a.test").at(0)[0] == 'h');
    CHECK(empty.sessions().at(0).commands ==
          Reports{"EHLO client.test", "MAIL FROM:<from@client.test> SIZE=25", "RCPT TO:<to@a.test>", "QUIT"});

    // A box in between that knows the keyword and not the command: once more, with DATA.
    SmtpScript filtered = script;
    filtered.replies["BDAT"] = "500 5.5.1 what";
    SmtpServer box(filtered);
    remote.relay(box);
    CHECK(remote.send_to("a.test").back()[0] == 'K');
    REQUIRE(box.sessions().size() == 2);
    CHECK(box.sessions()[1].commands.at(3) == "DATA");
    CHECK(box.sessions()[1].messages == Reports{"Subject: test\r\n\r\nHello.\r\n"});

    SmtpScript dies = script;
    dies.message = "";
    SmtpServer gone(dies);
    remote.relay(gone);
    CHECK(remote.send_to("a.test") ==
          Reports{"r", "ZConnected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n"});
  }
}

TEST_CASE("remote: 8-bit messages for servers without 8BITMIME", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.ehlo = "250-test\n250-PIPELINING\n250 SIZE 0";
  SmtpServer server(script);
  remote.relay(server);
  const std::string head = "Subject: x\nMIME-Version: 1.0\n";
  CHECK(remote
            .send("a.test", "f@c.test", {"t@a.test"},
                  head + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n.鳩\n")
            .back()[0] == 'K');
  const auto sent = server.sessions().back();
  CHECK(sent.messages ==
        Reports{"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n\r\n..=E9=B3=A9\r\n"});
  // SIZE is that of the converted message, dots not counted.
  CHECK(sent.commands.at(1) == "MAIL FROM:<f@c.test> SIZE=" + std::to_string(sent.messages[0].size() - 1));
  // One that is larger than what is kept in memory, from a file.
  std::string large = head + "\n";
  while (large.size() < 300000) large += "鳩が飛ぶ\n";
  Fd file(memfd_create("message", MFD_CLOEXEC));
  write_all(file.get(), large, "memfd");
  lseek(file.get(), 0, SEEK_SET);
  const Result result =
      run_prepared([&] { dup2(file.get(), 0); }, {remote.program, "a.test", "f@c.test", "t@a.test"});
  CHECK(Remote::reports(result).back()[0] == 'K');
  const std::string converted = server.sessions().back().messages.at(0);
  CHECK(std::none_of(converted.begin(), converted.end(),
                     [](char c) { return static_cast<unsigned char>(c) > 127; }));
  CHECK(converted.ends_with("\r\n=E9=B3=A9=E3=81=8C=E9=A3=9B=E3=81=B6\r\n"));
  // Nobody touches what is signed.
  CHECK(remote.send("a.test", "f@c.test", {"t@a.test"},
                    head + "Content-Type: multipart/signed; boundary=b\n\n--b\n\n鳩\n--b--\n") ==
        Reports{"DConnected to 127.0.0.1 but it takes no 8-bit mail (8BITMIME), and this message cannot be "
                "converted: a signed part of it has bytes that are not ASCII. (#5.6.3)\n"});
}

TEST_CASE("remote: invoked wrongly, set up wrongly", "[remote]") {
  Remote remote;
  SmtpServer server;
  remote.relay(server);
  CHECK(Remote::reports(test::run({remote.program, "a.test", "f@c.test"})) ==
        Reports{"DI (qmail-remote) was invoked improperly. (#5.3.5)\n"});
  CHECK(starts(remote.send("a.test", "f@c.test", {"t@a.test\r\nRCPT TO:<evil@a.test>"}).at(0),
               "DSorry, SMTP has no way to say the address "));
  CHECK(starts(remote.send("a.test", "f\n@c.test", {"t@a.test"}).at(0),
               "DSorry, SMTP has no way to say the address "));
  remote.home.write("control/me", "");
  CHECK(starts(remote.send_to("a.test").at(0), "ZUnable to read control files. (#4.3.0)\n"));
  unlink(remote.home.path("control/me").c_str());
  CHECK(starts(remote.send_to("a.test").at(0), "ZUnable to read control files. (#4.3.0)\n"));
  remote.home.write("control/helohost", "h.test\n");
  CHECK(remote.send_to("a.test").back()[0] == 'K');
  remote.home.write("control/smtproutes", "x", 0000);
  CHECK(starts(remote.send_to("a.test").at(0), "ZUnable to read control files. (#4.3.0)\n"));
  unlink(remote.home.path("control/smtproutes").c_str());
  remote.home.write("control/resolver", "dns.example\n");
  CHECK(starts(remote.send_to("a.test").at(0), "ZUnable to read control files. (#4.3.0)\n"));
  CHECK(server.sessions().size() == 1);
}

TEST_CASE("remote: the message begins where the descriptor stands", "[remote]") {
  Remote remote;
  SmtpServer server;
  remote.relay(server);
  Fd fd(memfd_create("message", MFD_CLOEXEC));
  write_all(fd.get(), "secret envelope\nSubject: x\n\nbody\n", "memfd");
  lseek(fd.get(), 16, SEEK_SET);
  const pid_t pid = fork_child("test", [&] {
    dup2(fd.get(), 0);
    const Fd null = open_file("/dev/null", O_WRONLY);
    dup2(null.get(), 1);
    exec_program({remote.program, "a.test", "f@c.test", "t@a.test"});
    return 1;
  });
  CHECK(wait_for_child(pid) == 0);
  CHECK(server.sessions().at(0).messages == Reports{"Subject: x\r\n\r\nbody\r\n"});
  CHECK(lseek(fd.get(), 0, SEEK_CUR) == 16);
}

TEST_CASE("remote: system calls of one delivery", "[remote][budget]") {
  Remote remote;
  SmtpServer server;
  remote.relay(server);
  // 14 are the C library's start, 7 the seal's, the rest control files (three about TLS, for a host that has
  // none) and the session. Postfix 3.7's smtp client, a process that is there already, made 71 for each
  // message of the same kind.
  const int calls = system_calls({remote.program, "a.test", "f@c.test", "t@a.test"}, plain_message);
  CAPTURE(calls);
  CHECK(calls > 30);
#ifndef __SANITIZE_ADDRESS__  // whose own calls count, too
  CHECK(calls <= 74);
#endif
  CHECK(server.sessions().at(0).messages.size() == 1);
}
