// qmail-remote and TLS: opportunistic, demanded, verified; handshakes that fail in every way; logins.
#include <fcntl.h>

#include "tests/catch.h"
#include "tests/certificates.h"
#include "tests/program/process.h"
#include "tests/program/remote_tls_stage.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

const std::string wrong_names = "not verified: it is for mx.test, *.wild.test, not for ";

TlsIdentity identity(const char* certificate, const char* key, TlsFault fault = TlsFault::none) {
  return {std::string(certificate) + certificates::middle, key, fault};
}
const TlsIdentity good = identity(certificates::good, certificates::good_key);

struct TlsRemote : Remote {
  TlsRemote() {
    home.write("control/tlsca", certificates::root);
    dns.a("mx.test", "127.0.0.1");
    dns.mx("a.test", 1, "mx.test");
  }
  void relay_by_name(const SmtpServer& server, const std::string& words) const {
    route(":mx.test:" + std::to_string(server.port()) + " " + words);
  }
  void login(const std::string& lines, mode_t mode = 0400) const {
    home.write("control/smtpauth", lines, 0600);
    const auto user = passwd_user(conf::user_qmailr);
    REQUIRE(chown(home.path("control/smtpauth").c_str(), user->uid, user->gid) == 0);
    REQUIRE(chmod(home.path("control/smtpauth").c_str(), mode) == 0);
  }
};

}  // namespace

TEST_CASE("remote TLS: encrypts to anyone, and says to whom", "[remote][tls]") {
  struct Row {
    const char* what;
    TlsIdentity who;
    const char* host;
    std::string verdict;
  };
  const Row rows[] = {
      {"good", good, "a.test", encrypted + "verified for mx.test.\n"},
      {"self-signed",
       {certificates::self, certificates::self_key},
       "a.test",
       encrypted + "not verified: it is self-signed.\n"},
      {"expired", identity(certificates::expired, certificates::expired_key), "a.test",
       encrypted + "not verified: it has expired or is not valid yet.\n"},
      {"for another", identity(certificates::other, certificates::other_key), "a.test",
       encrypted + "not verified: it is for other.test, not for mx.test.\n"},
      {"without the one in the middle",
       {certificates::good, certificates::good_key},
       "a.test",
       encrypted + "not verified: no authority that I know issued it.\n"},
      {"RSA",
       {certificates::rsa, certificates::rsa_key},
       "a.test",
       "TLS: TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256, certificate verified for mx.test.\n"},
      {"an address", good, "[127.0.0.1]", encrypted + "verified for 127.0.0.1.\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    TlsRemote remote;
    SmtpServer server(tls_script(row.who));
    remote.by_mx(server.port());
    const std::string host = row.host;
    const Reports reports = remote.send(host, "from@client.test", {"to@a.test"}, "caf\xc3\xa9\n");
    CHECK(reports == Reports{"r", accepted + row.verdict});
    const auto sessions = server.sessions();
    REQUIRE(sessions.size() == 1);
    // Everything is asked for again inside, and nothing that was offered outside counts there.
    CHECK(sessions[0].commands == Reports{"EHLO client.test", "STARTTLS",
                                          host == "a.test" ? "(TLS mx.test)" : "(TLS )", "EHLO client.test",
                                          "MAIL FROM:<from@client.test> BODY=8BITMIME", "RCPT TO:<to@a.test>",
                                          "DATA", "QUIT"});
    CHECK_FALSE(sessions[0].early_commands);
    CHECK(sessions[0].messages == Reports{"caf\xc3\xa9\r\n"});
  }
}

TEST_CASE("remote TLS: a large message, with pipelining, and refusals in TLS", "[remote][tls]") {
  TlsRemote remote;
  remote.home.write("control/timeoutremote", "60\n");  // the other side takes the time that it takes
  SmtpScript script = tls_script(good);
  script.ehlo_in_tls = "250-test\n250-PIPELINING\n250 SIZE 50000000";
  SmtpServer server(script);
  remote.by_mx(server.port());
  std::string message, wire;
  for (int i = 0; i < 30000; ++i) message += "." + std::to_string(i) + " some text in a line\n";
  for (const char c : message) wire += c == '\n' ? "\r\n"s : c == '.' ? ".."s : std::string(1, c);
  const Reports reports = remote.send("a.test", "from@client.test", {"to@a.test"}, message);
  CHECK(reports.back()[0] == 'K');
  CHECK(server.sessions().at(0).messages == Reports{wire});
  CHECK(server.sessions().at(0).commands.back() == "QUIT");

  script.replies["RCPT"] = "550-5.7.1 no\n550 5.7.1 never";
  SmtpServer refusing(script);
  remote.by_mx(refusing.port());
  CHECK(remote.send_to("a.test") ==
        Reports{"h127.0.0.1 does not like recipient.\nRemote host said: 550-5.7.1 no\n550 5.7.1 never\n",
                "DGiving up on 127.0.0.1.\n" + encrypted + "verified for mx.test.\n"});
}

TEST_CASE("remote TLS: a handshake that fails", "[remote][tls]") {
  struct Row {
    TlsFault fault;
    const char* why;
  };
  const Row rows[] = {
      {TlsFault::hang_up, "the handshake failed: it closed the connection during the handshake"},
      {TlsFault::alert, "the handshake failed: it sent the alert handshake_failure"},
      {TlsFault::garbage, "the handshake failed: what it says is not TLS, or of no version that I know"},
      {TlsFault::silent, "the handshake failed: timed out"},
      {TlsFault::cut, "the handshake failed: it closed the connection during the handshake"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    TlsRemote remote;
    SmtpServer server(tls_script(identity(certificates::good, certificates::good_key, row.fault)));
    // Clear text will do: on a new connection.
    remote.by_mx(server.port());
    CHECK(remote.send_to("a.test") == Reports{"r", accepted + "TLS: none, " + row.why + ".\n"});
    auto sessions = server.sessions();
    REQUIRE(sessions.size() == 2);
    CHECK(sessions[0].commands == Reports{"EHLO client.test", "STARTTLS", "(TLS failed)"});
    CHECK(sessions[1].commands ==
          Reports{"EHLO client.test", "MAIL FROM:<from@client.test>", "RCPT TO:<to@a.test>", "DATA", "QUIT"});
    // It will not.
    remote.home.write("control/tlshosts", "a.test:starttls\n");
    const std::string failed = "ZConnected to 127.0.0.1 but TLS: "s + row.why + ". (#4.7.5)\n";
    CHECK(remote.send_to("a.test") == Reports{failed});
    // TLS from the first byte.
    SmtpScript script = tls_script(identity(certificates::good, certificates::good_key, row.fault));
    script.tls_on_connect = true;
    SmtpServer other(script);
    remote.relay_by_name(other, "tls");
    CHECK(remote.send_to("a.test") == Reports{failed});
    CHECK(other.sessions().size() == 1);
  }
}

TEST_CASE("remote TLS: STARTTLS refused, not offered, or with something behind it", "[remote][tls]") {
  TlsRemote remote;
  SmtpScript script = tls_script(good);
  script.tls.chain.clear();
  script.replies["STARTTLS"] = "454 4.7.0 not now";
  SmtpServer refusing(script);
  remote.by_mx(refusing.port());
  CHECK(remote.send_to("a.test") ==
        Reports{"r", accepted + "TLS: none, STARTTLS was refused: 454 4.7.0 not now\n"});
  CHECK(refusing.sessions().size() == 1);
  remote.home.write("control/tlshosts", "a.test:starttls\n");
  CHECK(remote.send_to("a.test") ==
        Reports{"ZConnected to 127.0.0.1 but STARTTLS was refused, and without TLS this mail must not go. "
                "(#4.7.4)\nRemote host said: 454 4.7.0 not now\n"});
  SmtpServer plain;
  remote.by_mx(plain.port());
  CHECK(remote.send_to("a.test") ==
        Reports{
            "ZConnected to 127.0.0.1 but it offers no TLS, without which this mail must not go. (#4.7.4)\n"});
  CHECK(plain.sessions().at(0).commands == Reports{"EHLO client.test", "QUIT"});
  remote.home.write("control/tlshosts", ".test:starttls\na.test:none\n");
  CHECK(remote.send_to("a.test") == Reports{"r", accepted});
  SmtpServer offering(tls_script(good));
  remote.by_mx(offering.port());
  CHECK(remote.send_to("a.test") == Reports{"r", accepted});
  CHECK(offering.sessions().at(0).commands.at(1) != "STARTTLS");

  // CVE-2011-0411 and its kind: an answer put in front of TLS must not become one inside.
  script = tls_script(good);
  script.behind_starttls = "250 2.0.0 injected\r\n";
  SmtpServer injected(script);
  remote.by_mx(injected.port());
  remote.home.write("control/tlshosts", "a.test:starttls\n");
  const Reports reports = remote.send_to("a.test");
  REQUIRE(reports.size() == 1);
  CHECK(starts(reports[0], "ZConnected to 127.0.0.1 but TLS: the handshake failed: "));
  CHECK(injected.sessions().at(0).messages.empty());
}

TEST_CASE("remote TLS: verified or no mail", "[remote][tls]") {
  struct Row {
    const char* what;
    TlsIdentity who;
    const char* line;
    std::string why;  // empty: sent
  };
  const TlsIdentity self{certificates::self, certificates::self_key};
  const TlsIdentity expired = identity(certificates::expired, certificates::expired_key);
  const TlsIdentity other = identity(certificates::other, certificates::other_key);
  const Row rows[] = {
      // The MX record says mx.test, but who says that the MX record is right?
      {"the domain's name is asked for", good, "a.test:verify", wrong_names + "a.test"},
      {"a name of the operator's", good, "a.test:verify=mx.test", ""},
      {"one of two", good, "a.test:verify=x.test,mx.test", ""},
      {"by a wildcard", good, "a.test:verify=b.wild.test", ""},
      {"everything below", good, "a.test:verify=.test", ""},
      {"everything below something else", good, "a.test:verify=.example",
       wrong_names + "a host that was asked for"},
      {"self-signed", self, "a.test:verify=mx.test", "not verified: it is self-signed"},
      {"expired", expired, "a.test:verify=mx.test", "not verified: it has expired or is not valid yet"},
      {"another's", other, ":verify=mx.test", "not verified: it is for other.test, not for mx.test"},
      {"encrypted is enough", self, "a.test:starttls", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    TlsRemote remote;
    SmtpServer server(tls_script(row.who));
    remote.by_mx(server.port());
    remote.home.write("control/tlshosts", std::string(row.line) + "\n");
    const Reports reports = remote.send_to("a.test");
    if (row.why.empty()) {
      REQUIRE(reports.size() == 2);
      CHECK(starts(reports[1], accepted + encrypted));
    } else {
      CHECK(reports == Reports{"ZConnected to 127.0.0.1 but its certificate will not do: " + row.why +
                               ". (#4.7.5)\n" + encrypted + row.why + ".\n"});
      CHECK(server.sessions().at(0).messages.empty());
      CHECK(server.sessions().at(0).commands.at(2) == "(TLS mx.test)");
      CHECK(server.sessions().at(0).commands.back() == "QUIT");  // and nothing but it inside
    }
  }
}

TEST_CASE("remote TLS: routes", "[remote][tls]") {
  TlsRemote remote;
  SmtpServer server(tls_script(good));
  remote.relay_by_name(server, "verify");
  CHECK(remote.send_to("a.test") == Reports{"r", accepted + encrypted + "verified for mx.test.\n"});
  remote.relay_by_name(server, "none");
  remote.home.write("control/tlshosts", ":verify\n");  // the route's words count
  CHECK(remote.send_to("a.test") == Reports{"r", accepted});
  SmtpScript script = tls_script(good);
  script.tls_on_connect = true;
  script.ehlo = "250-test\n250 STARTTLS";  // which makes no sense in there
  script.ehlo_in_tls = "250 test";
  SmtpServer on_connect(script);
  remote.relay_by_name(on_connect, "tls");
  CHECK(remote.send_to("a.test") == Reports{"r", accepted + encrypted + "verified for mx.test.\n"});
  CHECK(on_connect.sessions().at(0).commands.at(0) == "(TLS mx.test)");
  CHECK(on_connect.sessions().at(0).commands.at(1) == "EHLO client.test");
  remote.home.write("control/tlshosts", "a.test:starttls\n");
  SmtpServer qmtp;
  remote.route(":127.0.0.1:" + std::to_string(qmtp.port()) + " qmtp");
  CHECK(remote.send_to("a.test") ==
        Reports{
            "ZConnected to 127.0.0.1 but QMTP has no TLS, without which this mail must not go. (#4.7.4)\n"});
  for (const char* line : {"a.test:tls", "a.test:auth=x", "a.test:veryfy"}) {
    CAPTURE(line);
    remote.route(":127.0.0.1:1");
    remote.home.write("control/tlshosts", std::string(line) + "\n");
    CHECK(starts(remote.send_to("a.test").at(0),
                 "ZUnable to read control files. (#4.3.0)\ncontrol/tlshosts, "));
  }
  // Without authorities nothing can be verified, and that is said.
  remote.home.write("control/tlshosts", "");
  remote.home.write("control/tlsca", "");
  remote.relay_by_name(server, "may");
  CHECK(remote.send_to("a.test").at(1) ==
        accepted + encrypted + "not verified: no authority that I know issued it.\n");
}

TEST_CASE("remote AUTH: mechanisms, and which login", "[remote][tls][smtpauth]") {
  TlsRemote remote;
  remote.login("isp:user:secret word\nisp@shop.test:shop:s3cret\n@a.test:own:pw\n@:rest:pw2\n");
  struct Row {
    const char *words, *offered, *sender;
    Reports commands;  // between the second EHLO and MAIL
  };
  const Row rows[] = {
      {"auth=isp verify",
       "LOGIN PLAIN CRAM-MD5",
       "from@client.test",
       {"AUTH PLAIN AHVzZXIAc2VjcmV0IHdvcmQ="}},
      {"auth=isp verify", "LOGIN PLAIN", "from@Shop.Test", {"AUTH PLAIN AHNob3AAczNjcmV0"}},
      {"auth=isp", "LOGIN", "", {"AUTH LOGIN", "dXNlcg==", "c2VjcmV0IHdvcmQ="}},
      {"auth verify", "PLAIN", "x@a.test", {"AUTH PLAIN AG93bgBwdw=="}},
      {"auth verify", "PLAIN", "", {"AUTH PLAIN AHJlc3QAcHcy"}},
      // Not verified: the way that does not show the password goes first.
      {"auth=isp",
       "PLAIN CRAM-MD5",
       "",
       {"AUTH CRAM-MD5", "dXNlciBmYzE2NTE0MzEzMTY0M2Y1OWYzMDA2ZGNiNTIzNTk5MQ=="}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.words, row.offered);
    SmtpScript script = tls_script(good);
    script.ehlo_in_tls = "250-test\n250 AUTH "s + row.offered;
    script.replies = {{"AUTH PLAIN", "235 2.7.0 ok"},
                      {"AUTH LOGIN", "334 VXNlcm5hbWU6"},
                      {"dXNlcg==", "334 UGFzc3dvcmQ6"},
                      {"c2Vj", "235 ok"},
                      {"AUTH CRAM-MD5", "334 PDEyMzQ1QHRlc3Q+"},
                      {"dXNlciB", "235 ok"}};
    SmtpServer server(script);
    remote.relay_by_name(server, row.words);
    const Reports reports = remote.send("b.test", row.sender, {"to@b.test"});
    REQUIRE(reports.size() == 2);
    CHECK(starts(reports[1], accepted));
    const Reports commands = server.sessions().at(0).commands;
    REQUIRE(commands.size() == 4 + row.commands.size() + 4);
    CHECK(Reports(commands.begin() + 4, commands.end() - 4) == row.commands);
  }
}

TEST_CASE("remote AUTH: what does not work is temporary, and the password is nowhere",
          "[remote][tls][smtpauth]") {
  TlsRemote remote;
  remote.login("isp:user:secret word\n");
  SmtpScript script = tls_script(good);
  const std::string plain = "AHVzZXIAc2VjcmV0IHdvcmQ=";
  const auto send_with = [&](const std::string& offered, const std::map<std::string, std::string>& replies,
                             const std::string& words = "verify auth=isp") {
    script.ehlo_in_tls = "250-test\n250 " + offered;
    script.replies = replies;
    SmtpServer server(script);
    remote.relay_by_name(server, words);
    const Reports reports = remote.send("b.test", "", {"to@b.test"});
    CHECK(server.sessions().at(0).messages.empty());
    for (const std::string& report : reports) {
      CHECK_FALSE(has(report, "secret"));
      CHECK_FALSE(has(report, plain));
    }
    REQUIRE(reports.size() == 1);
    return reports[0];
  };
  const std::string connected = "ZConnected to 127.0.0.1 but ";
  CHECK(
      starts(send_with("AUTH PLAIN", {{"AUTH", "535 5.7.8 wrong"}}),
             connected + "it refused my login as user. (#4.7.8)\nRemote host said: 535 5.7.8 wrong\nTLS: "));
  CHECK(starts(send_with("AUTH PLAIN", {{"AUTH", "454 4.7.0 later"}}),
               connected + "it refused my login as user. (#4.7.8)\nRemote host said: 454 4.7.0 later\n"));
  CHECK(
      starts(send_with("AUTH PLAIN", {{"AUTH", "535 you said " + plain}}),
             connected + "it refused my login as user. (#4.7.8)\nRemote host said: 535 (its answer repeats"));
  CHECK(starts(send_with("AUTH PLAIN", {{"AUTH", "334 and what else?"}, {"*", "501 given up"}}),
               connected + "it refused my login as user. (#4.7.8)\nRemote host said: 501 given up\n"));
  CHECK(starts(send_with("AUTH XOAUTH2 GSSAPI", {}),
               connected + "it offers no way to log in that I know. (#4.7.4)\nIt offers: XOAUTH2 GSSAPI.\n"));
  CHECK(starts(send_with("SIZE", {}), connected + "it offers no way to log in that I know. (#4.7.4)\n"));
  CHECK(starts(send_with("AUTH CRAM-MD5", {{"AUTH", "334 ???"}, {"*", "501 given up"}}),
               connected + "it refused my login as user. (#4.7.8)\nRemote host said: 501 given up\n"));

  // Before TLS, and without it, nothing is shown.
  SmtpScript clear;
  clear.ehlo = "250-test\n250-PIPELINING\n250 AUTH PLAIN";
  clear.replies = {{"AUTH", "235 ok"}};
  SmtpServer server(clear);
  remote.relay_by_name(server, "auth=isp");
  CHECK(remote.send_to("b.test") ==
        Reports{connected + "it offers no TLS, without which this mail must not go. (#4.7.4)\n"});
  CHECK(server.sessions().at(0).commands == Reports{"EHLO client.test", "QUIT"});
  remote.relay_by_name(server, "auth=isp auth-in-clear");  // told otherwise
  CHECK(remote.send_to("b.test").back()[0] == 'K');
  CHECK(server.sessions().at(1).commands.at(1) == "AUTH PLAIN " + plain);

  const std::string unable = "ZUnable to read control files. (#4.3.0)\n";
  const auto sent = [&] { return remote.send_to("b.test").at(0); };
  remote.relay_by_name(server, "auth=nobody");
  CHECK(sent() == unable + "control/smtpauth has no login \"nobody\" for the sender <from@client.test>.\n");
  remote.relay_by_name(server, "auth=isp");
  remote.login("isp:user:secret word\n", 0440);
  CHECK(has(sent(), "must be a file that nobody but qmailr may read"));
  unlink(remote.home.path("control/smtpauth").c_str());
  CHECK(starts(sent(), unable + "open "));
  remote.route(": auth=isp");  // to every mail exchanger of the world?
  CHECK(has(sent(), "\"auth\" needs a relay"));
}
