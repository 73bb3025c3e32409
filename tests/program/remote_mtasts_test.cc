// qmail-remote and MTA-STS: the policies of domains, from a qmail-mtastsd that runs, and without one.
#include "tests/catch.h"
#include "tests/program/mtasts_stage.h"
#include "tests/program/remote_tls_stage.h"
#include "tests/tlsa_of.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

const std::string enforced = "MTA-STS: the policy of wild.test is enforced.\n";
const std::string tested =
    "MTA-STS: the policy of wild.test is only tested; enforced, this mail would not have gone: ";

// Mail for wild.test goes to mx.wild.test, for whom the certificate `good` is, too.
struct StsRemote : Remote {
  std::unique_ptr<HttpsServer> web;
  std::unique_ptr<Mtastsd> daemon;

  StsRemote() {
    home.write("control/mtasts", "1\n");
    home.write("control/tlsca", certificates::root);
    dns.mx(sts_domain, 1, "mx.wild.test");
    dns.a("mx.wild.test", "127.0.0.1");
  }
  // By a web server that is there.
  void publish(const std::string& policy) {
    web = std::make_unique<HttpsServer>();
    web->answer(http_ok(policy));
    dns.txt("_mta-sts." + sts_domain, {"v=STSv1; id=1;"});
    dns.a("mta-sts." + sts_domain, web->address());
    daemon = std::make_unique<Mtastsd>(home);
  }
  // As if it had been fetched lately.
  void know(const std::string& policy) {
    daemon = std::make_unique<Mtastsd>(home);
    daemon->put_in_cache("1", 10, policy);
  }
};

const std::string good_chain = std::string(certificates::good) + certificates::middle;
const std::string other_chain = std::string(certificates::other) + certificates::middle;

}  // namespace

TEST_CASE("remote MTA-STS: a policy that is published counts for the first message already",
          "[remote][mtasts]") {
  StsRemote remote;
  remote.publish(sts_policy_text("enforce", "mx.wild.test"));
  SmtpServer server(tls_script({good_chain, certificates::good_key}));
  remote.by_mx(server.port());
  CHECK(remote.send_to("Wild.Test") ==
        Reports{"r", accepted + encrypted +
                         "verified for mx.wild.test.\nMTA-STS: the policy of Wild.Test is enforced.\n"});
  CHECK(remote.web->requests().size() == 1);
}

TEST_CASE("remote MTA-STS: enforced, mail goes to no server that the policy does not allow",
          "[remote][mtasts]") {
  struct Row {
    const char* mx;
    SmtpScript script;
    std::string report;
  };
  const Row rows[] = {
      {"*.wild.test", tls_script({good_chain, certificates::good_key}),
       accepted + encrypted + "verified for mx.wild.test.\n" + enforced},
      {"mx.wild.test", tls_script({other_chain, certificates::other_key}),
       "ZConnected to 127.0.0.1 but its certificate will not do: not verified: it is for other.test, not for "
       "mx.wild.test. (#4.7.5)\n" +
           encrypted + "not verified: it is for other.test, not for mx.wild.test.\n" + enforced},
      {"mx.wild.test", tls_script({certificates::self, certificates::self_key}),
       "ZConnected to 127.0.0.1 but its certificate will not do: not verified: it is self-signed. "
       "(#4.7.5)\n" +
           encrypted + "not verified: it is self-signed.\n" + enforced},
      {"mx.wild.test", SmtpScript(),
       "ZConnected to 127.0.0.1 but it offers no TLS, without which this mail must not go. (#4.7.4)\n" +
           enforced},
      {"mail.wild.test", tls_script({good_chain, certificates::good_key}),
       "ZThe MTA-STS policy of wild.test does not know the mail exchanger mx.wild.test, so this mail must "
       "not go "
       "to it. (#4.7.5)\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.report);
    StsRemote remote;
    remote.know(sts_policy_text("enforce", row.mx));
    SmtpServer server(row.script);
    remote.by_mx(server.port());
    const Reports reports = remote.send_to(sts_domain);
    REQUIRE_FALSE(reports.empty());
    CHECK(reports.back() == row.report);
    for (const SmtpSession& session : server.sessions())
      CHECK(session.messages.empty() == starts(row.report, "Z"));
  }
}

TEST_CASE("remote MTA-STS: the exchanger that the policy names is found behind one that it does not",
          "[remote][mtasts]") {
  StsRemote remote;
  remote.dns.mx(sts_domain, 0, "evil.test");
  remote.dns.a("evil.test", "127.0.0.2");
  remote.know(sts_policy_text("enforce", "mx.wild.test"));
  SmtpServer server(tls_script({good_chain, certificates::good_key}));
  SmtpServer evil("127.0.0.2", server.port(), tls_script({good_chain, certificates::good_key}));
  remote.by_mx(server.port());
  CHECK(remote.send_to(sts_domain).back() ==
        accepted + encrypted + "verified for mx.wild.test.\n" + enforced);
  CHECK(evil.sessions().empty());
}

TEST_CASE("remote MTA-STS: tested, mail goes, and the report says what would have been", "[remote][mtasts]") {
  struct Row {
    const char* mode;
    const char* mx;
    SmtpScript script;
    std::string report;
  };
  const Row rows[] = {
      {"testing", "mx.wild.test", tls_script({good_chain, certificates::good_key}),
       accepted + encrypted + "verified for mx.wild.test.\n"},
      {"testing", "mail.wild.test", tls_script({good_chain, certificates::good_key}),
       accepted + encrypted + "verified for mx.wild.test.\n" + tested +
           "mx.wild.test is none of its mail exchangers.\n"},
      {"testing", "mx.wild.test", SmtpScript(), accepted + tested + "there is no TLS.\n"},
      {"testing", "mx.wild.test", tls_script({certificates::self, certificates::self_key}),
       accepted + encrypted + "not verified: it is self-signed.\n" + tested +
           "the certificate is not verified: it is self-signed.\n"},
      {"none", "mail.wild.test", SmtpScript(), accepted},
  };
  for (const Row& row : rows) {
    CAPTURE(row.report);
    StsRemote remote;
    remote.know(sts_policy_text(row.mode, row.mx));
    SmtpServer server(row.script);
    remote.by_mx(server.port());
    CHECK(remote.send_to(sts_domain).back() == row.report);
  }
}

TEST_CASE("remote MTA-STS: who is not asked", "[remote][mtasts]") {
  StsRemote remote;
  SmtpServer server;  // no TLS at all
  remote.by_mx(server.port());
  CHECK(remote.send_to(sts_domain).back() == accepted);  // there is no qmail-mtastsd
  remote.know(sts_policy_text("enforce", "mx.wild.test"));
  CHECK(starts(remote.send_to(sts_domain).back(), "Z"));
  SECTION("control/mtasts is not there") {
    unlink(remote.home.path("control/mtasts").c_str());
    CHECK(remote.send_to(sts_domain).back() == accepted);
  }
  SECTION("control/tlshosts has a line for the domain") {
    remote.home.write("control/tlshosts", "wild.test:may\n");
    CHECK(remote.send_to(sts_domain).back() == accepted);
  }
  SECTION("the domain has a relay") {
    remote.relay(server);
    CHECK(remote.send_to(sts_domain).back() == accepted);
  }
}

TEST_CASE("remote MTA-STS: TLSA records go before it (RFC 8461 section 2)", "[remote][mtasts][dane]") {
  StsRemote remote;
  remote.home.write("control/dane", "1\n");
  remote.dns.validates();
  SmtpServer server(tls_script({good_chain, certificates::good_key}));
  remote.by_mx(server.port());
  const std::string at = "_" + std::to_string(server.port()) + "._tcp.mx.wild.test";
  SECTION("a host that they fit is good though the policy does not know it") {
    remote.know(sts_policy_text("enforce", "mail.wild.test"));
    remote.dns.record(at, dns_type::tlsa, tlsa_of(3, 1, 1, certificates::good));
    CHECK(remote.send_to(sts_domain).back() ==
          accepted + encrypted +
              "verified by a TLSA record (3 1 1) for mx.wild.test.\nDANE: the TLSA records of "
              "mx.wild.test are enforced.\n");
  }
  SECTION("one that they do not fit is bad though the policy would have it") {
    remote.know(sts_policy_text("enforce", "mx.wild.test"));
    remote.dns.record(at, dns_type::tlsa, tlsa_of(3, 1, 1, certificates::other));
    CHECK(starts(remote.send_to(sts_domain).back(),
                 "ZConnected to 127.0.0.1 but its certificate will not do: "
                 "not verified: no TLSA record of mx.wild.test fits it"));
  }
  SECTION("where they say nothing of who it is, the policy does") {
    remote.know(sts_policy_text("enforce", "mail.wild.test"));
    remote.dns.record(at, dns_type::tlsa, tlsa_of(1, 1, 1, certificates::good));
    CHECK(starts(remote.send_to(sts_domain).back(), "ZThe MTA-STS policy of wild.test does not know"));
  }
  SECTION("where there are none, too") {
    remote.know(sts_policy_text("enforce", "mx.wild.test"));
    CHECK(remote.send_to(sts_domain).back() ==
          accepted + encrypted + "verified for mx.wild.test.\n" + enforced);
  }
}
