// qmail-remote's connections: from which address, to which family, how long it waits, and what is remembered
// of hosts that do not answer (qmail-tcpto, qmail-tcpok). Against scripted DNS and SMTP servers.
#include <errno.h>
#include <stdlib.h>

#include <chrono>
#include <memory>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/net/tcp.h"
#include "lib/store/tcpto.h"
#include "tests/catch.h"
#include "tests/program/remote_stage.h"

using namespace hato;
using namespace hato::test;

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

}  // namespace

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

TEST_CASE("remote: what counts against a host, and what does not", "[remote]") {
  struct Row {
    const char* what;
    bool counts;
    SmtpScript script;
  };
  const std::vector<Row> rows = {
      {"refused", true, altered([](SmtpScript&) {})},
      {"reset", true, altered([](SmtpScript& s) { s.reset = true; })},
      {"closes at once", true, altered([](SmtpScript& s) { s.greeting = ""; })},
      {"silent", true, altered([](SmtpScript& s) { s.silent = true; })},
      {"4xx greeting", true, altered([](SmtpScript& s) { s.greeting = "450 not now"; })},
      {"421 greeting", true, altered([](SmtpScript& s) { s.greeting = "421 not now"; })},
      {"5xx greeting", true, altered([](SmtpScript& s) { s.greeting = "554 never"; })},
      {"no SMTP", true, altered([](SmtpScript& s) { s.greeting = "SSH-2.0-x"; })},
      {"421 at MAIL", true, altered([](SmtpScript& s) { s.replies["MAIL"] = "421 down"; })},
      {"421 at RCPT", true, altered([](SmtpScript& s) { s.replies["RCPT"] = "421 down"; })},
      {"421 at DATA", true, altered([](SmtpScript& s) { s.replies["DATA"] = "421 down"; })},
      {"421 at the end", true, altered([](SmtpScript& s) { s.message = "421 down"; })},
      {"450 at MAIL", false, altered([](SmtpScript& s) { s.replies["MAIL"] = "450 later"; })},
      {"greylisted", false, altered([](SmtpScript& s) { s.replies["RCPT"] = "450 4.2.0 greylisted"; })},
      {"451 at DATA", false, altered([](SmtpScript& s) { s.replies["DATA"] = "451 later"; })},
      {"451 at the end", false, altered([](SmtpScript& s) { s.message = "451 later"; })},
      {"refused recipient", false, altered([](SmtpScript& s) { s.replies["RCPT"] = "550-no\n550 no"; })},
      {"accepts", false, altered([](SmtpScript&) {})},
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
