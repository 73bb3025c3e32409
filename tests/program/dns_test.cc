// The resolver against a scripted server.
#include <sys/socket.h>

#include "lib/net/dns.h"
#include "tests/catch.h"
#include "tests/program/dns_server.h"

using namespace hato;
using namespace hato::test;
using Trick = DnsServer::Trick;
using namespace std::chrono_literals;

namespace {

Resolver resolver(const std::vector<Endpoint>& servers, std::chrono::milliseconds limit = 5000ms) {
  ResolverConfig config;
  config.servers = servers;
  config.first_wait = 200ms;
  config.limit = limit;
  return Resolver(config);
}

Resolver validating(const std::vector<Endpoint>& servers) {
  ResolverConfig config;
  config.servers = servers;
  config.first_wait = 200ms;
  config.limit = 5000ms;
  config.dnssec = true;
  return Resolver(config);
}

std::vector<std::string> texts(const DnsAnswer<IpAddress>& answer) {
  std::vector<std::string> result;
  for (const IpAddress& ip : answer.records) result.push_back(ip.text());
  return result;
}

using Texts = std::vector<std::string>;

// A port on which nobody listens.
Endpoint nobody() {
  DnsServer gone;
  return gone.endpoint();
}

}  // namespace

TEST_CASE("dns: what a server can say", "[dns]") {
  DnsServer server;
  server.mx("a.test", 20, "mx2.a.test");
  server.mx("a.test", 10, "mx1.a.test");
  server.a("mx1.a.test", "192.0.2.1");
  server.a("mx1.a.test", "2001:db8::1");
  server.a("v4.test", "192.0.2.2");
  server.a("v6.test", "2001:db8::2");
  server.exists("empty.test");
  server.txt("t.test", {"v=spf1 ", "-all\xff"});
  server.txt("t.test", {""});
  server.ptr("1.2.0.192.in-addr.arpa", "host.test");
  server.cname("alias.test", "v4.test");
  const Resolver dns = resolver({server.endpoint()});

  const auto mx = dns.mx("a.test");
  REQUIRE(mx.found());
  REQUIRE(mx.records.size() == 2);
  CHECK(mx.records[0].preference == 20);
  CHECK(mx.records[0].host == "mx2.a.test");
  CHECK_FALSE(mx.alias);
  CHECK(mx.name == "a.test");
  CHECK(dns.mx("A.Test.").found());
  CHECK(texts(dns.addresses("mx1.a.test")) == Texts{"2001:db8::1", "192.0.2.1"});
  CHECK(texts(dns.addresses("v4.test")) == Texts{"192.0.2.2"});
  CHECK(texts(dns.addresses("v6.test")) == Texts{"2001:db8::2"});
  CHECK(dns.addresses("empty.test").status == DnsStatus::no_data);
  CHECK(dns.addresses("none.test").status == DnsStatus::no_name);
  CHECK(dns.a("v6.test").status == DnsStatus::no_data);
  CHECK(dns.aaaa("v6.test").found());
  CHECK(dns.mx("none.test").status == DnsStatus::no_name);
  CHECK(dns.txt("t.test").records == Texts{"v=spf1 -all\xff", ""});
  CHECK(dns.ptr(*IpAddress::parse("192.0.2.1")).records == Texts{"host.test"});
  CHECK(dns.ptr(*IpAddress::parse("192.0.2.3")).status == DnsStatus::no_name);
  CHECK(dns.cname("alias.test").records == Texts{"v4.test"});
  CHECK(dns.cname("v4.test").status == DnsStatus::no_data);
  CHECK(dns.raw("v4.test", dns_type::a).records == Texts{std::string("\xc0\x00\x02\x02", 4)});
}

TEST_CASE("dns: a name that cannot be one is not asked for", "[dns]") {
  DnsServer server;
  const Resolver dns = resolver({server.endpoint()});
  for (const char* name : {"", "a..b", "a b", "\xc3\xbc.test"})
    CHECK(dns.mx(name).status == DnsStatus::no_name);
  CHECK(server.queries().empty());
}

TEST_CASE("dns: aliases", "[dns]") {
  DnsServer server;
  server.cname("a.test", "b.test");
  server.cname("b.test", "c.test");
  server.a("c.test", "192.0.2.1");
  server.mx("c.test", 5, "mx.test");
  server.cname("nowhere.test", "none.test");
  server.cname("dry.test", "empty.test");
  server.exists("empty.test");
  server.cname("loop1.test", "loop2.test");
  server.cname("loop2.test", "loop1.test");
  server.cname("self.test", "self.test");
  std::string chain = "chain0.test";
  for (int i = 1; i <= 12; ++i) {
    const std::string next = "chain" + std::to_string(i) + ".test";
    server.cname(chain, next);
    chain = next;
  }
  server.a(chain, "192.0.2.9");
  const Resolver dns = resolver({server.endpoint()});

  for (const bool one_at_a_time : {false, true}) {
    CAPTURE(one_at_a_time);
    if (one_at_a_time) server.trick_all(Trick::one_alias_only);
    const auto a = dns.a("a.test");
    CHECK(texts(a) == Texts{"192.0.2.1"});
    CHECK(a.alias);
    CHECK(a.name == "c.test");
    CHECK(dns.mx("a.test").records.at(0).host == "mx.test");
    CHECK(dns.a("nowhere.test").status == DnsStatus::no_name);
    CHECK(dns.a("dry.test").status == DnsStatus::no_data);
    for (const char* name : {"loop1.test", "self.test", "chain0.test"}) {
      CAPTURE(name);
      const auto loop = dns.a(name);
      CHECK(loop.status == DnsStatus::temporary);
      CHECK(loop.alias_loop);
      CHECK_FALSE(loop.problem.empty());
    }
    CHECK(dns.a("chain2.test").found());  // ten steps are allowed
  }
}

TEST_CASE("dns: an answer that was cut off is asked for again over TCP", "[dns]") {
  DnsServer server;
  for (int i = 0; i < 200; ++i) server.txt("big.test", {std::string(200, 'x')});
  server.trick("big.test", Trick::truncated);
  server.trick("always.test", Trick::truncated_always);
  server.trick("no-tcp.test", Trick::no_tcp);
  server.a("both.test", "192.0.2.1");
  server.a("both.test", "2001:db8::1");
  server.trick("both.test", Trick::truncated);
  const Resolver dns = resolver({server.endpoint()});
  CHECK(dns.txt("big.test").records.size() == 200);
  CHECK(server.queries() == Texts{"TXT big.test", "TXT big.test/tcp"});
  CHECK(dns.addresses("both.test").records.size() == 2);
  CHECK(dns.txt("always.test").status == DnsStatus::temporary);
  CHECK(dns.txt("no-tcp.test").status == DnsStatus::temporary);
}

TEST_CASE("dns: lies are not heard", "[dns]") {
  for (const Trick trick : {Trick::wrong_id, Trick::wrong_question, Trick::rubbish}) {
    DnsServer server;
    server.a("a.test", "192.0.2.1");
    server.trick("a.test", trick);
    const Resolver dns = resolver({server.endpoint()});
    CHECK(texts(dns.a("a.test")) == Texts{"192.0.2.1"});
    CHECK(server.count("A a.test") == 1);
  }
}

TEST_CASE("dns: a flood of lies is gone round over TCP", "[dns]") {
  DnsServer server;
  server.a("a.test", "192.0.2.1");
  server.a("a.test", "2001:db8::1");
  server.trick("a.test", Trick::flood);
  const Resolver dns = resolver({server.endpoint()});
  CHECK(texts(dns.a("a.test")) == Texts{"192.0.2.1"});
  CHECK(server.queries() == Texts{"A a.test", "A a.test/tcp"});
  CHECK(texts(dns.addresses("a.test")) == Texts{"2001:db8::1", "192.0.2.1"});
  // Where TCP does not help it is a temporary failure.
  server.trick("b.test", Trick::flood);
  server.trick("b.test", Trick::no_tcp);
  CHECK(dns.a("b.test").status == DnsStatus::temporary);
}

TEST_CASE("dns: records nobody asked for, and an answer that contradicts itself", "[dns]") {
  DnsServer server;
  server.a("a.test", "192.0.2.1");
  server.mx("a.test", 5, "mx.a.test");
  server.trick("a.test", Trick::strangers);
  server.trick("none.test", Trick::strangers);
  server.a("both.test", "192.0.2.1");
  server.trick("both.test", Trick::contradiction);
  server.trick("gone.test", Trick::contradiction);
  const Resolver dns = resolver({server.endpoint()});
  CHECK(texts(dns.a("a.test")) == Texts{"192.0.2.1"});
  CHECK(dns.mx("a.test").records.size() == 1);
  CHECK(dns.a("none.test").status == DnsStatus::no_data);
  CHECK(dns.a("both.test").status == DnsStatus::temporary);
  CHECK(dns.a("both.test").problem.find("contradicts itself") != std::string::npos);
  CHECK(dns.a("gone.test").status == DnsStatus::no_name);
}

TEST_CASE("dns: an alias to what is no name", "[dns]") {
  DnsServer server;
  server.cname_bytes("odd.test", "a.b");
  server.cname_bytes("null.test", std::string("\0\xff", 2));
  const Resolver dns = resolver({server.endpoint()});
  for (const char* name : {"odd.test", "null.test"}) {
    const auto answer = dns.a(name);
    CHECK(answer.status == DnsStatus::temporary);
    CHECK(answer.problem.find("no name that can be asked for") != std::string::npos);
    CHECK(dns.mx(name).status == DnsStatus::temporary);
    CHECK(dns.addresses(name).status == DnsStatus::temporary);
  }
}

TEST_CASE("dns: a bad server is passed over, and its silence is not absence", "[dns]") {
  DnsServer good;
  good.a("a.test", "192.0.2.1");
  for (const Trick trick : {Trick::servfail, Trick::refused, Trick::referral, Trick::silent, Trick::no_tcp,
                            Trick::truncated_always}) {
    CAPTURE(static_cast<int>(trick));
    DnsServer bad;
    bad.trick_all(trick);
    CHECK(texts(resolver({bad.endpoint(), good.endpoint()}).a("a.test")) == Texts{"192.0.2.1"});
    const Deadline start = Deadline::in(4000ms);
    const auto alone = resolver({bad.endpoint()}, 800ms).a("a.test");
    CHECK(alone.status == DnsStatus::temporary);
    CHECK_FALSE(alone.alias_loop);
    CHECK_FALSE(alone.problem.empty());
    CHECK_FALSE(start.passed());
  }
  CHECK(texts(resolver({nobody(), good.endpoint()}).a("a.test")) == Texts{"192.0.2.1"});
  CHECK(resolver({nobody()}).a("a.test").status == DnsStatus::temporary);
}

TEST_CASE("dns: a slow server is waited for, a deaf one asked again", "[dns]") {
  DnsServer server;
  server.a("a.test", "192.0.2.1");
  server.trick("a.test", Trick::slow);
  server.trick("dead.test", Trick::silent);
  const Resolver dns = resolver({server.endpoint()}, 1000ms);
  CHECK(dns.a("a.test").found());  // 300 ms: the second try, with twice the patience
  CHECK(dns.a("dead.test").status == DnsStatus::temporary);
  CHECK(server.count("A dead.test") >= 2);
}

TEST_CASE("dns: a server without EDNS", "[dns]") {
  DnsServer server;
  server.a("a.test", "192.0.2.1");
  server.trick("a.test", Trick::formerr_on_edns);
  CHECK(resolver({server.endpoint()}).a("a.test").found());
  CHECK(server.count("A a.test") == 2);
}

TEST_CASE("dns: the AD bit of a server that validates, on IPv6", "[dns][dnssec]") {
  DnsServer server("::1");
  server.validates();
  server.a("signed.test", "192.0.2.1");
  server.a("plain.test", "192.0.2.1");
  server.unsign("plain.test");
  server.cname("alias.test", "signed.test");
  server.cname("half.test", "plain.test");
  server.cname("step.test", "plain.test");
  server.trick("step.test", Trick::one_alias_only);
  const Resolver plain = resolver({server.endpoint()});
  CHECK_FALSE(plain.a("signed.test").authentic);  // nobody wanted to know
  CHECK(server.count("SOA .") == 0);
  const Resolver dns = validating({server.endpoint()});
  for (const auto& [name, authentic] : {std::pair{"signed.test", true},
                                        {"plain.test", false},
                                        {"alias.test", true},
                                        {"half.test", false},
                                        {"step.test", false}}) {
    CAPTURE(name);
    const DnsAnswer<IpAddress> answer = dns.a(name);
    CHECK(answer.found());
    CHECK(answer.authentic == authentic);
    CHECK(answer.unproved.empty());
  }
  CHECK(dns.mx("signed.test").authentic);  // that there is none
  CHECK(dns.cname("half.test").authentic);
  CHECK(dns.addresses("signed.test").authentic);
  CHECK(server.count("SOA .") == 1);
  CHECK(server.count("SOA 10.in-addr.arpa") == 1);
}

TEST_CASE("dns: whose AD bit counts for nothing", "[dns][dnssec]") {
  DnsServer server;
  server.a("signed.test", "192.0.2.1");
  const std::string who = "the DNS server " + server.control_line();
  SECTION("it does not validate") {
    server.trick("signed.test", Trick::authentic);
    server.record(".", dns_type::soa, std::string(22, '\0'));
    server.exists("10.in-addr.arpa");
    const DnsAnswer<IpAddress> answer = validating({server.endpoint()}).a("signed.test");
    CHECK(answer.found());
    CHECK_FALSE(answer.authentic);
    CHECK(answer.unproved == who + " does not validate (DNSSEC)");
  }
  SECTION("it has no root") {
    server.trick_all(Trick::authentic);
    CHECK(validating({server.endpoint()}).a("signed.test").unproved == who + " does not validate (DNSSEC)");
  }
  SECTION("it sets the bit always") {
    server.validates();
    server.trick("10.in-addr.arpa", Trick::authentic);
    const DnsAnswer<IpAddress> answer = validating({server.endpoint()}).a("signed.test");
    CHECK_FALSE(answer.authentic);
    CHECK(answer.unproved == who + " calls authentic what nobody has signed");
  }
  SECTION("it does not answer that") {
    server.validates();
    const char* name = GENERATE(".", "10.in-addr.arpa");
    server.trick(name, Trick::servfail);
    const DnsAnswer<IpAddress> answer = validating({server.endpoint()}).a("signed.test");
    CHECK(answer.status == DnsStatus::temporary);
    CHECK(answer.records.empty());
    CHECK(answer.problem == who + " does not say whether it validates: DNS server " + server.control_line() +
                                " answered SERVFAIL");
  }
  SECTION("one of two") {
    DnsServer other;
    other.trick_all(Trick::authentic);
    other.trick_all(Trick::servfail);
    server.validates();
    CHECK(validating({other.endpoint(), server.endpoint()}).a("signed.test").authentic);
  }
}
