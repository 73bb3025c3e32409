// ETRN's argument, control/etrnhosts, and networks of addresses. RFC 1985, qmail-smtpd(8).

#include "smtpd/etrn.h"
#include "lib/base/error.h"
#include "lib/base/ip_network.h"
#include "smtpd/session.h"
#include "tests/catch.h"

using namespace hato;
using namespace hato::smtpd;

namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

class NoQueue : public ServerQueue {
 public:
  std::unique_ptr<ServerSubmission> open(const GateOrigin&, GateResult& refused) override {
    refused.code = 71;
    return nullptr;
  }
};

}  // namespace

TEST_CASE("networks of addresses", "[ip_network]") {
  struct Row {
    const char* network;
    const char* address;
    bool inside;
  };
  const Row rows[] = {
      {"192.0.2.0/24", "192.0.2.255", true},
      {"192.0.2.0/24", "192.0.3.0", false},
      {"192.0.2.77/24", "192.0.2.1", true},
      {"192.0.2.128/25", "192.0.2.127", false},
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.6", false},
      {"192.0.2.7/32", "192.0.2.6", false},
      {"0.0.0.0/0", "203.0.113.1", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"2001:db8::/32", "2001:db8:ffff::1", true},
      {"2001:db8::/32", "2001:db9::1", false},
      {"::/0", "192.0.2.1", true},
      {"2001:db8::1", "2001:db8::1", true},
      {"2001:db8:8000::/33", "2001:db8:7fff::", false},
      {"::ffff:192.0.2.0/120", "192.0.2.9", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.network, row.address);
    const auto network = IpNetwork::parse(row.network);
    REQUIRE(network);
    CHECK(network->contains(ip(row.address)) == row.inside);
  }
  for (const char* none :
       {"", "/", "192.0.2", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/024x", "2001:db8::/129",
        "2001:db8::/0000", "[192.0.2.1]", "192.0.2.0/24/24", " 192.0.2.1"})
    CHECK_FALSE(IpNetwork::parse(none));
}

TEST_CASE("what ETRN asks for", "[etrn]") {
  CHECK(etrn_domain("Example.ORG") == "example.org");
  CHECK(etrn_domain("@Example.ORG") == ".example.org");
  for (const char* none : {"", "@", "#uucp", ".example.org", "@.example.org", "@@x", "a b", "a..b"})
    CHECK_FALSE(etrn_domain(none));
}

TEST_CASE("who may ask for what", "[etrn]") {
  EtrnPolicy policy;
  for (const char* line : {"one.example: 192.0.2.1 2001:db8::/32", ".two.example:relay", "any.example:\tany",
                           "one.example:198.51.100.0/24"})
    CHECK(policy.add(line));
  for (const char* line : {"", "one.example", "one.example:", "one.example:  ", ":any", "a b:any",
                           "one.example:192.0.2.1,192.0.2.2", "one.example:host.example"})
    CHECK_FALSE(policy.add(line));
  const auto from = [](const char* address, bool relay = false) {
    Client client;
    client.ip = address;
    if (relay) client.relay = "";
    return client;
  };
  CHECK(policy.allows("one.example", from("192.0.2.1")));
  CHECK(policy.allows("one.example", from("198.51.100.9")));
  CHECK(policy.allows("one.example", from("2001:db8::7")));
  CHECK_FALSE(policy.allows("one.example", from("192.0.2.2")));
  CHECK_FALSE(policy.allows("one.example", from("unknown")));
  CHECK_FALSE(policy.allows("one.example", from("192.0.2.2", true)));
  CHECK_FALSE(policy.allows("sub.one.example", from("192.0.2.1")));
  CHECK_FALSE(policy.allows(".one.example", from("192.0.2.1")));
  CHECK(policy.allows("two.example", from("203.0.113.1", true)));
  CHECK(policy.allows("a.b.two.example", from("203.0.113.1", true)));
  CHECK(policy.allows(".two.example", from("203.0.113.1", true)));
  CHECK(policy.allows(".a.two.example", from("203.0.113.1", true)));
  CHECK_FALSE(policy.allows("two.example", from("203.0.113.1")));
  CHECK_FALSE(policy.allows("notwo.example", from("203.0.113.1", true)));
  CHECK(policy.allows("any.example", from("unknown")));
}

TEST_CASE("the replies of ETRN", "[etrn]") {
  Settings settings;
  settings.greeting = "mx.example";
  settings.client.ip = "192.0.2.1";
  NoQueue queue;
  std::vector<std::string> journal;
  Session session(settings, queue, [&](std::string_view line) { journal.emplace_back(line); });
  const auto say = [&](const char* line) {
    std::string out;
    CHECK(session.command(line, out) == Session::Next::command);
    return out.substr(0, out.find("\r\n"));
  };
  // off by default
  CHECK(say("EHLO c.example").find("ETRN") == std::string::npos);
  CHECK(say("ETRN one.example").substr(0, 4) == "502 ");

  settings.etrn.emplace();
  REQUIRE(settings.etrn->add(".one.example:192.0.2.1"));
  std::string out;
  session.command("EHLO c.example", out);
  CHECK(out.find("250-ETRN\r\n") != std::string::npos);
  CHECK(say("ETRN one.example").substr(0, 4) == "458 ");  // nobody to ask

  SendAnswer answer;
  std::string asked;
  session.flush_by([&](const std::string& domain, const std::string& client) {
    asked = domain + " " + client;
    if (answer.outcome == RequestOutcome::refused) throw TempError("gone");
    return answer;
  });
  struct Row {
    SendAnswer answer;
    const char* reply;
  };
  const Row rows[] = {
      {{RequestOutcome::done, 0, ""}, "251 2.0.0 ok, no messages waiting for that node"},
      {{RequestOutcome::done, 3, ""}, "253 2.0.0 ok, pending messages for that node started: 3"},
      {{RequestOutcome::begun, 0, ""}, "250 2.0.0 ok, looking for messages for that node"},
      {{RequestOutcome::begun, 9, ""}, "252 2.0.0 ok, pending messages for that node started"},
      {{RequestOutcome::failed, 0, "x"},
       "458 4.3.0 unable to queue messages for that node now, please try again later (#4.3.0)"},
      {{RequestOutcome::refused, 0, ""},
       "458 4.3.0 unable to queue messages for that node now, please try again later (#4.3.0)"},
  };
  for (const Row& row : rows) {
    answer = row.answer;
    CHECK(say("etrn @One.Example") == row.reply);
    CHECK(asked == ".one.example 192.0.2.1");
  }
  asked.clear();
  CHECK(say("ETRN two.example").substr(0, 10) == "459 4.7.1 ");
  CHECK(say("ETRN").substr(0, 4) == "501 ");
  CHECK(say("ETRN #queue").substr(0, 4) == "501 ");
  CHECK(say("MAIL FROM:<a@b.example>").substr(0, 4) == "250 ");
  CHECK(say("ETRN one.example").substr(0, 4) == "503 ");
  CHECK(say("RSET").substr(0, 4) == "250 ");
  CHECK(asked.empty());
  CHECK(say("ETRN one.example").substr(0, 4) == "458 ");
  CHECK(!journal.empty());
}
