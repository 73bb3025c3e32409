// What the last attempt said is kept in the state and shown by qmail-q. qmail-statefile(5), qmail-q(8).
#include <signal.h>

#include "lib/base/clock.h"
#include "lib/store/retry_slots.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

std::string q(std::vector<std::string> words) {
  words.insert(words.begin(), installed("qmail-q"));
  const Outcome outcome = run({words}, "", 60);
  CHECK(outcome.code == 0);
  return outcome.out;
}

}  // namespace

TEST_CASE("a deferral is in the state once, however often it is repeated, and goes with the message",
          "[send][deferral]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"u@far.example"});
  using Records = std::vector<StateRecord>;
  const Records once = {{StateType::deferred, 0, "no connection\n"}};
  stage.answer(there, 'Z', "no connection\n");
  CHECK(eventually([&] { return stage.in_mess(id); }));
  CHECK(stage.state(id) == once);
  stage.process().signal(SIGALRM);
  stage.answer(there, 'Z', "no connection\n");
  CHECK(eventually([&] { return stage.times_logged("deferral: ") == 2; }));
  stage.process().signal(SIGALRM);
  stage.answer(there, 'Z', "greylisted\n");
  CHECK(eventually([&] { return stage.times_logged("deferral: ") == 3; }));
  CHECK(stage.state(id) == Records{once[0], {StateType::deferred, 0, "greylisted\n"}});
  stage.process().signal(SIGALRM);
  stage.answer(there, 'K');
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
}

TEST_CASE("a deferred message with a state waits for its slot after a start", "[send][deferral]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"u@far.example", "joe@test.example"});
  stage.answer(there, 'Z', "no\n");
  stage.answer(here, 'Z', "full\n");
  CHECK(eventually([&] { return stage.in_mess(id) && stage.state(id).size() == 2; }));
  stage.kill();
  stage.start();
  CHECK_FALSE(stage.request(there, 1));
  CHECK_FALSE(stage.request(here, 1));
  stage.process().signal(SIGALRM);
  CHECK(stage.request(there));
  CHECK(stage.request(here));
}

TEST_CASE("deferrals have a limit in the state; how a recipient ends has none", "[send][deferral]") {
  SendStage stage(Controls{{"concurrencyremote", "400\n"}, {"concurrencyremotehost", "400\n"}});
  std::vector<std::string> recipients;
  for (int i = 0; i < 400; ++i) recipients.push_back("u" + std::to_string(i) + "@far.example");
  const QueueId id = stage.put("s@x.example", recipients);
  stage.start();
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    const auto asked = stage.request(there);
    REQUIRE(asked);
    const bool last = i + 1 == recipients.size();
    stage.report(there, asked->request.delivery, last ? 'D' : 'Z', std::string(1000, 'x'),
                 HostSays::answered);
  }
  CHECK(eventually([&] { return stage.in_mess(id); }));
  const std::vector<StateRecord> records = stage.state(id);
  CHECK(records.size() == 262144 / 1000 + 1);
  REQUIRE_FALSE(records.empty());
  CHECK(records.back().type == StateType::failed);
}

TEST_CASE("qmail-q shows what the last attempt said, and when the next one is due", "[send][deferral]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"u@far.example", "joe@test.example"});
  stage.answer(there, 'Z', "192.0.2.1 said: greylisted. (#4.7.1)\n");
  stage.answer(here, 'Z', "Home directory is on fire.\n");
  REQUIRE(eventually([&] { return stage.in_mess(id) && stage.state(id).size() == 2; }));
  const std::string why = q({"list", "--why"});
  CHECK(has(why, "    u@far.example: 192.0.2.1 said: greylisted. (#4.7.1); next attempt in "));
  CHECK(has(why, "    joe@test.example: Home directory is on fire.; next attempt in "));
  CHECK_FALSE(has(q({"list"}), "greylisted"));
  const std::string sheet = q({"show", id.text()});
  CHECK(has(sheet, "  pending    remote  u@far.example  next attempt in "));
  CHECK(has(sheet, "\n             192.0.2.1 said: greylisted. (#4.7.1)\n"));
  const std::string json = q({"list", "--json"});
  REQUIRE(now_seconds() < birth_of(id) + 100);  // before the first slot
  CHECK(has(json, "\"text\":\"192.0.2.1 said: greylisted. (#4.7.1)"));
  CHECK(has(json, "\"next\":" + std::to_string(birth_of(id) + 400)));
  CHECK(has(json, "\"next\":" + std::to_string(birth_of(id) + 100)));
  q({"hold", id.text()});
  CHECK(has(q({"show", id.text()}), "u@far.example  held\n"));
  CHECK_FALSE(has(q({"list", "--json"}), "\"next\""));
}
