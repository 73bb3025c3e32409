// What the real qmail-send tells senders who want to hear of success and delay (RFC 3461); the test plays the
// spawners. qmail-send(8).
#include <signal.h>
#include <unistd.h>

#include "tests/catch.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

// Starts qmail-send and has it try everything now.
void start_and_try(SendStage& stage, const std::string& program) {
  const std::size_t before = stage.times_logged("status: local 0/10 remote 0/20\n");
  stage.start({{"QMAILQUEUE", program}});
  REQUIRE(eventually([&] { return stage.times_logged("status: local 0/10 remote 0/20\n") > before; }));
  stage.process().signal(SIGALRM);
}

}  // namespace

TEST_CASE("a sender who wants to hears of success, once, before the message ends", "[send]") {
  SendStage stage;
  const std::string program = stage.queue_program(0);
  stage.start({{"QMAILQUEUE", program}});
  const char* success = "NOTIFY=SUCCESS,FAILURE";
  const QueueId id = stage.put(asking("s@x.example", "RET=FULL",
                                      {{"box@test.example", success},
                                       {"list@test.example", success},
                                       {"far@far.example", success},
                                       {"dsn@far.example", success},
                                       {"silent@far.example", ""},
                                       {"later@far.example", success}}));
  stage.pull_trigger(id);
  const auto answer = [&](Channel channel, const std::string& recipient, char verdict,
                          const std::string& text) {
    const auto asked = stage.request(channel);
    REQUIRE(asked);
    REQUIRE(asked->request.recipient == recipient);
    stage.report(channel, asked->request.delivery, verdict, text);
  };
  answer(here, "box@test.example", 'K', "did 1+0+0\n");
  answer(here, "list@test.example", 'K', "did 0+2+0\nqp 5\n");
  const std::string accepted = "192.0.2.1 accepted message.\nRemote host said: 250 2.0.0 ok\n";
  answer(there, "far@far.example", 'K', accepted);
  answer(there, "dsn@far.example", 'K', accepted + "The request for a delivery report was passed on.\n");
  answer(there, "silent@far.example", 'K', accepted);
  answer(there, "later@far.example", 'Z', "later\n");
  CHECK(stage.logged("notice msg " + id.text() + " of success qp "));
  const std::string text = stage.kept_message();
  CHECK(has(text, "Final-Recipient: rfc822; box@test.example\nAction: delivered\nStatus: 2.0.0\n"));
  CHECK(has(text, "Final-Recipient: rfc822; list@test.example\nAction: expanded\n"));
  CHECK(has(text,
            "Final-Recipient: rfc822; far@far.example\nAction: relayed\nStatus: 2.0.0\nRemote-MTA: dns; "
            "[192.0.2.1]\nDiagnostic-Code: smtp; 250 2.0.0 ok\n"));
  for (const char* other : {"dsn@", "silent@", "later@", "body"}) CHECK_FALSE(has(text, other));
  CHECK(stage.kept_envelope() == "F|Ts@x.example||");
  CHECK(eventually([&] { return stage.in_mess(id); }));

  // Not told again, whatever becomes of the rest and of qmail-send.
  stage.forget_kept();
  stage.kill();
  start_and_try(stage, program);
  answer(there, "later@far.example", 'K', accepted);
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK(has(stage.kept_message(), "later@far.example"));
  CHECK_FALSE(has(stage.kept_message(), "box@test.example"));
  CHECK(stage.times_logged("notice msg") == 2);
}

TEST_CASE("a success that could not be told is told after a start", "[send]") {
  SendStage stage;
  stage.start({{"QMAILQUEUE", stage.queue_program(53)}});
  const QueueId id = stage.put(asking("s@x.example", "", {{"a@test.example", "NOTIFY=SUCCESS"}}));
  stage.pull_trigger(id);
  stage.answer(here, 'K', "did 1+0+0\n");
  CHECK(stage.logged("warning: trouble injecting bounce message, will try later"));
  CHECK(stage.state(id) == std::vector<StateRecord>{{StateType::done, 0, "did 1+0+0\n"}});
  CHECK(stage.stop() == 0);
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK(has(stage.kept_message(), "Action: delivered\n"));
  CHECK_FALSE(stage.request(here, 1));
}

TEST_CASE("nobody is told of the success of a bounce", "[send]") {
  const char* sender = GENERATE("", "#@[]");
  SendStage stage;
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  const QueueId id = stage.put(asking(sender, "", {{"a@test.example", "NOTIFY=SUCCESS,DELAY"}}));
  stage.pull_trigger(id);
  stage.answer(here, 'K', "did 1+0+0\n");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(stage.stop() == 0);
  CHECK(stage.kept_message().empty());
}

TEST_CASE("a delay is told to those who asked, or to all by control/delaynotice, once", "[send]") {
  struct Row {
    const char *control, *notify;
    std::int64_t age;
    bool told;
  };
  for (const Row& row : {
           Row{"", "NOTIFY=DELAY", 16000, true},
           Row{"", "NOTIFY=DELAY", 10000, false},  // 4 hours
           Row{"", "", 16000, false},
           Row{"", "NOTIFY=FAILURE", 16000, false},
           Row{"3600\n", "", 4000, true},
           Row{"3600\n", "NOTIFY=DELAY", 4000, true},
           Row{"3600\n", "NOTIFY=FAILURE", 4000, false},
           Row{"3600\n", "", 3000, false},
       }) {
    CAPTURE(row.control, row.notify, row.age);
    SendStage stage(*row.control != 0 ? Controls{{"delaynotice", row.control}} : Controls{});
    const std::string program = stage.queue_program(0);
    const QueueId id = stage.put(asking("s@x.example", "", {{"a@far.example", row.notify}}), row.age, false);
    for (int round = 0; round < 2; ++round) {
      start_and_try(stage, program);
      stage.answer(
          there, 'Z',
          "Connected to 192.0.2.1 but sender was rejected.\nRemote host said: 451 4.7.1 greylisted\n");
      if (row.told && round == 0) {
        CHECK(stage.logged("notice msg " + id.text() + " of delay qp "));
        CHECK(has(stage.kept_message(),
                  "Action: delayed\nStatus: 4.7.1\nRemote-MTA: dns; [192.0.2.1]\nDiagnostic-Code: "
                  "smtp; 451 4.7.1 greylisted\nWill-Retry-Until: "));
      }
      CHECK(stage.logged("deferral"));
      usleep(200000);
      CHECK(stage.stop() == 0);
    }
    CHECK(stage.times_logged("notice msg") == (row.told ? 1U : 0U));
    CHECK(stage.in_mess(id));
  }
}
