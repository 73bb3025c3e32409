// qmail-remote as an executable against scripted DNS and SMTP servers; qmail-tcpto and qmail-tcpok.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/mail/dsn.h"
#include "lib/store/tcpto.h"
#include "tests/program/dns_server.h"
#include "tests/program/private_home.h"
#include "tests/program/remote_stage.h"
#include "tests/program/smtp_server.h"
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

// A server of IPv6 (made by `make`) and one of IPv4 on the same port, which somebody may have on one of the
// two.
template <typename Make>
auto on_one_port(Make make, SmtpScript four_script = {}) {
  for (int tries = 0;; ++tries) {
    auto six = make();
    try {
      return std::pair(std::move(six), std::make_unique<SmtpServer>("127.0.0.1", six->port(), four_script));
    } catch (const SystemError&) {
      if (tries == 50) throw;
    }
  }
}

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

// lines: why, for each address.
std::string no_connection(const std::string& lines) {
  return "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n" + lines;
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

TEST_CASE("remote: source address by sender, hello name by address", "[remote]") {
  Remote remote;
  const auto servers = on_one_port([] { return std::make_unique<SmtpServer>("::1", 0, SmtpScript{}); });
  const SmtpServer &six = *servers.first, &server = *servers.second;
  remote.relay(server);
  remote.home.write("control/bindroutes",
                    "a.test:127.0.0.2\n.a.test:127.0.0.3 [::1]\nv6.test:[::1]\nfree.test:\nbad.test:x\n"
                    "gone.test:192.0.2.200\n:127.0.0.4\n");
  remote.home.write("control/helohosts", "127.0.0.2:two.test\n127.0.0.4:日本.test\n[::1]:six.test\n");
  const auto helo = [&](const std::string& sender) {
    const Reports reports = remote.send("to.test", sender, {"t@to.test"});
    CHECK(reports.back()[0] == 'K');
    return server.sessions().back().commands.at(0);
  };
  CHECK(helo("f@a.test") == "EHLO two.test");
  CHECK(helo("f@A.TEST") == "EHLO two.test");
  CHECK(helo("f@b.a.test") == "EHLO client.test");
  CHECK(helo("f@other.test") == "EHLO xn--wgv71a.test");
  CHECK(helo("") == "EHLO xn--wgv71a.test");
  CHECK(helo("f@free.test") == "EHLO client.test");
  CHECK(server.peers() ==
        Reports{"127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.4", "127.0.0.1"});
  const std::string at = "127.0.0.1:" + std::to_string(server.port());
  CHECK(remote.send("to.test", "f@v6.test", {"t@to.test"}) ==
        Reports{no_connection(at + ": control/bindroutes has no IPv4 address for this sender.\n")});
  CHECK(remote.send("to.test", "f@gone.test", {"t@to.test"}) ==
        Reports{
            no_connection(at + ": control/bindroutes names 192.0.2.200, which this host does not have.\n")});
  CHECK(starts(remote.send("to.test", "f@bad.test", {"t@to.test"}).at(0),
               "ZUnable to read control files. (#4.3.0)\ncontrol/bindroutes, the line for the sender "));
  remote.route(":[::1]:" + std::to_string(server.port()));
  CHECK(remote.send("to.test", "f@v6.test", {"t@to.test"}).back()[0] == 'K');
  CHECK(six.sessions().back().commands.at(0) == "EHLO six.test");
  remote.home.write("control/helohosts", "two.test\n");
  CHECK(starts(remote.send_to("to.test").at(0),
               "ZUnable to read control files. (#4.3.0)\ncontrol/helohosts: "));
  // None of this is held against the host.
  Tcpto table(conf::home);
  CHECK(table.entries().empty());
}

TEST_CASE("remote: an IPv6 address that swallows packets costs little", "[remote]") {
  Remote remote;
  remote.home.write("control/timeoutconnect", "20\n");
  const auto [deaf, four] = on_one_port([] { return std::make_unique<DeafPort>("::1"); });
  remote.by_mx(deaf->port());
  remote.dns.a("a.test", "::1");
  remote.dns.a("a.test", "127.0.0.1");
  const Deadline patience = Deadline::in_seconds(10);
  CHECK(remote.send_to("a.test").back() ==
        "K127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n");
  CHECK_FALSE(patience.passed());
  CHECK(four->sessions().size() == 1);
}

TEST_CASE("remote: the other family after one that answers and does not want us", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.greeting = "554 no reverse name, no mail";
  const auto [six, four] = on_one_port([&] { return std::make_unique<SmtpServer>("::1", 0, script); });
  remote.by_mx(six->port());
  remote.dns.a("a.test", "::1");
  remote.dns.a("a.test", "127.0.0.1");
  CHECK(remote.send_to("a.test").back() ==
        "K127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n");
  CHECK(six->sessions().size() == 1);
  CHECK(four->sessions().size() == 1);
}

TEST_CASE("remote: what counts against a host, and what does not", "[remote]") {
  struct Row {
    const char* what;
    bool counts;
    SmtpScript script;
  };
  const auto with = [](auto change) {
    SmtpScript script;
    change(script);
    return script;
  };
  const std::vector<Row> rows = {
      {"refused", true, with([](SmtpScript&) {})},
      {"reset", true, with([](SmtpScript& s) { s.reset = true; })},
      {"closes at once", true, with([](SmtpScript& s) { s.greeting = ""; })},
      {"silent", true, with([](SmtpScript& s) { s.silent = true; })},
      {"4xx greeting", true, with([](SmtpScript& s) { s.greeting = "450 not now"; })},
      {"421 greeting", true, with([](SmtpScript& s) { s.greeting = "421 not now"; })},
      {"5xx greeting", true, with([](SmtpScript& s) { s.greeting = "554 never"; })},
      {"no SMTP", true, with([](SmtpScript& s) { s.greeting = "SSH-2.0-x"; })},
      {"421 at MAIL", true, with([](SmtpScript& s) { s.replies["MAIL"] = "421 down"; })},
      {"421 at RCPT", true, with([](SmtpScript& s) { s.replies["RCPT"] = "421 down"; })},
      {"421 at DATA", true, with([](SmtpScript& s) { s.replies["DATA"] = "421 down"; })},
      {"421 at the end", true, with([](SmtpScript& s) { s.message = "421 down"; })},
      {"450 at MAIL", false, with([](SmtpScript& s) { s.replies["MAIL"] = "450 later"; })},
      {"greylisted", false, with([](SmtpScript& s) { s.replies["RCPT"] = "450 4.2.0 greylisted"; })},
      {"451 at DATA", false, with([](SmtpScript& s) { s.replies["DATA"] = "451 later"; })},
      {"451 at the end", false, with([](SmtpScript& s) { s.message = "451 later"; })},
      {"refused recipient", false, with([](SmtpScript& s) { s.replies["RCPT"] = "550-no\n550 no"; })},
      {"accepts", false, with([](SmtpScript&) {})},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Remote remote;
    remote.home.write("control/timeoutremote", "1\n");
    const IpAddress address = *IpAddress::parse("127.0.0.1");
    std::uint16_t port = 1;
    std::unique_ptr<SmtpServer> server;
    if (row.what != std::string("refused")) {
      server = std::make_unique<SmtpServer>(row.script);
      port = server->port();
    }
    remote.route(":127.0.0.1:" + std::to_string(port));
    // Once before, long ago: this is the second time, and the next message is not even tried.
    Tcpto(conf::home).failed(address, port, now_seconds() - 5000);
    remote.send_to("a.test");
    const auto entries = Tcpto(conf::home).entries();
    CHECK(entries.size() == (row.counts ? 1 : 0));
    if (!row.counts) continue;
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].failures == 2);
    CHECK(remote.send_to("a.test") ==
          Reports{no_connection("127.0.0.1:" + std::to_string(port) +
                                ": not tried now, it failed several times lately (qmail-tcpto).\n")});
  }
}

TEST_CASE("remote: DNS servers that lie end in temporary failures that say so", "[remote]") {
  struct Row {
    const char* host;
    const char* report;
  };
  const Row rows[] = {
      {"odd.test",
       "ZSorry, I couldn't find any host by that name. (#4.1.2)\nthe alias (CNAME) of odd.test is no "
       "name that can be asked for.\n"},
      {"contradiction.test",
       "ZSorry, I couldn't find any host by that name. (#4.1.2)\nthe answer for "
       "contradiction.test contradicts itself"},
      {"flood.test", "ZSorry, I couldn't find any host by that name. (#4.1.2)\nDNS server "},
      {"cut.test", "ZSorry, I couldn't find any host by that name. (#4.1.2)\nDNS server "},
      {"loop-mx.test", "ZCNAME lookup failed temporarily. (#4.4.3)\nthe aliases (CNAME) of loop.test loop"},
  };
  Remote remote;
  DnsServer& dns = remote.dns;
  dns.cname_bytes("odd.test", "a.b");
  dns.mx("contradiction.test", 1, "mx.test");
  dns.trick("contradiction.test", DnsServer::Trick::contradiction);
  dns.trick("flood.test", DnsServer::Trick::flood);
  dns.trick("flood.test", DnsServer::Trick::no_tcp);
  dns.trick("cut.test", DnsServer::Trick::no_tcp);
  dns.mx("loop-mx.test", 1, "loop.test");
  dns.cname("loop.test", "pool.test");
  dns.cname("pool.test", "loop.test");
  for (const Row& row : rows) {
    CAPTURE(row.host);
    const Reports reports = remote.send_to(row.host);
    REQUIRE(reports.size() == 1);
    CAPTURE(reports[0]);
    CHECK(starts(reports[0], row.report));
  }
  // Ids and questions that are not ours, and records of strangers, change nothing.
  SmtpServer server("127.0.0.2", 0, {});
  remote.by_mx(server.port());
  for (const DnsServer::Trick trick :
       {DnsServer::Trick::wrong_id, DnsServer::Trick::wrong_question, DnsServer::Trick::strangers}) {
    const std::string host = "trick" + std::to_string(static_cast<int>(trick)) + ".test";
    dns.mx(host, 1, "mx." + host);
    dns.a("mx." + host, "127.0.0.2");
    dns.trick(host, trick);
    dns.trick("mx." + host, trick);
    CHECK(remote.send_to(host).back() ==
          "K127.0.0.2 accepted message.\nRemote host said: 250 2.0.0 queued\n");
  }
}

TEST_CASE("remote: exchangers whose look-ups fail slowly do not hold a delivery for ever", "[remote]") {
  Remote remote;  // timeoutdns is 1: four seconds for all of them
  for (int i = 0; i < 20; ++i) {
    const std::string name = "mx" + std::to_string(i) + ".test";
    remote.dns.mx("slow.test", static_cast<unsigned>(i), name);
    remote.dns.trick(name, DnsServer::Trick::silent);
  }
  const Deadline patience = Deadline::in_seconds(15);
  CHECK(
      starts(remote.send_to("slow.test").at(0), "ZSorry, I couldn't find any host by that name. (#4.1.2)\n"));
  CHECK_FALSE(patience.passed());
  CHECK(remote.dns.count("A mx19.test") == 0);
}

TEST_CASE("remote: an address is tried once, however many exchangers have it", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.greeting = "421 busy";
  SmtpServer server("127.0.0.2", 0, script);
  remote.by_mx(server.port());
  for (int i = 0; i < 5; ++i) {
    const std::string name = "mx" + std::to_string(i) + ".test";
    remote.dns.mx("same.test", static_cast<unsigned>(i), name);
    remote.dns.a(name, "127.0.0.2");
  }
  CHECK(remote.send_to("same.test") ==
        Reports{"ZConnected to 127.0.0.2 but greeting failed.\nRemote host said: 421 busy\n"});
  CHECK(server.sessions().size() == 1);
}

TEST_CASE("remote: by mail exchangers, the best first", "[remote]") {
  Remote remote;
  SmtpServer first("127.0.0.2", 0, {});
  SmtpServer second("127.0.0.3", first.port(), {});
  remote.by_mx(first.port());
  remote.dns.mx("a.test", 20, "mx2.a.test");
  remote.dns.mx("a.test", 10, "mx1.a.test");
  remote.dns.a("mx1.a.test", "127.0.0.2");
  remote.dns.a("mx2.a.test", "127.0.0.3");
  CHECK(remote.send_to("a.test").back() ==
        "K127.0.0.2 accepted message.\nRemote host said: 250 2.0.0 queued\n");
  CHECK(second.sessions().empty());
  CHECK(remote.dns.count("A mx2.a.test") == 0);  // nobody asked for what is not needed
}

TEST_CASE("remote: equal preferences are shuffled", "[remote]") {
  Remote remote;
  SmtpServer first("127.0.0.2", 0, {});
  SmtpServer second("127.0.0.3", first.port(), {});
  remote.by_mx(first.port());
  for (const char* host : {"mx1.a.test", "mx2.a.test"}) remote.dns.mx("a.test", 10, host);
  remote.dns.a("mx1.a.test", "127.0.0.2");
  remote.dns.a("mx2.a.test", "127.0.0.3");
  for (int i = 0; i < 24; ++i) CHECK(remote.send_to("a.test").back()[0] == 'K');
  CHECK(first.sessions().size() + second.sessions().size() == 24);
  CHECK_FALSE(first.sessions().empty());  // one in 8 million that chance fools us
  CHECK_FALSE(second.sessions().empty());
}

TEST_CASE("remote: the next exchanger after one that cannot be used", "[remote]") {
  struct Row {
    const char* what;
    SmtpScript script;
  };
  const auto with = [](auto change) {
    SmtpScript script;
    change(script);
    return script;
  };
  const std::vector<Row> rows = {
      {"reset", with([](SmtpScript& s) { s.reset = true; })},
      {"closes at once", with([](SmtpScript& s) { s.greeting = ""; })},
      {"silent", with([](SmtpScript& s) { s.silent = true; })},
      {"4xx greeting", with([](SmtpScript& s) { s.greeting = "450 not now"; })},
      {"421 greeting", with([](SmtpScript& s) { s.greeting = "421 not now"; })},
      {"5xx greeting", with([](SmtpScript& s) { s.greeting = "554-never\n554 here"; })},
      {"no SMTP", with([](SmtpScript& s) { s.greeting = "SSH-2.0-x"; })},
      {"EHLO and HELO refused", with([](SmtpScript& s) { s.ehlo = s.replies["HELO"] = "550 who are you"; })},
      {"EHLO deferred", with([](SmtpScript& s) { s.ehlo = "450 not now"; })},
      {"closes at EHLO", with([](SmtpScript& s) { s.ehlo = ""; })},
      {"421 at MAIL", with([](SmtpScript& s) { s.replies["MAIL"] = "421 down"; })},
      {"closes at RCPT", with([](SmtpScript& s) { s.replies["RCPT"] = ""; })},
      {"421 at DATA", with([](SmtpScript& s) { s.replies["DATA"] = "421 down"; })},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Remote remote;
    SmtpServer bad("127.0.0.2", 0, row.script);
    SmtpServer good("127.0.0.3", bad.port(), {});
    remote.by_mx(bad.port());
    remote.dns.mx("a.test", 10, "mx1.a.test");
    remote.dns.mx("a.test", 20, "mx2.a.test");
    remote.dns.a("mx1.a.test", "127.0.0.2");
    remote.dns.a("mx2.a.test", "127.0.0.3");
    CHECK(remote.send_to("a.test") ==
          Reports{"r", "K127.0.0.3 accepted message.\nRemote host said: 250 2.0.0 queued\n"});
    CHECK(bad.sessions().size() == 1);
    CHECK(good.sessions().at(0).messages.size() == 1);
  }
}

TEST_CASE("remote: what is said when no exchanger could be used", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.greeting = "554-never\n554 here";
  SmtpServer server(script);
  remote.relay(server);
  CHECK(remote.send_to("a.test") ==
        Reports{"ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: 554-never\n554 here\n"});
  script = {};
  script.ehlo = "450 wait";
  SmtpServer waits(script);
  remote.relay(waits);
  CHECK(remote.send_to("a.test") ==
        Reports{"ZConnected to 127.0.0.1 but my name was rejected.\nRemote host said: 450 wait\n"});
  remote.route(":127.0.0.1:1");
  CHECK(remote.send_to("a.test") == Reports{no_connection("127.0.0.1:1: Connection refused.\n")});
}

TEST_CASE("remote: a refused exchanger, a refusal that counts", "[remote]") {
  Remote remote;
  SmtpScript script;
  script.replies["RCPT"] = "550 no";
  SmtpServer first("127.0.0.2", 0, script);
  SmtpServer second("127.0.0.3", first.port(), {});
  remote.by_mx(first.port());
  remote.dns.mx("a.test", 5, "mx0.a.test");
  remote.dns.mx("a.test", 10, "mx1.a.test");
  remote.dns.mx("a.test", 20, "mx2.a.test");
  remote.dns.a("mx0.a.test", "127.0.0.4");  // nobody listens
  remote.dns.a("mx1.a.test", "127.0.0.2");
  remote.dns.a("mx2.a.test", "127.0.0.3");
  CHECK(starts(remote.send_to("a.test").at(0), "h127.0.0.2 does not like recipient."));
  CHECK(second.sessions().empty());  // what one exchanger says counts for all
}

TEST_CASE("remote: IPv6 first, then IPv4", "[remote]") {
  Remote remote;
  SmtpServer four("127.0.0.1", 0, {});
  remote.by_mx(four.port());
  remote.dns.a("a.test", "127.0.0.1");  // no MX: the host itself (RFC 5321 5.1)
  remote.dns.a("a.test", "::1");
  CHECK(remote.send_to("a.test").back() ==
        "K127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n");
  SmtpServer six("::1", four.port(), {});
  CHECK(remote.send_to("a.test").back() == "K::1 accepted message.\nRemote host said: 250 2.0.0 queued\n");
  CHECK(remote.send_to("[IPv6:::1]").back()[0] == 'K');
  CHECK(remote.send_to("[127.0.0.1]").back()[0] == 'K');
  CHECK(six.sessions().size() == 2);
  CHECK(four.sessions().size() == 2);
  remote.route(":[::1]:" + std::to_string(six.port()));
  CHECK(remote.send_to("b.test").back()[0] == 'K');
}

TEST_CASE("remote: what DNS says", "[remote]") {
  struct Row {
    const char* host;
    const char* report;
  };
  const Row rows[] = {
      {"none.test", "DSorry, I couldn't find any host named none.test. (#5.1.2)\n"},
      {"empty.test", "DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n"},
      {"dangling.test", "DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n"},
      {"null.test", "DSorry, null.test does not accept mail: it says so by a null MX record. (#5.1.10)\n"},
      {"fails.test", "ZSorry, I couldn't find any host by that name. (#4.1.2)\nDNS server "},
      {"half.test", "ZSorry, I couldn't find any host by that name. (#4.1.2)\n"},
      {"silent.test",
       "ZSorry, I couldn't find any host by that name. (#4.1.2)\nno answer from any DNS server.\n"},
      {"loop.test", "ZCNAME lookup failed temporarily. (#4.4.3)\n"},
      {"a..b.test", "DSorry, I couldn't find any host named a..b.test. (#5.1.2)\n"},
      {"two words", "DSorry, I couldn't find any host named two?words. (#5.1.2)\n"},
      {"[300.0.0.1]", "DSorry, I couldn't find any host named [300.0.0.1]. (#5.1.2)\n"},
      {"", "DSorry, I couldn't find any host named . (#5.1.2)\n"},
      {"ours.test", "DSorry. Although I'm listed as a best-preference MX or A for that host,\n"},
      {"ours-first.test", "DSorry. Although I'm listed as a best-preference MX or A for that host,\n"},
      {"ours-bare.test", "DSorry. Although I'm listed as a best-preference MX or A for that host,\n"},
      {"[127.0.0.1]", "DSorry. Although I'm listed as a best-preference MX or A for that host,\n"},
      {"[IPv6:::1]", "DSorry. Although I'm listed as a best-preference MX or A for that host,\n"},
      {"zero.test", "DSorry. Although I'm listed as a best-preference MX or A for that host,\n"},
  };
  Remote remote;
  DnsServer& dns = remote.dns;
  dns.exists("empty.test");
  dns.mx("dangling.test", 10, "none.test");
  dns.mx("null.test", 0, ".");
  dns.trick("fails.test", DnsServer::Trick::servfail);
  dns.mx("half.test", 10, "none.test");
  dns.mx("half.test", 20, "fails.test");
  dns.trick("silent.test", DnsServer::Trick::silent);
  dns.cname("loop.test", "pool.test");
  dns.cname("pool.test", "loop.test");
  dns.mx("ours.test", 10, "ours-bare.test");
  dns.mx("ours-first.test", 20, "far.test");
  dns.mx("ours-first.test", 10, "ours-bare.test");
  dns.a("far.test", "192.0.2.1");
  dns.a("ours-bare.test", "127.0.0.1");
  dns.mx("zero.test", 10, "z.test");
  dns.a("z.test", "0.0.0.0");
  for (const Row& row : rows) {
    CAPTURE(row.host);
    const Reports reports = remote.send_to(row.host);
    REQUIRE(reports.size() == 1);
    CAPTURE(reports[0]);
    CHECK(starts(reports[0], row.report));
  }
  CHECK(dns.count("A far.test") == 0);  // worse than ourselves: not even looked up
}

TEST_CASE("remote: answers cut off, aliases, A-labels", "[remote]") {
  Remote remote;
  SmtpServer server("127.0.0.2", 0, {});
  remote.by_mx(server.port());
  for (int i = 0; i < 100; ++i)
    remote.dns.mx("many.test", 10 + static_cast<unsigned>(i), "mx" + std::to_string(i) + ".test");
  remote.dns.trick("many.test", DnsServer::Trick::truncated);
  remote.dns.a("mx3.test", "127.0.0.2");
  CHECK(remote.send_to("many.test").back()[0] == 'K');
  CHECK(remote.dns.count("MX many.test/tcp") == 1);
  CHECK(remote.dns.count("A mx5.test") == 0);
  remote.dns.cname("alias.test", "real.test");
  remote.dns.mx("real.test", 1, "mx3.test");
  CHECK(remote.send_to("alias.test").back()[0] == 'K');
  CHECK(server.sessions().back().commands.at(2) == "RCPT TO:<to@alias.test>");  // the envelope stays as it is
  remote.dns.mx("xn--wgv71a.test", 1, "mx3.test");
  CHECK(remote.send_to("日本.test").back()[0] == 'K');
}

TEST_CASE("remote: hundred exchangers that are not there end soon", "[remote]") {
  Remote remote;
  for (int i = 0; i < 100; ++i)
    remote.dns.mx("many.test", static_cast<unsigned>(i), "mx" + std::to_string(i) + ".test");
  const Reports reports = remote.send_to("many.test");
  CHECK(starts(reports.at(0), "DSorry, I couldn't find a mail exchanger"));
  const auto queries = remote.dns.queries();
  CHECK(queries.size() == 1 + 2 * 20);
}

TEST_CASE("remote: smtproutes", "[remote]") {
  Remote remote;
  SmtpServer server;
  const std::string port = std::to_string(server.port());
  remote.dns.a("relay.test", "127.0.0.1");
  remote.dns.mx("relay.test", 1, "elsewhere.test");
  remote.dns.cname("alias.test", "relay.test");
  remote.route("a.test:relay.test:" + port + "\nb.test:alias.test:" + port + "\nc.test:gone.test:" + port +
               "\nd.test:relay.test:" + port + " startls\ne.test:relay.test:x\n:127.0.0.1:1");
  CHECK(remote.send_to("a.test").back()[0] == 'K');
  CHECK(remote.send_to("b.test").back()[0] == 'K');
  CHECK(remote.dns.count("MX relay.test") == 0);
  // A relay is the operator's: its absence never bounces a customer's mail.
  CHECK(remote.send_to("c.test") ==
        Reports{"ZSorry, I couldn't find the relay gone.test that control/smtproutes names. (#4.4.3)\n"});
  CHECK(starts(remote.send_to("d.test").at(0), "ZUnable to read control files. (#4.3.0)\n"));
  CHECK(remote.send_to("d.test").at(0).find("\"startls\"") != std::string::npos);
  CHECK(starts(remote.send_to("e.test").at(0), "ZUnable to read control files. (#4.3.0)\n"));
  CHECK(remote.send_to("other.test") == Reports{no_connection("127.0.0.1:1: Connection refused.\n")});
}

TEST_CASE("remote: time is over", "[remote]") {
  Remote remote;
  remote.home.write("control/timeoutremote", "1\n");
  SmtpScript script;
  script.silent = true;
  SmtpServer server(script);
  remote.relay(server);
  const Deadline patience = Deadline::in_seconds(4);
  CHECK(remote.send_to("a.test") == Reports{"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n"});
  CHECK_FALSE(patience.passed());
}

TEST_CASE("remote: hosts that do not answer are remembered", "[remote]") {
  Remote remote;
  const DeafPort deaf("127.0.0.2");
  SmtpServer good("127.0.0.3", deaf.port(), {});
  remote.by_mx(deaf.port());
  remote.dns.mx("a.test", 1, "deaf.test");
  remote.dns.mx("a.test", 2, "good.test");
  remote.dns.a("deaf.test", "127.0.0.2");
  remote.dns.a("good.test", "127.0.0.3");
  const auto timed = [&] {
    const Deadline half = Deadline::in(std::chrono::milliseconds(700));
    CHECK(remote.send_to("a.test").back()[0] == 'K');
    return half.passed();
  };
  CHECK(timed());  // waits a second for the deaf one
  CHECK(timed());  // once does not count
  const std::string listing = std::string(conf::home) + "/bin/qmail-tcpto";
  const Result one = test::run({listing});
  CHECK(one.code == 0);
  CHECK(starts(one.out, "127.0.0.2:" + std::to_string(deaf.port()) + " timed out "));
  CHECK(one.out.find(" seconds ago; # recent timeouts: 1\n") != std::string::npos);
  {
    // The second timeout, two minutes later.
    Tcpto table(conf::home);
    const std::int64_t now = now_seconds();
    table.clear();
    table.failed(*IpAddress::parse("127.0.0.2"), deaf.port(), now - 200);
    table.failed(*IpAddress::parse("127.0.0.2"), deaf.port(), now);
  }
  CHECK_FALSE(timed());  // not asked any more
  remote.route(":127.0.0.2:" + std::to_string(deaf.port()));
  CHECK(remote.send_to("a.test") ==
        Reports{no_connection("127.0.0.2:" + std::to_string(deaf.port()) +
                              ": not tried now, it failed several times lately (qmail-tcpto).\n")});
  setenv("QMAILTRYDEAD", "1", 1);
  CHECK(remote.send_to("a.test") ==
        Reports{no_connection("127.0.0.2:" + std::to_string(deaf.port()) + ": Connection timed out.\n")});
  unsetenv("QMAILTRYDEAD");
  CHECK(test::run({std::string(conf::home) + "/bin/qmail-tcpok"}).code == 0);
  CHECK(test::run({listing}).out.empty());
  {
    // One that answers again is forgotten.
    Tcpto table(conf::home);
    const std::int64_t now = now_seconds();
    table.failed(*IpAddress::parse("127.0.0.3"), good.port(), now - 9999);
    table.failed(*IpAddress::parse("127.0.0.3"), good.port(), now - 9000);
    REQUIRE(table.entries().size() == 1);
    remote.route(":127.0.0.3:" + std::to_string(good.port()));
    CHECK(remote.send_to("a.test").back()[0] == 'K');
    CHECK(table.entries().empty());
  }
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

TEST_CASE("remote: a race of connections", "[remote]") {
  using Fate = TcpRace::Fate;
  using std::chrono::milliseconds;
  const IpAddress four = *IpAddress::parse("127.0.0.1"), six = *IpAddress::parse("::1");
  const TcpCandidate first{six, std::nullopt}, second{four, std::nullopt};
  {
    SmtpServer server;  // refused: the next one at once, whatever the head start
    const Deadline patience = Deadline::in_seconds(10);
    const TcpRace race = race_tcp({first, second}, server.port(), milliseconds(20000), milliseconds(20000));
    CHECK(race.fd);
    CHECK(race.winner == 1);
    CHECK(race.fates == std::vector{Fate::failed, Fate::won});
    CHECK(race.errors[0] == ECONNREFUSED);
    CHECK_FALSE(patience.passed());
    CHECK(local_address(race.fd.get()) == four);
  }
  {
    // The first one answers: the second is never begun.
    const auto [one, two] = on_one_port([] { return std::make_unique<SmtpServer>("::1", 0, SmtpScript{}); });
    const TcpRace race = race_tcp({first, second}, one->port(), milliseconds(20000), milliseconds(20000));
    CHECK(race.fates == std::vector{Fate::won, Fate::not_begun});
    CHECK(two->peers().empty());
  }
  {
    const auto [deaf, server] = on_one_port([] { return std::make_unique<DeafPort>("::1"); });
    const TcpRace race = race_tcp({first, second}, deaf->port(), milliseconds(20000), milliseconds(50));
    CHECK(race.fates == std::vector{Fate::overtaken, Fate::won});
  }
  {
    const DeafPort deaf("::1");
    const TcpRace race = race_tcp({first, second}, deaf.port(), milliseconds(300), milliseconds(50));
    CHECK_FALSE(race.fd);
    CHECK(race.fates == std::vector{Fate::failed, Fate::failed});
    CHECK(race.errors == std::vector{ETIMEDOUT, ECONNREFUSED});
  }
  {
    const TcpRace race =
        race_tcp({{four, IpAddress::parse("192.0.2.77")}}, 1, milliseconds(300), milliseconds(50));
    CHECK(race.errors == std::vector{EADDRNOTAVAIL});
  }
  CHECK_FALSE(race_tcp({}, 1, milliseconds(10), milliseconds(10)).fd);
}
