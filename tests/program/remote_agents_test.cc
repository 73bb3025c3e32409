// Connections that are kept for further messages: qmail-rspawn and the real qmail-remote, by
// control/reuseremote.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "tests/catch.h"
#include "tests/certificates.h"
#include "tests/program/byte_server.h"
#include "tests/program/dns_server.h"
#include "tests/program/proc.h"
#include "tests/program/process.h"
#include "tests/program/smtp_server.h"
#include "tests/program/spawner.h"

using namespace hato;
using namespace hato::test;

namespace {

// qmail-rspawn and the real qmail-remote, which finds its hosts by control/smtproutes alone.
struct RealRemote {
  PrivateHome home{"qmail-rspawn", "qmail-remote"};
  std::vector<std::string> args{home.path("bin/qmail-rspawn")};

  explicit RealRemote(const std::string& reuse = "100 300 1") {
    home.write("control/me", "client.test\n");
    home.write("control/timeoutremote", "3\n");
    home.write("control/timeoutconnect", "1\n");
    home.write("control/reuseremote", reuse + "\n");
  }
  void route(const std::vector<std::string>& lines) const {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    home.write("control/smtproutes", text);
  }
  // All mail to this server; words: what else the route says.
  void relay(const SmtpServer& server, const std::string& words = "") const {
    route({":" + to(server) + words});
  }
  static std::string to(const SmtpServer& server) { return "127.0.0.1:" + std::to_string(server.port()); }
};

std::vector<std::size_t> messages_of_each(const SmtpServer& server) {
  std::vector<std::size_t> counts;
  for (const SmtpSession& session : server.sessions())
    counts.push_back(static_cast<std::size_t>(
        std::count_if(session.messages.begin(), session.messages.end(),
                      [](const std::string& message) { return !message.ends_with("(broken off)"); })));
  return counts;
}
using Counts = std::vector<std::size_t>;

}  // namespace

TEST_CASE("agents: messages for one next hop share a connection", "[agents]") {
  RealRemote remote;
  SmtpServer server;
  remote.relay(server);
  Spawner spawner(remote.args);
  for (const char* domain : {"a.test", "b.test", "a.test"}) {
    const DeliveryReport report = spawner.deliver_one(std::string("u@") + domain);
    CHECK(report.status == 'K');
    CHECK(report.host == HostSays::answered);
    CHECK(report.text == "127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n");
  }
  CHECK(spawner.deliver_one("u@\xc3\xa9.test", "s@\xc3\xa9.test", true, "SMTPUTF8").status == 'K');
  CHECK(spawner.deliver_one("last@a.test").status == 'K');
  CHECK(spawner.close() == 0);  // idle agents say goodbye with it
  const auto sessions = server.sessions();
  REQUIRE(sessions.size() == 1);
  CHECK(sessions[0].messages.size() == 5);
  const auto mail = [](const std::string& from) { return "MAIL FROM:<" + from + "> SIZE=20"; };
  CHECK(sessions[0].commands ==
        std::vector<std::string>{"EHLO client.test", mail("s@example.org"), "RCPT TO:<u@a.test>", "DATA",
                                 mail("s@example.org"), "RCPT TO:<u@b.test>", "DATA", mail("s@example.org"),
                                 "RCPT TO:<u@a.test>", "DATA", mail("s@xn--9ca.test"),
                                 "RCPT TO:<u@xn--9ca.test>", "DATA", mail("s@example.org"),
                                 "RCPT TO:<last@a.test>", "DATA", "QUIT"});
}

TEST_CASE("agents: messages for one QMTP server share a connection", "[agents][qmtp]") {
  const std::string package = "18:\nSubject: x\n\nbody\n,13:s@example.org,11:8:u@a.test,,";
  const std::string ok = "3:Kok,", no = "4:Dno.,",
                    accepted = "127.0.0.1 accepted message.\nRemote host said: ok\n";
  struct Row {
    const char* what;
    std::vector<BytePlan> plans;
    std::string status, text;           // of each of four messages
    std::vector<std::size_t> packages;  // of each connection
  };
  const Row rows[] = {
      {"all on one", {{.octets = package.size(), .answer = ok, .rounds = 4}}, "KKKK", accepted, {4}},
      {"a refusal is no reason to part",
       {{.octets = package.size(), .answer = no, .rounds = 4}},
       "DDDD",
       "127.0.0.1 does not like recipient.\nRemote host said: no.\nGiving up on 127.0.0.1.\n",
       {4}},
      {"a server that closes after one", {{package.size(), ok}}, "KKKK", accepted, {1, 1, 1, 1}},
      {"two, then one that closes",
       {{.octets = package.size(), .answer = ok, .rounds = 2}, {package.size(), ok}},
       "KKKK",
       accepted,
       {2, 1, 1}},
      {"an answer too many",
       {{.octets = package.size(), .answer = ok + ok, .rounds = 4}},
       "KKKK",
       accepted,
       {1, 1, 1, 1}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    RealRemote remote;
    const ByteServer server(row.plans);
    remote.route({":" + server.name() + " qmtp"});
    Spawner spawner(remote.args);
    for (const char status : row.status) {
      const DeliveryReport report = spawner.deliver_one("u@a.test");
      CHECK(report.status == status);
      CHECK(report.text == row.text);
      CHECK(report.host == HostSays::answered);
    }
    CHECK(spawner.close() == 0);
    std::vector<std::size_t> packages;
    for (const std::string& received : server.received()) {
      packages.push_back(received.size() / package.size());
      for (std::size_t at = 0; at < received.size(); at += package.size())
        CHECK(received.substr(at, package.size()) == package);
    }
    CHECK(packages == row.packages);
  }
}

TEST_CASE("agents: a QMTP server that goes away in the middle of a further package", "[agents][qmtp]") {
  // It reads one package and the beginning of the next, and closes: nobody can have taken that one.
  RealRemote remote;
  const std::string ok = "3:Kok,";
  const std::string large(3000000, 'x');
  const std::size_t small = std::string("18:\nSubject: x\n\nbody\n,13:s@example.org,11:8:u@a.test,,").size();
  const ByteServer server({{.octets = small, .answer = ok, .rounds = 1, .also = 1000},
                           {.octets = 9 + large.size() + 33, .answer = ok}});
  remote.route({":" + server.name() + " qmtp"});
  Spawner spawner(remote.args);
  CHECK(spawner.deliver_one("u@a.test").status == 'K');
  spawner.request({99, "s@example.org", "u@a.test", "0123456789abc", "", "", false}, large);
  CHECK(spawner.report().status == 'K');
  CHECK(server.received().size() == 2);
  CHECK(spawner.close() == 0);
}

TEST_CASE("agents: the last of many says goodbye at once, and so does a single message", "[agents]") {
  RealRemote remote("100 300 10");
  SmtpServer server;
  remote.relay(server);
  Spawner spawner(remote.args);
  CHECK(spawner.deliver_one("u@a.test", "s@example.org", false).status == 'K');
  CHECK(messages_of_each(server) == Counts{1});
  CHECK(server.sessions().at(0).commands.back() == "QUIT");
  // Another one so soon: there may be more.
  CHECK(spawner.deliver_one("u@a.test", "s@example.org", false).status == 'K');
  CHECK(spawner.deliver_one("u@a.test", "s@example.org", false).status == 'K');
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 2});
}

TEST_CASE("agents: what needs another connection gets another", "[agents]") {
  RealRemote remote;
  SmtpServer one, two;
  remote.route({"b.test:" + remote.to(two), ":" + remote.to(one)});
  Spawner spawner(remote.args);
  const auto deliver = [&](const char* recipient, const char* sender) {
    CHECK(spawner.deliver_one(recipient, sender).status == 'K');
  };
  SECTION("another route") {
    for (int i = 0; i < 2; ++i) deliver("u@a.test", "s@x.test"), deliver("u@b.test", "s@x.test");
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(one) == Counts{2});
    CHECK(messages_of_each(two) == Counts{2});
  }
  SECTION("another sender, where the sender's domain decides") {
    const char* const file = GENERATE("control/bindroutes", "control/smtpauth");
    remote.home.write(file, "");
    deliver("u@a.test", "s@x.test");
    deliver("u@c.test", "s@X.test");
    deliver("u@a.test", "s@y.test");
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(one) == Counts{2, 1});
  }
  SECTION("another recipient's domain, where that decides") {
    remote.home.write("control/tlshosts", "");
    deliver("u@a.test", "s@x.test");
    deliver("u@A.test", "s@y.test");
    deliver("u@c.test", "s@x.test");
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(one) == Counts{2, 1});
  }
  SECTION("after any change of the control files") {
    deliver("u@a.test", "s@x.test");
    sleep(1);  // files are looked at once a second
    remote.home.write("control/helohost", "other.test\n");
    sleep(1);
    deliver("u@a.test", "s@x.test");
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(one) == Counts{1, 1});
    CHECK(one.sessions().at(1).commands.at(0) == "EHLO other.test");
  }
}

TEST_CASE("agents: a connection ends after so many messages, and when none comes", "[agents]") {
  SECTION("messages") {
    RealRemote remote("2 300 10");
    SmtpServer server;
    remote.relay(server);
    Spawner spawner(remote.args);
    for (int i = 0; i < 5; ++i) CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{2, 2, 1});
    for (const SmtpSession& session : server.sessions()) CHECK(session.commands.back() == "QUIT");
  }
  SECTION("age") {
    RealRemote remote("100 1 10");
    SmtpServer server;
    remote.relay(server);
    Spawner spawner(remote.args);
    CHECK(spawner.deliver_one("u@a.test").status == 'K');
    usleep(1100000);
    CHECK(spawner.deliver_one("u@a.test").status == 'K');  // the last one of this connection
    CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{2, 1});
  }
  SECTION("none") {
    RealRemote remote("1");
    SmtpServer server;
    remote.relay(server);
    Spawner spawner(remote.args);
    for (int i = 0; i < 2; ++i) CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(messages_of_each(server) == Counts{1, 1});
    CHECK(spawner.close() == 0);
  }
  SECTION("idle") {
    RealRemote remote("100 300 1");
    SmtpServer server;
    remote.relay(server);
    Spawner spawner(remote.args);
    CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(eventually([&] { return server.sessions().at(0).commands.back() == "QUIT"; }));
    CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{1, 1});
  }
}

TEST_CASE("agents: a connection that is gone, or wants no more, costs nothing but a new one", "[agents]") {
  const char* const answer = GENERATE("", "421 4.7.0 too many messages", "452 4.3.0 too many messages",
                                      "550 5.7.1 one message a connection");
  CAPTURE(answer);
  RealRemote remote;
  SmtpScript script;
  script.most_messages = 1;
  script.too_many = answer;
  SmtpServer server(script);
  remote.relay(server);
  Spawner spawner(remote.args);
  for (int i = 0; i < 3; ++i) {
    const DeliveryReport report = spawner.deliver_one("u@a.test");
    CHECK(report.status == 'K');
    CHECK(report.host == HostSays::answered);
  }
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 1, 1});  // and none twice
}

TEST_CASE("agents: what was refused leaves nothing behind for the next", "[agents]") {
  const bool pipelining = GENERATE(true, false);
  RealRemote remote;
  SmtpScript script;
  if (!pipelining) script.ehlo = "250 test";
  script.replies["RCPT TO:<bad"] = "550 5.1.1 no such user";
  script.replies["RCPT TO:<grey"] = "450 4.7.1 greylisted";
  if (pipelining) script.replies["DATA"] = "354 go";
  SmtpServer server(script);
  remote.relay(server);
  Spawner spawner(remote.args);
  const auto deliver = [&](const char* recipient, char status) {
    const DeliveryReport report = spawner.deliver_one(recipient);
    CHECK(report.status == status);
    CHECK(report.host == HostSays::answered);
  };
  deliver("good@a.test", 'K');
  deliver("bad@a.test", 'D');
  deliver("grey@a.test", 'Z');
  deliver("good@a.test", 'K');
  CHECK(spawner.close() == 0);
  std::size_t messages = 0, resets = 0;
  for (const SmtpSession& session : server.sessions()) {
    for (const std::string& message : session.messages) messages += message.size() > 0;
    for (const std::string& command : session.commands) resets += command == "RSET";
  }
  CHECK(messages == 2);
  // With pipelining this server wants a message for nobody, and that connection is not used again.
  CHECK(server.sessions().size() == (pipelining ? 3U : 1U));
  CHECK(resets == (pipelining ? 0U : 2U));
}

TEST_CASE("agents: what is said about the host", "[agents]") {
  RealRemote remote;
  remote.home.write("control/timeoutremote", "1\n");
  struct Row {
    const char* what;
    std::function<void(SmtpScript&)> change;
    char status;
    HostSays host;
  };
  const Row rows[] = {
      {"accepts", [](SmtpScript&) {}, 'K', HostSays::answered},
      {"greets badly", [](SmtpScript& s) { s.greeting = "554 go away"; }, 'Z', HostSays::trouble},
      {"greets with 421", [](SmtpScript& s) { s.greeting = "421 busy"; }, 'Z', HostSays::trouble},
      {"hangs up", [](SmtpScript& s) { s.greeting = ""; }, 'Z', HostSays::trouble},
      {"says nothing", [](SmtpScript& s) { s.silent = true; }, 'Z', HostSays::trouble},
      {"421 to MAIL", [](SmtpScript& s) { s.replies["MAIL"] = "421 closing"; }, 'Z', HostSays::trouble},
      {"421 after the message", [](SmtpScript& s) { s.message = "421 closing"; }, 'Z', HostSays::trouble},
      {"hangs up on the message", [](SmtpScript& s) { s.message = ""; }, 'Z', HostSays::nothing},
      {"451 to MAIL", [](SmtpScript& s) { s.replies["MAIL"] = "451 later"; }, 'Z', HostSays::answered},
      {"greylists", [](SmtpScript& s) { s.replies["RCPT"] = "450 later"; }, 'Z', HostSays::answered},
      {"refuses", [](SmtpScript& s) { s.replies["RCPT"] = "550 no"; }, 'D', HostSays::answered},
      {"451 to DATA", [](SmtpScript& s) { s.replies["DATA"] = "451 later"; }, 'Z', HostSays::answered},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    SmtpScript script;
    row.change(script);
    SmtpServer server(script);
    remote.relay(server);
    Spawner spawner(remote.args);
    const DeliveryReport report = spawner.deliver_one("u@a.test");
    CHECK(report.status == row.status);
    CHECK(report.host == row.host);
  }
  remote.route({":127.0.0.1:1"});
  Spawner spawner(remote.args);
  CHECK(spawner.deliver_one("u@a.test").host == HostSays::trouble);
}

TEST_CASE("agents: a program in qmail-remote's place runs for each message", "[agents]") {
  RealRemote remote;
  SmtpServer server;
  remote.relay(server);
  REQUIRE(rename(remote.home.path("bin/qmail-remote").c_str(),
                 remote.home.path("bin/qmail-remote.real").c_str()) == 0);
  remote.home.script("qmail-remote", "exec " + remote.home.path("bin/qmail-remote.real") + " \"$@\"\n");
  Spawner spawner(remote.args);
  for (int i = 0; i < 3; ++i) CHECK(spawner.deliver_one("u@a.test").status == 'K');
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 1, 1});
}

TEST_CASE("agents: a control/reuseremote that cannot be read is the default, not an end of deliveries",
          "[agents]") {
  RealRemote remote("as many as you like");
  SmtpServer server;
  remote.relay(server);
  Spawner spawner(remote.args);
  for (int i = 0; i < 3; ++i) CHECK(spawner.deliver_one("u@a.test").status == 'K');
  CHECK(spawner.close() == 0);
  std::size_t all = 0;
  for (const std::size_t one : messages_of_each(server)) all += one;
  CHECK(all == 3);
}

TEST_CASE("agents: one that is killed while it waits is replaced", "[agents]") {
  RealRemote remote("100 300 30");
  SmtpServer server;
  remote.relay(server);
  Spawner spawner(remote.args);
  CHECK(spawner.deliver_one("u@a.test").status == 'K');
  const pid_t agent = children_of(spawner.pid()).at(0);
  // Still sealed, still qmailr, and holding no message whose lock would say that it is being delivered.
  CHECK(status_field(agent, "Seccomp") == "2");
  CHECK(status_field(agent, "NoNewPrivs") == "1");
  const std::string uid = std::to_string(passwd_user(conf::user_qmailr)->uid);
  CHECK(status_field(agent, "Uid") == uid + "\t" + uid + "\t" + uid + "\t" + uid);
  for (const std::string& name : names_in("/proc/" + std::to_string(agent) + "/fd")) {
    const std::string target = proc_link(agent, "fd/" + name);
    CHECK_FALSE(target.empty());
    CHECK(target.find("message") == std::string::npos);
  }
  kill(agent, SIGKILL);
  CHECK(spawner.deliver_one("u@a.test").status == 'K');
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 1});
}

TEST_CASE("agents: many at once, and none left behind", "[agents]") {
  RealRemote remote("5 300 1");
  std::vector<std::unique_ptr<SmtpServer>> servers;
  std::vector<std::string> routes;
  for (int i = 0; i < 4; ++i) {
    servers.push_back(std::make_unique<SmtpServer>());
    routes.push_back("h" + std::to_string(i) + ".test:" + remote.to(*servers.back()));
  }
  remote.route(routes);
  Spawner spawner(remote.args);
  std::uint32_t asked = 0, answered = 0;
  std::map<std::uint32_t, int> reports;
  const auto answer = [&] {
    const DeliveryReport report = spawner.report();
    CHECK(report.status == 'K');
    ++reports[report.delivery];
    ++answered;
  };
  // One at a time for each server: it serves one connection after the other.
  for (std::uint32_t round = 0; round < 25; ++round) {
    for (int i = 0; i < 4; ++i)
      spawner.request({++asked, "s@x.test", "u@h" + std::to_string(i) + ".test", "t", "", "", true});
    while (answered < asked) answer();
  }
  CHECK(reports.size() == 100);
  CHECK(spawner.close() == 0);
  for (const auto& server : servers) CHECK(messages_of_each(*server) == Counts{5, 5, 5, 5, 5});
}

namespace {

SmtpScript tls_script() {
  SmtpScript script;
  script.ehlo = "250-test\n250-PIPELINING\n250 STARTTLS";
  script.ehlo_in_tls = "250-test\n250-PIPELINING\n250 AUTH PLAIN";
  script.replies = {{"AUTH PLAIN", "235 ok"}};
  script.tls = {std::string(certificates::good) + certificates::middle, certificates::good_key};
  return script;
}

std::size_t count_of(const SmtpSession& session, const std::string& start) {
  return static_cast<std::size_t>(
      std::count_if(session.commands.begin(), session.commands.end(),
                    [&](const std::string& command) { return command.starts_with(start); }));
}

const std::string in_tls =
    "127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\nTLS: TLSv1.2 "
    "ECDHE-ECDSA-AES128-GCM-SHA256, certificate ";

}  // namespace

TEST_CASE("agents: several messages in one TLS session, each with the line about it", "[agents][tls]") {
  const bool on_connect = GENERATE(false, true);
  RealRemote remote;
  SmtpScript script = tls_script();
  script.tls_on_connect = on_connect;
  SmtpServer server(script);
  remote.home.write("control/tlsca", certificates::root);
  remote.relay(server, (on_connect ? " tls verify" : " verify"));
  Spawner spawner(remote.args);
  for (const char* recipient : {"u@a.test", "u@b.test", "u@a.test"}) {
    const DeliveryReport report = spawner.deliver_one(recipient);
    CHECK(report.status == 'K');
    CHECK(report.text == in_tls + "verified for 127.0.0.1.\n");
  }
  CHECK(spawner.close() == 0);
  REQUIRE(messages_of_each(server) == Counts{3});
  const SmtpSession session = server.sessions().at(0);
  CHECK(count_of(session, "STARTTLS") == (on_connect ? 0 : 1));
  CHECK(count_of(session, "(TLS") == 1);
  CHECK(count_of(session, "EHLO") == (on_connect ? 1 : 2));
  CHECK(session.commands.back() == "QUIT");
}

TEST_CASE("agents: a server that wants no more in this TLS session gets the next in a new one",
          "[agents][tls]") {
  const char* const answer = GENERATE("", "421 4.7.0 too many messages");
  RealRemote remote;
  SmtpScript script = tls_script();
  script.most_messages = 1;
  script.too_many = answer;
  SmtpServer server(script);
  remote.home.write("control/tlsca", certificates::root);
  remote.relay(server, " verify");
  Spawner spawner(remote.args);
  for (int i = 0; i < 2; ++i)
    CHECK(spawner.deliver_one("u@a.test").text == in_tls + "verified for 127.0.0.1.\n");
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 1});
  for (const SmtpSession& session : server.sessions()) CHECK(count_of(session, "(TLS") == 1);
}

TEST_CASE("agents: one login for the messages of one sender's domain, and another for another's",
          "[agents][tls]") {
  RealRemote remote;
  SmtpServer server(tls_script());
  remote.home.write("control/tlsca", certificates::root);
  remote.home.write("control/smtpauth", "isp@x.test:x:secret\nisp:rest:secret\n", 0600);
  const User qmailr = *passwd_user(conf::user_qmailr);
  const std::string logins = remote.home.path("control/smtpauth");
  REQUIRE(chown(logins.c_str(), qmailr.uid, qmailr.gid) == 0);
  REQUIRE(chmod(logins.c_str(), 0400) == 0);
  remote.relay(server, " verify auth=isp");
  Spawner spawner(remote.args);
  for (const char* sender : {"s@x.test", "t@X.test", "s@y.test", "t@y.test"})
    CHECK(spawner.deliver_one("u@a.test", sender).status == 'K');
  CHECK(spawner.close() == 0);
  REQUIRE(messages_of_each(server) == Counts{2, 2});
  const std::string as_x = "AUTH PLAIN AHgAc2VjcmV0", as_rest = "AUTH PLAIN AHJlc3QAc2VjcmV0";
  CHECK(count_of(server.sessions().at(0), "AUTH") == 1);
  CHECK(count_of(server.sessions().at(0), as_x) == 1);
  CHECK(count_of(server.sessions().at(1), "AUTH") == 1);
  CHECK(count_of(server.sessions().at(1), as_rest) == 1);
}

TEST_CASE("agents: domains with one mail exchanger and policies of their own", "[agents][tls]") {
  RealRemote remote;
  SmtpScript script = tls_script();
  script.tls = {certificates::self, certificates::self_key};
  SmtpServer server(script);
  DnsServer dns;
  for (const char* domain : {"a.test", "b.test", "c.test"}) dns.mx(domain, 1, "mx.test");
  dns.a("mx.test", "127.0.0.1");
  remote.home.write("control/resolver", dns.control_line() + "\n");
  remote.home.write("control/tlsca", certificates::root);
  remote.route({"::" + std::to_string(server.port())});
  const std::string sent = in_tls + "not verified: it is self-signed.\n";
  SECTION("by control/tlshosts") {
    remote.home.write("control/tlshosts", "b.test:verify=mx.test\n");
    Spawner spawner(remote.args);
    for (int i = 0; i < 2; ++i) CHECK(spawner.deliver_one("u@a.test").text == sent);
    const DeliveryReport refused = spawner.deliver_one("u@b.test");
    CHECK(refused.status == 'Z');
    CHECK(refused.text.starts_with("Connected to 127.0.0.1 but its certificate will not do: "));
    CHECK(spawner.deliver_one("u@c.test").text == sent);
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{2, 0, 1});
  }
  SECTION(
      "by policies that come from outside (control/mtasts, control/dane): a domain has its own connection") {
    remote.home.write("control/mtasts", "1\n");
    remote.home.write("control/dane", "1\n");
    dns.validates();
    Spawner spawner(remote.args);
    for (const char* recipient : {"u@a.test", "v@A.test", "u@b.test", "v@b.test"})
      CHECK(spawner.deliver_one(recipient).text == sent);
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{2, 2});
  }
  SECTION("by their routes") {
    remote.route({"b.test:127.0.0.1:" + std::to_string(server.port()) + " verify",
                  ":127.0.0.1:" + std::to_string(server.port())});
    Spawner spawner(remote.args);
    CHECK(spawner.deliver_one("u@a.test").text == sent);
    CHECK(spawner.deliver_one("u@b.test").status == 'Z');
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{1, 0});
  }
}
