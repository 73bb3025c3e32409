// qmail-mtastsd as an executable, against scripted name servers and a real web server.
#include <signal.h>

#include <algorithm>

#include "tests/catch.h"
#include "tests/program/mtasts_stage.h"
#include "tests/program/proc.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;
using Texts = std::vector<std::string>;

namespace {

const StsPolicy no_policy;

struct Stage {
  PrivateHome home{"qmail-mtastsd"};
  DnsServer dns;
  HttpsServer web;

  // id: of the record; empty: there is none.
  explicit Stage(const std::string& id = "id1") {
    home.write("control/me", "client.test\n");
    home.write("control/resolver", dns.control_line() + "\n");
    home.write("control/timeoutdns", "2\n");
    if (!id.empty()) dns.txt("_mta-sts." + sts_domain, {"v=STSv1; id=", id + ";"});
    dns.a("mta-sts." + sts_domain, web.address());
  }
};

}  // namespace

TEST_CASE("mtastsd: fetches a policy, keeps it, and answers from the cache", "[mtasts]") {
  Stage stage;
  const std::string text = sts_policy_text("enforce", "*.wild.test");
  stage.web.answer(http_ok(text));
  Mtastsd daemon(stage.home);

  struct stat status {};
  REQUIRE(stat(sts_socket_path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(status.st_uid == passwd_user(conf::user_qmailr)->uid);

  CHECK(daemon.ask() == StsPolicy{StsMode::enforce, 0, {"*.wild.test"}});
  CHECK(stage.web.requests() == Texts{"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.wild.test\r\n"
                                      "User-Agent: hato\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"});
  CHECK(daemon.logged("mtasts: wild.test: policy id1, enforce\n"));
  const std::string kept = daemon.cache_file();
  CHECK(kept.starts_with("hato-mtasts 1 id1 "));
  CHECK(kept.ends_with("\n" + text));

  CHECK(daemon.ask().mode == StsMode::enforce);
  CHECK(daemon.stop() == 0);
  stage.web.stop();
  daemon.start();
  CHECK(daemon.ask().mode == StsMode::enforce);
  CHECK(daemon.cache_file() == kept);
}

TEST_CASE("mtastsd: what a hostile or broken web server says is no policy", "[mtasts]") {
  Stage stage;
  const std::string text = sts_policy_text("enforce", "*.wild.test");
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
  const std::string good_chain = std::string(certificates::good) + certificates::middle;
  struct Row {
    std::string chain, key, answer, log;
  };
  const auto says = [&](const std::string& answer, const std::string& log) {
    return Row{good_chain, certificates::good_key, answer, log};
  };
  const Row rows[] = {
      says("HTTP/1.1 301 Moved\r\nLocation: https://mta-sts.wild.test/.well-known/mta-sts.txt\r\n"
           "Content-Length: 0\r\n\r\n",
           "mta-sts.wild.test answers with status 301"),
      says("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: " +
               std::to_string(text.size()) + "\r\n\r\n" + text,
           "mta-sts.wild.test answers with status 404"),
      says("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: " + std::to_string(text.size()) +
               "\r\n\r\n" + text,
           "is not text/plain"),
      says("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text,
           "is not text/plain"),
      says(head + "\r\n" + text, "it does not say how long it is"),
      says(head + "Content-Length: 65537\r\n\r\n", "its body is larger than 65536 octets"),
      says(head + "Transfer-Encoding: chunked\r\n\r\n10000\r\n" + std::string(65536, '\n') + "\r\n1\r\n",
           "its body is larger than 65536 octets"),
      says(head + "Content-Length: 500\r\n\r\n" + text, "breaks off"),
      says(head + std::string(20000, 'x'), "its header is too large"),
      says("220 mx.test ESMTP\r\n", "it does not speak HTTP/1.1"),
      says(http_ok("<html></html>\n"), "policy id1: what it publishes is no policy of RFC 8461"),
      says(http_ok(sts_policy_text("enforce", "*")), "no policy of RFC 8461"),
      Row{std::string(certificates::other) + certificates::middle, certificates::other_key, http_ok(text),
          "the certificate of mta-sts.wild.test is for another host"},
      Row{certificates::self, certificates::self_key, http_ok(text),
          "the certificate of mta-sts.wild.test will not do: "},
      Row{certificates::good, certificates::good_key, http_ok(text),
          "the certificate of mta-sts.wild.test will not do: "},
  };
  Mtastsd daemon(stage.home);
  for (const Row& row : rows) {
    CAPTURE(row.answer, row.log);
    stage.web.identity(row.chain, row.key);
    stage.web.answer(row.answer);
    unlink(stage.home.path("log").c_str());
    daemon.start();
    CHECK(daemon.ask() == no_policy);
    CHECK(daemon.log().find(row.log) != std::string::npos);
    CHECK(daemon.cache_file().empty());
  }
  // Both are right: chunked, and in the middle of other fields.
  stage.web.identity(good_chain, certificates::good_key);
  stage.web.answer(
      "HTTP/1.1 200 OK\r\nContent-Type: Text/Plain;charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n" +
      [&] {
        char size[16];
        snprintf(size, sizeof size, "%zx", text.size());
        return std::string(size);
      }() +
      "\r\n" + text + "\r\n0\r\n\r\n");
  daemon.start();
  CHECK(daemon.ask().mode == StsMode::enforce);
}

TEST_CASE("mtastsd: a failure keeps the old policy until its max_age", "[mtasts]") {
  Stage stage("id2");
  stage.web.answer("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  Mtastsd daemon(stage.home);
  daemon.put_in_cache("id1", 90000, sts_policy_text("enforce", "mx.wild.test"));
  CHECK(daemon.ask() == StsPolicy{StsMode::enforce, 0, {"mx.wild.test"}});
  CHECK(
      daemon.logged("wild.test: policy id2: mta-sts.wild.test answers with status 500; the old policy stays "
                    "until it expires\n"));
  CHECK(daemon.ask().mode == StsMode::enforce);
  CHECK(daemon.cache_file().starts_with("hato-mtasts 1 id1 "));

  daemon.put_in_cache("id1", 90000, sts_policy_text("enforce", "mx.wild.test", 80000));
  CHECK(daemon.ask() == no_policy);
  daemon.start();
  CHECK(eventually([&] { return daemon.cache_file().empty(); }));
}

TEST_CASE("mtastsd: a record without its policy, a policy without its record", "[mtasts]") {
  Stage stage("");
  Mtastsd daemon(stage.home);
  CHECK(daemon.ask() == no_policy);
  CHECK(daemon.ask() == no_policy);
  CHECK(daemon.ask("none.test") == no_policy);
  CHECK(stage.dns.count("TXT _mta-sts.wild.test") == 1);
  CHECK(stage.web.requests().empty());
  CHECK(daemon.log().empty());
  daemon.start();
  daemon.put_in_cache("id1", 10, sts_policy_text("testing", "mx.wild.test"));
  CHECK(daemon.ask().mode == StsMode::testing);
  CHECK(daemon.logged("wild.test: its record is gone; its policy stays until it expires\n"));
  CHECK(daemon.ask().mode == StsMode::testing);
}

TEST_CASE("mtastsd: another id, and none to take a policy back", "[mtasts]") {
  Stage stage("id2");
  Mtastsd daemon(stage.home);
  stage.web.answer(http_ok(sts_policy_text("none", "mx.wild.test")));
  daemon.put_in_cache("id1", 10, sts_policy_text("enforce", "mx.wild.test"));
  CHECK(daemon.ask().mode == StsMode::enforce);  // at once; the new one comes behind the answer
  CHECK(eventually([&] { return daemon.cache_file().starts_with("hato-mtasts 1 id2 "); }));
  CHECK(daemon.ask().mode == StsMode::none);
}

TEST_CASE("mtastsd: the same id is not fetched again, unless the policy is old", "[mtasts]") {
  Stage stage;
  stage.web.answer(http_ok(sts_policy_text("testing", "mx.wild.test")));
  Mtastsd daemon(stage.home);
  daemon.put_in_cache("id1", 10, sts_policy_text("enforce", "mx.wild.test"));
  CHECK(daemon.ask().mode == StsMode::enforce);
  CHECK(eventually([&] { return stage.dns.count("TXT _mta-sts.wild.test") == 1; }));
  daemon.stop();
  CHECK(stage.web.requests().empty());
  // Fetched anew by itself: nobody asks.
  daemon.put_in_cache("id1", 90000, sts_policy_text("enforce", "mx.wild.test"));
  daemon.start();
  CHECK(daemon.logged("policy id1, testing\n"));
  CHECK(stage.web.requests().size() == 1);
}

TEST_CASE("mtastsd: a damaged file is none", "[mtasts]") {
  Stage stage;
  stage.web.answer(http_ok(sts_policy_text("enforce", "mx.wild.test")));
  Mtastsd daemon(stage.home);
  daemon.put_in_cache("id1", 10, "rubbish");
  CHECK(daemon.ask().mode == StsMode::enforce);
  CHECK(daemon.cache_file().find("\nmode: enforce\n") != std::string::npos);
}

TEST_CASE("mtastsd: one that keeps us waiting holds nobody else up", "[mtasts]") {
  Stage stage;
  stage.web.answer("");  // never
  stage.dns.txt("_mta-sts.quick.test", {"v=spf1 -all"});
  Mtastsd daemon(stage.home);
  const StsQuestion slow = StsQuestion::connect(sts_socket_path());
  std::thread asking([&] { CHECK(slow.ask(sts_domain) == no_policy); });
  CHECK(eventually([&] { return stage.web.requests().size() == 1; }));
  CHECK(daemon.ask("quick.test") == no_policy);
  CHECK(stage.dns.count("TXT _mta-sts.quick.test") == 1);
  asking.join();
  CHECK(daemon.log().empty());  // the fetch has its whole minute
}

TEST_CASE("mtastsd: questions that are none", "[mtasts]") {
  Stage stage;
  Mtastsd daemon(stage.home);
  for (const std::string& question :
       {"../../control/me"s, "localhost"s, std::string(1000, 'a'), "Wild.Test"s}) {
    const Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    sts_socket_path().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(send_message(socket.get(), question));
    const std::optional<Message> answer = receive_message(socket.get(), 100);
    REQUIRE(answer);
    CHECK(answer->data.empty());  // closed
  }
  CHECK(stage.dns.queries().empty());
}

TEST_CASE("mtastsd: ends by SIGTERM and with its lifeline, starts its parts again, is one", "[mtasts]") {
  Stage stage("");
  Mtastsd daemon(stage.home);
  const pid_t pid = daemon.process().pid();
  CHECK(daemon.ask() == no_policy);  // both are there
  // Each of the two in turn.
  for (const bool first : {true, false}) {
    const std::vector<pid_t> now = children_of(pid);
    REQUIRE(now.size() == 2);
    kill(now[first ? 0 : 1], SIGKILL);
    CHECK(daemon.logged(first ? "the starter ended with wait status 9; starting again\n"
                              : "the keeper ended with wait status 9; starting again\n"));
    CHECK(eventually([&] { return children_of(pid).size() == 2; }));
    CHECK(daemon.ask() == no_policy);
  }
  const Result second = test::run({std::string(conf::home) + "/bin/qmail-mtastsd"});
  CHECK(second.code == 111);
  CHECK(second.err.find("somebody listens there already") != std::string::npos);
  daemon.process().signal(SIGTERM);
  CHECK(daemon.process().wait() == 0);
  daemon.start();
  CHECK(daemon.stop() == 0);
}
