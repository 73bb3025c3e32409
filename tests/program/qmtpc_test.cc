// qmail-qmtpc as an executable, and qmail-remote by a route with the word qmtp, against scripted servers.
#include "tests/catch.h"
#include "tests/program/byte_server.h"
#include "tests/program/delivery_reports.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"
#include "tests/program/qmtp_stage.h"
#include "tests/program/smtp_server.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

Strings deliver(const std::string& program, const Strings& recipients,
                const std::string& message = short_message, const std::string& host = "far.example") {
  Start start;
  start.args = {installed(program), host, "s@here.example"};
  start.args.insert(start.args.end(), recipients.begin(), recipients.end());
  const Outcome done = run(start, message, 60);
  CHECK(done.code == 0);
  CHECK(done.err.empty());
  return reports_in(done.out);
}

}  // namespace

TEST_CASE("qmtpc and a route with qmtp: one package, reports as qmail-remote's", "[qmtp]") {
  const Strings two = {"a@far.example", "\xc3\xbc \"@far.example"};
  const std::string package = qmtp("\n" + short_message, "s@here.example", two);
  const std::size_t size = package.size();
  const std::string ip = "127.0.0.1";
  const std::string died = "Connected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n";
  struct Row {
    BytePlan plan;
    Strings reports;
  };
  const std::string ok = net("Kok 838640135 qp 1390");
  const std::string accepted = "K127.0.0.1 accepted message.\nRemote host said: ok 838640135 qp 1390\n";
  const Row rows[] = {
      {{size, ok + ok}, {"r", "r", accepted}},
      {{size, ok + net("Dno\nsuch (#5.1.1)")},
       {"r", "h127.0.0.1 does not like recipient.\nRemote host said: no?such (#5.1.1)\n", accepted}},
      {{size, net("Zlater") + ok},
       {"s127.0.0.1 does not like recipient.\nRemote host said: later\n", "r", accepted}},
      {{size, net("D") + net("Z")},
       {"h127.0.0.1 does not like recipient.\n", "s127.0.0.1 does not like recipient.\n",
        "DGiving up on 127.0.0.1.\n"}},
      {{size, ok}, {"r", "s" + died, accepted}},
      {{size, net("Dno")}, {"h127.0.0.1 does not like recipient.\nRemote host said: no\n", "Z" + died}},
      {{size, ""}, {"Z" + died}},
      {{.octets = size, .reset = true}, {"Z" + died}},
      {{size, "220 mx ESMTP\r\n"}, {"Z" + died + "The connection was given up: what it says is not QMTP.\n"}},
      {{size, "99999:"}, {"Z" + died + "The connection was given up: what it says is not QMTP.\n"}},
      {{size, ok + net("")},
       {"r", "s" + died + "The connection was given up: what it says is not QMTP.\n", accepted}},
      {{size, ok + ok + ok}, {"r", "r", accepted}},
  };
  for (const Row& row : rows)
    for (const char* program : {"qmail-qmtpc", "qmail-remote"}) {
      CAPTURE(row.plan.answer, program);
      const ByteServer server({row.plan});
      const ControlFiles controls(Controls{{"smtproutes", "far.example:" + server.name() + " qmtp\n"}});
      CHECK(deliver(program, two) == row.reports);
      CHECK(server.received() == Strings{package});
    }
}

TEST_CASE("qmtpc and a route with qmtp: messages of any size and shape", "[qmtp]") {
  for (const std::string& message : {""s, "no end"s, "a\r\nb\rc\0\xff\n"s, std::string(3U << 20, 'x')})
    for (const char* program : {"qmail-qmtpc", "qmail-remote"}) {
      CAPTURE(message.size(), program);
      const std::string package = qmtp("\n" + message, "s@here.example", {"a@far.example"});
      const ByteServer server({{package.size(), net("Kok")}});
      const ControlFiles controls(Controls{{"smtproutes", ":" + server.name() + " qmtp\n"}});
      CHECK(deliver(program, {"a@far.example"}, message) ==
            Strings{"r", "K127.0.0.1 accepted message.\nRemote host said: ok\n"});
      CHECK((server.received().at(0) == package));
    }
}

TEST_CASE("qmtpc: where it goes without a route of its own", "[qmtp]") {
  // nobody listens on 209 here
  const std::string none = "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n";
  const SmtpServer smtp;
  const ControlFiles controls(Controls{{"smtproutes", ":127.0.0.1:" + std::to_string(smtp.port()) + "\n"},
                                       {"timeoutconnect", "2\n"}});
  const Strings reports = deliver("qmail-qmtpc", {"a@far.example"}, short_message, "[127.0.0.2]");
  REQUIRE(reports.size() == 1);
  CHECK((reports[0].starts_with(none) ||
         reports[0].starts_with("DSorry. Although I'm listed as a best-preference MX")));
  CHECK(smtp.sessions().empty());  // a route for SMTP is not for it
  CHECK(deliver("qmail-qmtpc", {}) == Strings{"DI (qmail-qmtpc) was invoked improperly. (#5.3.5)\n"});
}

TEST_CASE("a server that dies before it has the whole message: the message is for another one", "[qmtp]") {
  const std::string large(20U << 20, 'm');
  const ByteServer server({{.octets = 1000, .reset = true}});
  const ControlFiles controls(Controls{{"smtproutes", ":" + server.name() + " qmtp\n"}});
  for (const char* program : {"qmail-qmtpc", "qmail-remote"})
    CHECK(deliver(program, {"a@far.example"}, large) ==
          Strings{"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n"});
  const ByteServer refuses({{.octets = 1000, .answer = net("Dtoo large (#5.3.4)"), .silent = true}});
  set_control("smtproutes", ":" + refuses.name() + " qmtp\n");
  CHECK(deliver("qmail-qmtpc", {"a@far.example"}, large) ==
        Strings{"h127.0.0.1 does not like recipient.\nRemote host said: too large (#5.3.4)\n",
                "DGiving up on 127.0.0.1.\n"});
}
