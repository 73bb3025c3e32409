// qmail-remote and DANE: what TLSA records that DNSSEC vouches for demand, and what comes of DNS that does
// not.
#include "tests/catch.h"
#include "tests/certificates.h"
#include "tests/program/remote_tls_stage.h"
#include "tests/tlsa_of.h"

using namespace hato;
using namespace hato::test;
using Trick = DnsServer::Trick;

namespace {

const std::string connected = "ZConnected to 127.0.0.1 but ";
const std::string enforced = "DANE: the TLSA records of mx.test are enforced.\n";

const std::string good_chain = std::string(certificates::good) + certificates::middle;

SmtpScript good_script() {
  return tls_script({good_chain, certificates::good_key});
}

// Mail for a.test goes to mx.test, everything signed.
struct DaneRemote : Remote {
  std::uint16_t port = 0;

  DaneRemote() {
    home.write("control/dane", "1\n");
    home.write("control/tlsca", certificates::root);
    dns.validates();
    dns.mx("a.test", 1, "mx.test");
    dns.a("mx.test", "127.0.0.1");
  }
  void serve(const SmtpServer& server) {
    by_mx(server.port());
    port = server.port();
  }
  std::string tlsa_at(const std::string& host) const { return "_" + std::to_string(port) + "._tcp." + host; }
  // Before the first look-up.
  void tlsa(const std::string& host, const std::string& data) {
    dns.record(tlsa_at(host), dns_type::tlsa, data);
  }
  std::string sent() const { return send_to("a.test").back(); }
};

}  // namespace

TEST_CASE("remote DANE: the records decide", "[remote][dane]") {
  struct Row {
    const char* what;
    SmtpScript script;
    std::vector<std::string> records;
    std::string report;
  };
  const auto self = tls_script({certificates::self, certificates::self_key});
  const auto expired =
      tls_script({std::string(certificates::expired) + certificates::middle, certificates::expired_key});
  const auto other =
      tls_script({std::string(certificates::other) + certificates::middle, certificates::other_key});
  SmtpScript refusing = good_script();
  refusing.tls = {};
  refusing.replies["STARTTLS"] = "454 4.7.0 not now";
  SmtpScript alert = good_script();
  alert.tls.fault = TlsFault::alert;
  const std::string no_fit = "not verified: no TLSA record of mx.test fits it";
  const std::string wrong = connected + "its certificate will not do: ";
  const std::string none_usable =
      "DANE: the TLSA records of mx.test demand TLS; to tell who it is none can be used.\n";
  const Row rows[] = {
      {"its key",
       good_script(),
       {tlsa_of(3, 1, 1, certificates::good)},
       accepted + encrypted + "verified by a TLSA record (3 1 1) for mx.test.\n" + enforced},
      {"no authority is asked",
       self,
       {tlsa_of(3, 0, 2, certificates::self)},
       accepted + encrypted + "verified by a TLSA record (3 0 2) for mx.test.\n" + enforced},
      {"nor the date",
       expired,
       {tlsa_of(3, 1, 1, certificates::expired)},
       accepted + encrypted + "verified by a TLSA record (3 1 1) for mx.test.\n" + enforced},
      {"the old one and the new one",
       good_script(),
       {tlsa_of(3, 1, 1, certificates::other), tlsa_of(3, 1, 1, certificates::good)},
       accepted + encrypted + "verified by a TLSA record (3 1 1) for mx.test.\n" + enforced},
      {"an authority",
       good_script(),
       {tlsa_of(2, 0, 1, certificates::middle)},
       accepted + encrypted + "verified by a TLSA record (2 0 1) for mx.test.\n" + enforced},
      {"an authority, and the date counts",
       expired,
       {tlsa_of(2, 0, 1, certificates::middle)},
       wrong + "not verified: it has expired or is not valid yet. (#4.7.5)\n" + encrypted +
           "not verified: it has expired or is not valid yet.\n" + enforced},
      {"an authority, and the name counts",
       other,
       {tlsa_of(2, 0, 1, certificates::middle)},
       wrong + "not verified: it is for other.test, not for mx.test or a.test. (#4.7.5)\n" + encrypted +
           "not verified: it is for other.test, not for mx.test or a.test.\n" + enforced},
      {"another key, though an authority has signed",
       good_script(),
       {tlsa_of(3, 1, 1, certificates::other)},
       wrong + no_fit + ". (#4.7.5)\n" + encrypted + no_fit + ".\n" + enforced},
      {"no STARTTLS",
       SmtpScript(),
       {tlsa_of(3, 1, 1, certificates::good)},
       connected + "it offers no TLS, without which this mail must not go. (#4.7.4)\n" + enforced},
      {"STARTTLS refused",
       refusing,
       {tlsa_of(3, 1, 1, certificates::good)},
       connected +
           "STARTTLS was refused, and without TLS this mail must not go. (#4.7.4)\nRemote host said: "
           "454 4.7.0 not now\n" +
           enforced},
      {"a handshake that fails",
       alert,
       {tlsa_of(3, 1, 1, certificates::good)},
       connected + "TLS: the handshake failed: it sent the alert handshake_failure. (#4.7.5)\n" + enforced},
      // RFC 7672 sections 2.2 and 3.1.3
      {"only records of the web's kind: TLS with anybody",
       self,
       {tlsa_of(1, 1, 1, certificates::good)},
       accepted + encrypted + "not verified: it is self-signed.\n" + none_usable},
      {"and not without TLS",
       SmtpScript(),
       {tlsa_of(0, 0, 1, certificates::good)},
       connected + "it offers no TLS, without which this mail must not go. (#4.7.4)\n" + none_usable},
      {"beside one that can be used they count for nothing",
       good_script(),
       {tlsa_of(1, 1, 1, certificates::good), tlsa_of(3, 1, 1, certificates::other)},
       wrong + no_fit + ". (#4.7.5)\n" + encrypted + no_fit + ".\n" + enforced},
      {"no records", SmtpScript(), {}, accepted},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    DaneRemote remote;
    SmtpServer server(row.script);
    remote.serve(server);
    for (const std::string& record : row.records) remote.tlsa("mx.test", record);
    CHECK(remote.sent() == row.report);
    for (const SmtpSession& session : server.sessions())
      CHECK(session.messages.empty() == starts(row.report, "Z"));
    CHECK(remote.dns.count("TLSA " + remote.tlsa_at("mx.test")) == 1);
    CHECK(remote.dns.count("SOA .") == 1);
  }
}

TEST_CASE("remote DANE: records that nobody vouches for count for nothing", "[remote][dane]") {
  DaneRemote remote;
  SmtpServer server;  // no TLS at all
  remote.serve(server);
  const std::string asked = "TLSA " + remote.tlsa_at("mx.test");
  remote.tlsa("mx.test", tlsa_of(3, 1, 1, certificates::good));
  SECTION("all is signed") {
    CHECK(starts(remote.sent(), "Z"));
    CHECK(remote.dns.count(asked) == 1);
  }
  SECTION("the MX records are not") {
    remote.dns.unsign("a.test");
    CHECK(remote.sent() == accepted);
    CHECK(remote.dns.count(asked) == 0);
  }
  SECTION("the addresses are not") {
    remote.dns.unsign("mx.test");
    CHECK(remote.sent() == accepted);
    CHECK(remote.dns.count(asked) == 0);
  }
  SECTION("they are not themselves") {
    remote.dns.unsign(remote.tlsa_at("mx.test"));
    CHECK(remote.sent() == accepted);
    CHECK(remote.dns.count(asked) == 1);
  }
  SECTION("the DNS server does not validate") {
    DnsServer plain;
    plain.mx("a.test", 1, "mx.test");
    plain.a("mx.test", "127.0.0.1");
    plain.trick("a.test", Trick::authentic);
    plain.trick("mx.test", Trick::authentic);
    remote.home.write("control/resolver", plain.control_line() + "\n");
    CHECK(remote.sent() ==
          accepted + "DANE: none, the DNS server " + plain.control_line() + " does not validate (DNSSEC).\n");
    CHECK(plain.count(asked) == 0);
  }
  SECTION("nobody asks for them") {
    unlink(remote.home.path("control/dane").c_str());
    CHECK(remote.sent() == accepted);
    CHECK(remote.dns.count(asked) == 0);
    CHECK(remote.dns.count("SOA .") == 0);
  }
  SECTION("the operator has said how the domain is spoken to") {
    remote.home.write("control/tlshosts", "a.test:may\n");
    CHECK(remote.sent() == accepted);
    CHECK(remote.dns.count(asked) == 0);
  }
  SECTION("or the route") {
    remote.route("::" + std::to_string(server.port()) + " none");
    CHECK(remote.sent() == accepted);
  }
}

TEST_CASE("remote DANE: records that cannot be looked up keep the mail", "[remote][dane]") {
  DaneRemote remote;
  SmtpServer server(good_script());
  remote.serve(server);
  const std::string failed =
      "ZThe TLSA records of mx.test could not be looked up, without which this mail must not go there. "
      "(#4.4.3)\n";
  const std::string who = "DNS server " + remote.dns.control_line();
  SECTION("bogus") {
    remote.dns.trick(remote.tlsa_at("mx.test"), Trick::servfail);
    CHECK(remote.sent() == failed + who + " answered SERVFAIL.\n");
  }
  SECTION("no answer") {
    remote.dns.trick(remote.tlsa_at("mx.test"), Trick::silent);
    CHECK(remote.sent() == failed + "no answer from any DNS server.\n");
  }
  SECTION("the server does not say whether it validates") {
    remote.dns.trick(".", Trick::servfail);
    CHECK(remote.sent() == "ZSorry, I couldn't find any host by that name. (#4.1.2)\nthe " + who +
                               " does not say whether it validates: " + who + " answered SERVFAIL.\n");
  }
  CHECK(server.sessions().empty());
}

TEST_CASE("remote DANE: the next exchanger is tried", "[remote][dane]") {
  DaneRemote remote;
  remote.dns.mx("a.test", 0, "first.test");
  remote.dns.a("first.test", "127.0.0.2");
  SmtpServer server(good_script());
  remote.serve(server);
  SmtpServer first("127.0.0.2", server.port(), tls_script({certificates::self, certificates::self_key}));
  remote.tlsa("mx.test", tlsa_of(3, 1, 1, certificates::good));
  const std::string good =
      accepted + encrypted + "verified by a TLSA record (3 1 1) for mx.test.\n" + enforced;
  SECTION("behind one that cannot be looked up") {
    remote.dns.trick(remote.tlsa_at("first.test"), Trick::servfail);
    CHECK(remote.sent() == good);
    CHECK(first.sessions().empty());
  }
  SECTION("behind one that is somebody else") {
    remote.tlsa("first.test", tlsa_of(3, 1, 1, certificates::good));
    CHECK(remote.sent() == good);
    CHECK(first.sessions().at(0).messages.empty());
  }
  SECTION("but one without records gets it, whatever its certificate") {
    CHECK(remote.sent() == "K127.0.0.2 accepted message.\nRemote host said: 250 2.0.0 queued\n" + encrypted +
                               "not verified: it is self-signed.\n");
  }
}

TEST_CASE("remote DANE: aliases (RFC 7672 section 2.2)", "[remote][dane]") {
  DaneRemote remote;
  remote.dns.mx("b.test", 1, "alias.test");
  remote.dns.cname("alias.test", "mx.test");
  remote.dns.cname("c.test", "b.test");
  SmtpServer server(good_script());
  remote.serve(server);
  const auto tls_name = [&] { return server.sessions().at(0).commands.at(2); };
  SECTION("the records of the alias's end go first, and the server is asked for by that name") {
    remote.tlsa("mx.test", tlsa_of(3, 1, 1, certificates::good));
    remote.tlsa("alias.test", tlsa_of(3, 1, 1, certificates::other));
    CHECK(remote.send_to("b.test").back() ==
          accepted + encrypted + "verified by a TLSA record (3 1 1) for mx.test.\n" + enforced);
    CHECK(tls_name() == "(TLS mx.test)");
  }
  SECTION("without any there, those of the alias") {
    remote.tlsa("alias.test", tlsa_of(3, 1, 1, certificates::good));
    CHECK(starts(remote.send_to("b.test").back(),
                 accepted + encrypted + "verified by a TLSA record (3 1 1) for alias.test.\n"));
    CHECK(tls_name() == "(TLS alias.test)");
  }
  SECTION("the end is not signed, the alias is") {
    remote.dns.unsign("mx.test");
    remote.tlsa("mx.test", tlsa_of(3, 1, 1, certificates::other));
    remote.tlsa("alias.test", tlsa_of(3, 1, 1, certificates::good));
    CHECK(starts(remote.send_to("b.test").back(),
                 accepted + encrypted + "verified by a TLSA record (3 1 1) for alias.test.\n"));
  }
  SECTION("neither is signed") {
    remote.dns.unsign("alias.test");
    remote.dns.unsign("mx.test");
    remote.tlsa("alias.test", tlsa_of(3, 1, 1, certificates::other));
    CHECK(remote.send_to("b.test").back() ==
          accepted + encrypted + "not verified: it is for mx.test, *.wild.test, not for alias.test.\n");
  }
  SECTION("records at an alias of their own") {
    remote.dns.cname(remote.tlsa_at("mx.test"), "keys.test");
    remote.dns.record("keys.test", dns_type::tlsa, tlsa_of(3, 1, 1, certificates::good));
    CHECK(starts(remote.sent(), accepted + encrypted + "verified by a TLSA record (3 1 1) for mx.test.\n"));
  }
  SECTION("the domain is an alias: an authority's certificate may be for any of the three names") {
    remote.tlsa("alias.test", tlsa_of(2, 0, 1, certificates::middle));
    const Reports reports = remote.send_to("c.test");
    CHECK(starts(reports.back(),
                 connected + "its certificate will not do: not verified: it is for mx.test, *.wild.test, not "
                             "for alias.test or b.test or c.test."));
  }
}

TEST_CASE("remote DANE: without MX records, and relays", "[remote][dane]") {
  DaneRemote remote;
  SmtpServer server(good_script());
  remote.serve(server);
  remote.tlsa("mx.test", tlsa_of(3, 1, 1, certificates::other));
  const std::string no_fit =
      connected + "its certificate will not do: not verified: no TLSA record of mx.test fits";
  CHECK(starts(remote.send_to("mx.test").back(), no_fit));
  // The operator has named this relay: its name needs nobody to vouch for it.
  remote.route(":mx.test:" + std::to_string(server.port()));
  CHECK(starts(remote.send_to("elsewhere.test").back(), no_fit));
  remote.route(":mx.test:" + std::to_string(server.port()) + " starttls");
  CHECK(starts(remote.send_to("elsewhere.test").back(), "K"));
  remote.route(":127.0.0.1:" + std::to_string(server.port()));
  CHECK(starts(remote.send_to("elsewhere.test").back(), "K"));
  remote.by_mx(server.port());
  CHECK(starts(remote.send("[127.0.0.1]", "a@client.test", {"b@a.test"}).back(), "K"));
}
