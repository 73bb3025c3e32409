// Bounces of the real qmail-send; the test plays the spawners. qmail-send(8), qmail-bounce(5).
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr std::int64_t week = 604800;

}  // namespace

TEST_CASE("bounces go through the gate", "[send][gate]") {
  RunningGate gate(
      {{"bouncefrom", "Mail Robot\n"}, {"bouncehost", "bounce.example\n"}, {"bounceformat", "qsbmf\n"}});
  SendStage stage;
  stage.start();

  SECTION("to the sender, from the null sender") {
    const QueueId id = stage.put_and_pull("s@x.example", {"a@far.example", "b@test.example"});
    auto a = stage.request(there), b = stage.request(here);
    REQUIRE((a && b));
    stage.report(there, a->request.delivery, 'D', "550 no\n");
    CHECK_FALSE(eventually([&] { return stage.gone(id); }, 1));  // not before b is settled
    stage.report(here, b->request.delivery, 'K', "");
    CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
    const auto bounce = stage.request(there);
    REQUIRE(bounce);
    CHECK(bounce->request.sender.empty());
    CHECK(bounce->request.recipient == "s@x.example");
    CHECK(bounce->request.trace == a->request.trace);
    const std::string text = read_to_end(bounce->message.get());
    CHECK(text.find("\nFrom: \"Mail Robot\"@bounce.example\n") != std::string::npos);
    CHECK(text.find("\n<a@far.example>:\n550 no\n\n--- Below") != std::string::npos);
    CHECK(text.find("b@test.example") == std::string::npos);
    CHECK(text.ends_with("\nReturn-Path: <s@x.example>\nReceived: by the test\nSubject: x\n\nbody\n"));
    CHECK(stage.log().find("bounce msg " + id.text() + " qp ") != std::string::npos);
    CHECK(stage.log().find("end msg " + id.text()) > stage.log().find("bounce msg " + id.text()));
  }
  SECTION("a bounce that bounces: to postmaster, from #@[]") {
    const QueueId id = stage.put_and_pull("", {"nobody@far.example"});
    stage.answer(there, 'D', "550 no\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    const auto twice = stage.request(here);
    REQUIRE(twice);
    CHECK(twice->request.recipient == "postmaster@test.example");
    CHECK(twice->request.sender == "#@[]");
    CHECK(read_to_end(twice->message.get()).find("the bounce bounced!") != std::string::npos);
    SECTION("and if that fails, it is thrown away") {
      stage.report(here, twice->request.delivery, 'D', "gone\n");
      CHECK(stage.logged("triple bounce: discarding new/"));
      CHECK(eventually([&] { return names_in(stage.paths().fresh()).empty(); }));
      CHECK_FALSE(stage.request(there, 1));
    }
  }
  SECTION("to the owner of a list whose sender varies") {
    const QueueId id = stage.put_and_pull("owner-list@x.example-@[]", {"a@far.example"});
    auto asked = stage.request(there);
    REQUIRE(asked);
    CHECK(asked->request.sender == "owner-lista=far.example@x.example");
    stage.report(there, asked->request.delivery, 'D', "550 no\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    const auto bounce = stage.request(there);
    REQUIRE(bounce);
    CHECK(bounce->request.recipient == "owner-list@x.example");
  }
}

TEST_CASE("a bounce is a multipart/report with every line of the server's answer", "[send][gate]") {
  RunningGate gate;
  SendStage stage;
  stage.start();
  const QueueId id = stage.put(
      asking("s@x.example", "BODY=8BITMIME RET=FULL ENVID=QQ314159",
             {{"a@far.example", "NOTIFY=FAILURE ORCPT=rfc822;Alias@far.example"}, {"b@far.example", ""}}),
      0, true, "Subject: \xe9\xb3\xa9\n\nbody \xff");
  stage.pull_trigger(id);
  auto a = stage.request(there), b = stage.request(there);
  REQUIRE((a && b));
  stage.report(
      there, a->request.delivery, 'D',
      "192.0.2.1 does not like recipient.\nRemote host said: 550-5.1.1 No such\n550 5.1.1 user\nGiving "
      "up on 192.0.2.1.\n");
  stage.report(there, b->request.delivery, 'D',
               "Sorry, I couldn't find any host named far.example. (#5.1.2)\n");
  const auto bounce = stage.request(there);
  REQUIRE(bounce);
  CHECK(bounce->request.sender.empty());
  CHECK(bounce->request.message_params == "BODY=8BITMIME");
  const std::string text = read_to_end(bounce->message.get());
  CHECK(has(text, "\nReporting-MTA: dns; test.example\nOriginal-Envelope-Id: QQ314159\nArrival-Date: "));
  CHECK(
      has(text,
          "\nOriginal-Recipient: rfc822; Alias@far.example\nFinal-Recipient: rfc822; a@far.example\nAction: "
          "failed\nStatus: 5.1.1\nRemote-MTA: dns; [192.0.2.1]\nDiagnostic-Code: smtp; 550-5.1.1 No such\n "
          "550 5.1.1 user\n"));
  CHECK(has(text,
            "\nFinal-Recipient: rfc822; b@far.example\nAction: failed\nStatus: 5.1.2\nDiagnostic-Code: "
            "x-qmail; Sorry"));
  CHECK(has(text,
            "\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nReturn-Path: "
            "<s@x.example>\nReceived: by the test\nSubject: \xe9\xb3\xa9\n\nbody \xff\n\n--=_"));
  CHECK(text.ends_with("--\n"));
}

TEST_CASE("how much of the original goes back", "[send]") {
  struct Row {
    const char *control, *params;
    std::size_t bytes;
    bool whole;
  };
  for (const Row& row : {
           Row{"", "", 60000, true},
           Row{"", "", 70000, false},
           Row{"", "RET=FULL", 70000, false},
           Row{"", "RET=HDRS", 10, false},
           Row{"100\n", "", 50, true},
           Row{"100\n", "", 200, false},
           Row{"0\n", "", 200000, true},
       }) {
    CAPTURE(row.control, row.params, row.bytes);
    SendStage stage(*row.control != 0 ? Controls{{"bouncemaxbytes", row.control}} : Controls{});
    stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
    std::string body;
    while (body.size() < row.bytes) body += "0123456789\n";
    const QueueId id = stage.put(asking("s@x.example", row.params, {{"a@far.example", ""}}), 0, true,
                                 "Subject: x\n\n" + body);
    stage.pull_trigger(id);
    stage.answer(there, 'D', "550 no\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    CHECK(has(stage.kept_message(), "message/rfc822\n") == row.whole);
    CHECK(has(stage.kept_message(), "text/rfc822-headers\n") == !row.whole);
    CHECK(has(stage.kept_message(), "0123456789\n") == row.whole);
    CHECK(has(stage.kept_message(), "\nSubject: x\n"));
  }
}

TEST_CASE("NOTIFY says who hears of a failure", "[send]") {
  SendStage stage;
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  SECTION("one wants to, another does not") {
    const QueueId id = stage.put(asking("s@x.example", "",
                                        {{"never@far.example", "NOTIFY=NEVER"},
                                         {"ok@far.example", "NOTIFY=SUCCESS"},
                                         {"said@far.example", "NOTIFY=FAILURE"}}));
    stage.pull_trigger(id);
    for (int i = 0; i < 3; ++i) {
      stage.answer(there, 'D', "550 no\n");
    }
    CHECK(eventually([&] { return stage.gone(id); }));
    CHECK(has(stage.kept_message(), "<said@far.example>:"));
    CHECK_FALSE(has(stage.kept_message(), "never@far.example"));
    CHECK_FALSE(has(stage.kept_message(), "ok@far.example"));
  }
  SECTION("nobody does, of a bounce neither") {
    const char* sender = GENERATE("s@x.example", "");
    const QueueId id = stage.put(asking(sender, "", {{"a@far.example", "NOTIFY=NEVER"}}));
    stage.pull_trigger(id);
    stage.answer(there, 'D', "550 no\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    CHECK(stage.stop() == 0);
    CHECK(stage.kept_message().empty());
    CHECK_FALSE(has(stage.log(), "bounce msg"));
  }
}

TEST_CASE("a double bounce that comes back from outside is not bounced again", "[send]") {
  const char* format = GENERATE("dsn\n", "qsbmf\n");
  CAPTURE(format);
  SendStage stage(Controls{{"bounceformat", format}});
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  const auto fail = [&](const std::string& text) {
    const QueueId id = stage.put("", {"boss@far.example"}, 0, true, text);
    stage.pull_trigger(id);
    stage.answer(there, 'D', "554 too many hops, this message is looping (#5.4.6)\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    return id;
  };
  fail("Subject: failure notice\n\nX-Double-Bounce: in the body\n");
  const std::string twice = stage.kept_message();
  REQUIRE(has(twice, "\nX-Double-Bounce: test.example\n"));
  CHECK(stage.kept_envelope() == "F#@[]|Tpostmaster@test.example||");
  stage.forget_kept();
  const QueueId again = fail("Received: from elsewhere\n" + twice);
  CHECK(stage.logged("triple bounce: discarding new/" + again.text()));
  CHECK(stage.stop() == 0);
  CHECK(stage.kept_message().empty());
}

TEST_CASE("the operator's words, and files that mean nothing", "[send]") {
  SendStage stage(
      Controls{{"bouncetext", "[failure]\nSubject: 不達\n\n{recipients}連絡先 {host}\n[what]\nx\n"},
               {"bouncelanguage", "ja\n"},
               {"bounceformat", "rfc\n"}});
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  const QueueId id = stage.put_and_pull("s@x.example", {"a@far.example"});
  stage.answer(there, 'D', "no (#5.1.1)\n");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(has(stage.kept_message(), "Subject: =?UTF-8?B?5LiN6YGU?=\n"));
  CHECK(has(stage.kept_message(), "=E9=80=A3=E7=B5=A1=E5=85=88 test.example\n"));
  CHECK_FALSE(has(stage.kept_message(), "There is no such address"));
  CHECK(has(stage.log(), "warning: control/bouncetext has a section [what] that means nothing\n"));
  CHECK(has(stage.log(), "warning: control/bounceformat is neither dsn nor qsbmf; it means dsn\n"));
}

TEST_CASE("a storm of bounces is worked off", "[send]") {
  SendStage stage;
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  constexpr int many = 120;  // more than wait in memory
  for (int i = 0; i < many; ++i) stage.put_and_pull("s@x.example", {"u@test.example"});
  for (int i = 0; i < many; ++i) {
    stage.answer(here, 'D', "no\n");
  }
  CHECK(eventually([&] { return names_in(stage.paths().fresh()).empty(); }, 30));
  CHECK(stage.times_logged("bounce msg ") == many);
  CHECK(stage.times_logged("end msg ") == many);
}

TEST_CASE("after queuelifetime a deferral is a failure", "[send]") {
  SendStage stage(Controls{{"queuelifetime", "1000\n"}, {"bounceformat", "qsbmf\n"}});
  const QueueId old = stage.put("s@x.example", {"a@far.example"}, 1700, false);   // slot at 1600
  const QueueId young = stage.put("s@x.example", {"b@far.example"}, 450, false);  // slot at 400
  stage.served_until(week);
  const std::string program = stage.queue_program(0);
  stage.start({{"QMAILQUEUE", program}});
  for (int i = 0; i < 2; ++i) {
    stage.answer(there, 'Z', "later");
  }
  CHECK(eventually([&] { return stage.gone(old); }));
  CHECK(stage.in_mess(young));
  CHECK(stage.kept_message().find(
            "<a@far.example>:\nlater\nI'm not going to try again; this message has been in the queue too "
            "long.\n") != std::string::npos);
  CHECK(stage.kept_envelope() == "F|Ts@x.example||");
}

TEST_CASE("the gate's answer to a bounce", "[send]") {
  SendStage stage(Controls{{"doublebounceto", "boss\n"}, {"doublebouncehost", "head.example\n"}});
  struct Row {
    int code;
    const char *sender, *says;
    bool kept, bad;
  };
  for (const Row& row : {
           Row{53, "s@x.example", "warning: trouble injecting bounce message, will try later", true, false},
           Row{81, "s@x.example", "warning: trouble injecting bounce message, will try later", true, false},
           Row{31, "", "its double bounce is refused", false, true},
           Row{31, "s@x.example", "is refused, sending a double bounce", false, true},
       }) {
    CAPTURE(row.code, row.sender);
    const QueueId id = stage.put(row.sender, {"a@far.example"});
    stage.start({{"QMAILQUEUE", stage.queue_program(row.code)}});
    stage.answer(there, 'D', "550 no\n");
    CHECK(stage.logged(row.says));
    CHECK(eventually([&] { return stage.bad().size() == (row.bad ? 1U : 0U); }));
    CHECK(stage.gone(id) == !row.kept);
    if (row.bad) CHECK(stage.kept_envelope() == "F#@[]|Tboss@head.example||");
    if (row.kept) CHECK(stage.state(id).at(0).type == StateType::failed);
    CHECK(stage.stop() == 0);
    for (const std::string& path :
         {stage.paths().bad(id), stage.paths().fresh(id), stage.paths().mess(id), stage.paths().state(id)})
      unlink(path.c_str());
    unlink(stage.scratch("log").c_str());
  }
}

TEST_CASE("an empty doublebounceto throws double bounces away", "[send]") {
  SendStage stage(Controls{{"doublebounceto", "\n"}});
  stage.start();
  const QueueId id = stage.put_and_pull("", {"a@far.example"});
  stage.answer(there, 'D', "550 no\n");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(stage.log().find("double bounce: discarding new/" + id.text()) != std::string::npos);
}

TEST_CASE("#@[] is the null sender to the outside world", "[send]") {
  SendStage stage;
  stage.start();
  stage.put_and_pull("#@[]", {"a@far.example", "b@test.example"});
  const auto far = stage.request(there), near = stage.request(here);
  REQUIRE((far && near));
  CHECK(far->request.sender.empty());
  CHECK(near->request.sender == "#@[]");
}

TEST_CASE("a bounce that is due does not wait for a slot after a start", "[send]") {
  SendStage stage;
  const QueueId id = stage.put("s@x.example", {"a@far.example"}, 450, false);
  MessageKey key;
  key.fill(static_cast<char>(id.value()));
  StateFile(stage.paths().state(id), key).append({StateType::failed, 0, "550 no\n"});
  chmod(stage.paths().state(id).c_str(), 0666);
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(stage.kept_message().find("<a@far.example>:\n550 no\n") != std::string::npos);
  CHECK_FALSE(stage.request(there, 1));
}

TEST_CASE("SIGTERM does not wait for a gate that is gone", "[send]") {
  SendStage stage;
  stage.start();  // there is no gate: a bounce waits for one, for a minute
  const QueueId id = stage.put_and_pull("s@x.example", {"a@far.example"});
  stage.answer(there, 'D', "550 no\n");
  usleep(300000);
  CHECK(stage.stop(5) == 0);
  CHECK(stage.log().find("warning: trouble injecting bounce message, will try later") != std::string::npos);
  CHECK(stage.state(id).at(0).type == StateType::failed);
}
