// How qmail-send treats destinations: limits, back-off, and what waits for them. qmail-send(8); the real
// qmail-send and qmail-clean, the test plays the spawners.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "lib/base/conf.h"
#include "lib/store/cdb.h"
#include "lib/store/users.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

// Requests that come within a moment of each other.
std::vector<Asked> all_requests(SendStage& stage, Channel channel) {
  std::vector<Asked> asked;
  while (std::optional<Asked> one = stage.request(channel, 1)) asked.push_back(std::move(*one));
  return asked;
}

std::size_t count_of(const std::vector<Asked>& asked, const std::string& domain) {
  return static_cast<std::size_t>(std::count_if(asked.begin(), asked.end(), [&](const Asked& one) {
    return one.request.recipient.ends_with("@" + domain);
  }));
}

}  // namespace

TEST_CASE("one host gets as many deliveries at once as it may", "[send][hosts]") {
  SendStage stage(Controls{{"concurrencyremote", "100\n"},
                           {"concurrencyremotehost", "1\n.big.example:2\nrelay.example:2\n"},
                           {"smtproutes", "x.example:relay.example:26\ny.example:Relay.Example:26\n"}});
  for (int i = 0; i < 5; ++i)
    for (const char* domain : {"small.example", "mx.big.example", "x.example", "y.example"})
      stage.put("s@x.example", {"u@" + std::string(domain)});
  stage.start();
  std::vector<Asked> asked = all_requests(stage, there);
  CHECK(count_of(asked, "small.example") == 1);
  CHECK(count_of(asked, "mx.big.example") == 2);
  CHECK(count_of(asked, "x.example") + count_of(asked, "y.example") == 2);  // one relay
  std::size_t done = 0;
  for (; !asked.empty(); asked = all_requests(stage, there)) {
    CHECK(count_of(asked, "small.example") <= 1);
    CHECK(count_of(asked, "mx.big.example") <= 2);
    for (const Asked& one : asked)
      stage.report(there, one.request.delivery, 'K', "", HostSays::answered), ++done;
  }
  CHECK(done == 20);
}

TEST_CASE("without a limit of its own a destination leaves room for others", "[send][hosts]") {
  SendStage stage(Controls{{"concurrencylocal", "8\n"}});
  for (int i = 0; i < 20; ++i) stage.put("s@x.example", {"greedy-" + std::to_string(i) + "@test.example"});
  stage.start();
  CHECK(all_requests(stage, here).size() == 4);  // of 8 places
  for (int i = 0; i < 20; ++i) stage.put_and_pull("s@x.example", {"Too@test.example"});
  const auto second = all_requests(stage, here);
  CHECK(second.size() == 2);
  for (const Asked& one : second) CHECK(one.request.recipient == "Too@test.example");
  stage.put_and_pull("s@x.example", {"third@test.example"});
  CHECK(all_requests(stage, here).size() == 1);
}

TEST_CASE("concurrencylocaluser", "[send][hosts]") {
  SendStage stage(Controls{{"concurrencylocal", "10\n"}, {"concurrencylocaluser", "2\n"}});
  for (int i = 0; i < 5; ++i) stage.put("s@x.example", {"joe-" + std::to_string(i) + "@test.example"});
  for (int i = 0; i < 5; ++i) stage.put("s@x.example", {"jane@test.example"});
  stage.start();
  CHECK(all_requests(stage, here).size() == 4);
  set_control("concurrencylocaluser", "3\n");
  stage.process().signal(SIGHUP);
  CHECK(all_requests(stage, here).size() == 2);
}

TEST_CASE("concurrencylocaluser counts by account, whatever its addresses are called", "[send][hosts]") {
  const std::string path = std::string(conf::home) + "/users/cdb";
  struct Gone {
    const std::string& path;
    ~Gone() { unlink(path.c_str()); }
  } const gone{path};
  {
    CdbWriter users(path);
    users.add("", "-");
    for (const char* line :
         {"=joe:joe:1001:100:/home/joe:::", "+shop-:joe:1001:100:/home/joe:-:shop-:",
          "=jane:virtual:1002:100:/home/v/jane:::", "=june:virtual:1002:100:/home/v/june:::"}) {
      const auto assigned = parse_assign_line(line);
      REQUIRE(assigned);
      users.add(assigned->key(), encode_assignment(assigned->to));
    }
    users.commit();
  }
  SendStage stage(Controls{{"concurrencylocal", "100\n"}, {"concurrencylocaluser", "2\n"}});
  for (int i = 0; i < 3; ++i)
    for (const char* local : {"joe", "shop-a", "Shop-B", "jane", "june", "nobody-knows", "nobody-knows-him"})
      stage.put("s@x.example", {std::string(local) + "@test.example"});
  stage.start();
  std::map<std::string, int> under_way;
  for (const Asked& asked : all_requests(stage, here)) {
    const std::string local = asked.request.recipient.substr(0, asked.request.recipient.find('@'));
    ++under_way[local == "jane" || local == "june" ? local : local.starts_with("nobody") ? "nobody" : "joe"];
  }
  CHECK(under_way == std::map<std::string, int>{{"joe", 2}, {"jane", 2}, {"june", 2}, {"nobody", 2}});
}

TEST_CASE("a host gets so many messages a minute", "[send][hosts]") {
  SendStage stage(Controls{{"rateremotehost", "slow.example:1\nquick.example:600\n"}});
  for (int i = 0; i < 3; ++i)
    for (const char* domain : {"slow.example", "quick.example", "free.example"})
      stage.put("s@x.example", {"u@" + std::string(domain)});
  stage.start();
  std::size_t slow = 0, others = 0;
  for (std::vector<Asked> asked = all_requests(stage, there); !asked.empty();
       asked = all_requests(stage, there)) {
    slow += count_of(asked, "slow.example");
    others += asked.size() - count_of(asked, "slow.example");
    for (const Asked& one : asked) stage.report(there, one.request.delivery, 'K', "", HostSays::answered);
  }
  CHECK(slow == 1);
  CHECK(others == 6);
}

TEST_CASE("a line of the limits that says nothing is no limit: qmail-send does not start", "[send][hosts]") {
  const char* const name = GENERATE("concurrencyremotehost", "rateremotehost");
  SendStage stage(Controls{{name, "host.example\n"}});
  stage.start();
  CHECK(stage.process().wait(5) == 111);
  CHECK(stage.log().find(name) != std::string::npos);
}

TEST_CASE("thousands of messages for a dead host are in nobody's way, and none is lost", "[send][hosts]") {
  SendStage stage;
  constexpr int dead = 2000, live = 200;
  std::vector<QueueId> ids, dead_ids;
  for (int i = 0; i < dead; ++i) dead_ids.push_back(stage.put("s@x.example", {"u@dead.example"}));
  for (int i = 0; i < live; ++i) ids.push_back(stage.put("s@x.example", {"u@live.example"}));
  stage.start();
  std::vector<std::uint32_t> to_dead;
  int delivered = 0;
  while (delivered < live) {
    const auto asked = stage.request(there);
    REQUIRE(asked);
    if (asked->request.recipient == "u@dead.example") {
      to_dead.push_back(asked->request.delivery);  // does not answer
    } else {
      stage.report(there, asked->request.delivery, 'K', "", HostSays::answered);
      ++delivered;
    }
  }
  REQUIRE(to_dead.size() == 2);
  CHECK(eventually([&] { return stage.times_logged("end msg ") == live; }));
  // What came first was not all looked at before what can be delivered was found.
  const std::string log = stage.log();
  CHECK(count_in(log.substr(0, log.find("to remote u@live.example")), "new msg ") < 100);
  // Both time out: that is one trouble, not two; nobody else is sent there.
  for (const std::uint32_t delivery : to_dead) stage.report(there, delivery, 'Z', "", HostSays::trouble);
  CHECK(stage.logged("backoff host dead.example: not tried for 60 seconds\n"));
  CHECK_FALSE(stage.request(there, 2));
  CHECK(stage.times_logged("backoff") == 1);
  // Mail that comes now waits, too. All of it was looked at: queue/new is empty.
  dead_ids.push_back(stage.put_and_pull("s@x.example", {"u@dead.example"}));
  CHECK(eventually(
      [&] {
        return std::all_of(dead_ids.begin(), dead_ids.end(), [&](QueueId id) { return stage.in_mess(id); });
      },
      30));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(stage.times_logged("new msg ") == dead + 1 + live);
  CHECK(std::none_of(dead_ids.begin(), dead_ids.end(), [&](QueueId id) { return stage.has_state(id); }));

  SECTION("SIGALRM has it tried") {
    stage.process().signal(SIGALRM);
    REQUIRE(stage.request(there));
  }
  SECTION("a restart loses nothing and sends nothing twice") {
    stage.kill();
    stage.start();
    CHECK_FALSE(stage.request(there, 1));  // all wait for their slot
    stage.process().signal(SIGALRM);
    std::map<std::string, int> tried;
    for (int n = 0; n < dead + 1; ++n) {
      const auto asked = stage.request(there);
      REQUIRE(asked);
      CHECK(asked->request.recipient == "u@dead.example");
      ++tried[asked->request.trace];
      stage.report(there, asked->request.delivery, 'K', "", HostSays::answered);
    }
    CHECK(tried.size() == dead + 1);
    CHECK(eventually(
        [&] {
          return std::all_of(dead_ids.begin(), dead_ids.end(), [&](QueueId id) { return stage.gone(id); });
        },
        30));
  }
}

TEST_CASE("killed while mail for a dead host is put off, qmail-send loses none and tries none twice",
          "[send][hosts]") {
  SendStage stage;
  constexpr std::size_t dead = 1000;
  std::vector<QueueId> ids;
  for (std::size_t i = 0; i < dead; ++i) ids.push_back(stage.put("s@x.example", {"u@dead.example"}));
  stage.start();
  std::vector<Asked> first = all_requests(stage, there);
  REQUIRE(first.size() == 2);
  for (const Asked& one : first) stage.report(there, one.request.delivery, 'Z', "", HostSays::trouble);
  const std::size_t moved = GENERATE(1, 100, 700);
  CHECK(eventually([&] {
    return static_cast<std::size_t>(
               std::count_if(ids.begin(), ids.end(), [&](QueueId id) { return stage.in_mess(id); })) >= moved;
  }));
  stage.kill();
  const std::size_t starts = stage.times_logged("status: local 0/10 remote 0/20\n");
  first.clear();
  CHECK(std::none_of(ids.begin(), ids.end(), [&](QueueId id) { return stage.gone(id); }));
  stage.start();
  REQUIRE(eventually([&] { return stage.times_logged("status: local 0/10 remote 0/20\n") > starts; }));
  stage.process().signal(SIGALRM);
  std::map<std::string, int> tried;
  for (std::size_t n = 0; n < dead; ++n) {
    const auto asked = stage.request(there);
    REQUIRE(asked);
    ++tried[asked->request.trace];
    stage.report(there, asked->request.delivery, 'K', "", HostSays::answered);
  }
  CHECK(tried.size() == dead);
  CHECK(eventually(
      [&] { return std::all_of(ids.begin(), ids.end(), [&](QueueId id) { return stage.gone(id); }); }, 30));
}

TEST_CASE("a message of which one recipient's host backs off belongs to queue/mess when the rest is over",
          "[send][hosts]") {
  SendStage stage;
  stage.start();
  stage.put_and_pull("s@x.example", {"u@dead.example"});
  auto asked = stage.request(there);
  REQUIRE(asked);
  stage.report(there, asked->request.delivery, 'Z', "", HostSays::trouble);
  REQUIRE(stage.logged("backoff host dead.example"));
  const QueueId id = stage.put_and_pull("s@x.example", {"u@dead.example", "u@test.example"});
  asked = stage.request(here);
  REQUIRE(asked);
  CHECK(stage.in_new(id));
  stage.report(here, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.in_mess(id); }));
  CHECK(stage.state(id) == std::vector<StateRecord>{{StateType::done, 1, ""}});
  CHECK_FALSE(stage.request(there, 1));
}

TEST_CASE("a dead host that nobody knows of yet takes no places from a live one", "[send][hosts]") {
  SendStage stage;  // 20 places
  for (int i = 0; i < 50; ++i) stage.put("s@x.example", {"u@dead.example"});
  for (int i = 0; i < 50; ++i) stage.put("s@x.example", {"u@live.example"});
  stage.start();
  std::vector<Asked> under_way;
  int answered = 0;
  for (std::vector<Asked> asked; answered < 30 && !(asked = all_requests(stage, there)).empty();)
    for (Asked& one : asked)
      if (one.request.recipient == "u@live.example" && answered < 30) {
        stage.report(there, one.request.delivery, 'K', "", HostSays::answered);
        ++answered;
      } else {
        under_way.push_back(std::move(one));
      }
  for (Asked& one : all_requests(stage, there)) under_way.push_back(std::move(one));
  CHECK(answered == 30);
  CHECK(count_of(under_way, "dead.example") == 2);
  CHECK(count_of(under_way, "live.example") == 10);
}

TEST_CASE("what a host's trouble is, and what ends it", "[send][hosts]") {
  SendStage stage;
  stage.start();
  const auto deliver = [&](HostSays host, char status) {
    stage.put_and_pull("s@x.example", {"u@far.example"});
    stage.answer(there, status, "", host);
  };
  deliver(HostSays::answered, 'Z');  // greylisting
  deliver(HostSays::nothing, 'Z');   // DNS
  deliver(HostSays::answered, 'D');
  CHECK(stage.times_logged("backoff") == 0);
  deliver(HostSays::trouble, 'Z');
  CHECK(stage.logged("backoff host far.example: not tried for 60 seconds\n"));
  // Another host, and other recipients of the same message, go on.
  stage.put_and_pull("s@x.example", {"a@far.example", "b@other.example", "c@test.example"});
  const auto other = stage.request(there), near = stage.request(here);
  REQUIRE((other && near));
  CHECK(other->request.recipient == "b@other.example");
  CHECK_FALSE(stage.request(there, 1));
}

TEST_CASE("a message's last attempt is made although its host backs off", "[send][hosts]") {
  SendStage stage(Controls{{"queuelifetime", "1000\n"}});
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  stage.put_and_pull("s@x.example", {"u@far.example"});
  auto asked = stage.request(there);
  REQUIRE(asked);
  CHECK_FALSE(asked->request.try_dead);
  stage.report(there, asked->request.delivery, 'Z', "", HostSays::trouble);
  REQUIRE(stage.logged("backoff host far.example"));
  stage.put_and_pull("s@x.example", {"young@far.example"});
  const QueueId old = stage.put("s@x.example", {"old@far.example"}, 1700);
  stage.pull_trigger(old);
  asked = stage.request(there);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "old@far.example");
  CHECK(asked->request.try_dead);
  stage.report(there, asked->request.delivery, 'Z', "still dead", HostSays::trouble);
  CHECK(eventually([&] { return stage.gone(old); }));
  CHECK(stage.logged("bounce msg " + old.text()));
  CHECK_FALSE(stage.request(there, 1));
}

TEST_CASE("the spawner is told whether more waits for a destination", "[send][hosts]") {
  SendStage stage(Controls{{"concurrencyremotehost", "1\n"}});
  for (int i = 0; i < 3; ++i) stage.put("s@x.example", {"u@far.example"});
  stage.start();
  std::string more;
  for (int i = 0; i < 3; ++i) {
    const auto asked = stage.request(there);
    REQUIRE(asked);
    more += asked->request.more ? '+' : '-';
    stage.report(there, asked->request.delivery, 'K', "", HostSays::answered);
  }
  CHECK(more == "++-");
}
