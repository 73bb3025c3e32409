// Which hosts qmail-remote tries: mail exchangers, what DNS says, control/smtproutes. Against scripted DNS
// and SMTP servers.
#include <memory>
#include <vector>

#include "lib/base/clock.h"
#include "tests/catch.h"
#include "tests/program/remote_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

// What becomes of mail for a host: how the one report begins.
struct Told {
  const char* host;
  const char* report;
};

void check(const Remote& remote, const std::vector<Told>& rows) {
  for (const Told& row : rows) {
    CAPTURE(row.host);
    const Reports reports = remote.send_to(row.host);
    REQUIRE(reports.size() == 1);
    CAPTURE(reports[0]);
    CHECK(starts(reports[0], row.report));
  }
}

}  // namespace

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
  const std::vector<Row> rows = {
      {"reset", altered([](SmtpScript& s) { s.reset = true; })},
      {"closes at once", altered([](SmtpScript& s) { s.greeting = ""; })},
      {"silent", altered([](SmtpScript& s) { s.silent = true; })},
      {"4xx greeting", altered([](SmtpScript& s) { s.greeting = "450 not now"; })},
      {"421 greeting", altered([](SmtpScript& s) { s.greeting = "421 not now"; })},
      {"5xx greeting", altered([](SmtpScript& s) { s.greeting = "554-never\n554 here"; })},
      {"no SMTP", altered([](SmtpScript& s) { s.greeting = "SSH-2.0-x"; })},
      {"EHLO and HELO refused",
       altered([](SmtpScript& s) { s.ehlo = s.replies["HELO"] = "550 who are you"; })},
      {"EHLO deferred", altered([](SmtpScript& s) { s.ehlo = "450 not now"; })},
      {"closes at EHLO", altered([](SmtpScript& s) { s.ehlo = ""; })},
      {"421 at MAIL", altered([](SmtpScript& s) { s.replies["MAIL"] = "421 down"; })},
      {"closes at RCPT", altered([](SmtpScript& s) { s.replies["RCPT"] = ""; })},
      {"421 at DATA", altered([](SmtpScript& s) { s.replies["DATA"] = "421 down"; })},
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

TEST_CASE("remote: hundred exchangers that are not there end soon", "[remote]") {
  Remote remote;
  for (int i = 0; i < 100; ++i)
    remote.dns.mx("many.test", static_cast<unsigned>(i), "mx" + std::to_string(i) + ".test");
  const Reports reports = remote.send_to("many.test");
  CHECK(starts(reports.at(0), "DSorry, I couldn't find a mail exchanger"));
  const auto queries = remote.dns.queries();
  CHECK(queries.size() == 1 + 2 * 20);
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

TEST_CASE("remote: what DNS says", "[remote]") {
  const std::vector<Told> rows = {
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
  check(remote, rows);
  CHECK(dns.count("A far.test") == 0);  // worse than ourselves: not even looked up
}

TEST_CASE("remote: DNS servers that lie end in temporary failures that say so", "[remote]") {
  const std::vector<Told> rows = {
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
  check(remote, rows);
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
