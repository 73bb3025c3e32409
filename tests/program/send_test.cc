// The real qmail-send and qmail-clean; the test plays the spawners. qmail-send(8), qmail-log(5), design.md 4.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/program/gate.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr Channel here = Channel::local, there = Channel::remote;
constexpr std::int64_t week = 604800;

std::string all_of(int fd) {
  return read_all(fd, 1 << 20, "message").value_or("(too large)");
}

}  // namespace

TEST_CASE("a message is delivered at once and leaves nothing behind", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"u@test.example"});
  const auto asked = stage.request(here);
  REQUIRE(asked);
  CHECK(asked->request.sender == "s@x.example");
  CHECK(asked->request.recipient == "u@test.example");
  CHECK(asked->request.trace.size() == 13);
  CHECK(all_of(asked->message.get()) == "Received: by the test\nSubject: x\n\nbody\n");
  // Each delivery's own open file is locked, so that a later qmail-send knows that it is going.
  const Fd other = open_file(stage.paths().fresh(id), O_RDONLY);
  CHECK(flock(other.get(), LOCK_EX | LOCK_NB) == -1);
  stage.report(here, asked->request.delivery, 'K', "did 0+0+1\n");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK_FALSE(stage.has_state(id));
  CHECK(stage.stop() == 0);
  const std::string n = id.text();
  CHECK(stage.log() ==
        "status: local 0/10 remote 0/20\n"
        "new msg " +
            n +
            "\n"
            "info msg " +
            n + ": bytes 39 from <s@x.example> qp 77 uid 1234 " + asked->request.trace +
            "\n"
            "starting delivery 1: msg " +
            n +
            " to local u@test.example\n"
            "status: local 1/10 remote 0/20\n"
            "delivery 1: success: did_0+0+1/\n"
            "status: local 0/10 remote 0/20\n"
            "end msg " +
            n +
            "\n"
            "status: exiting\n");
}

TEST_CASE("a deferred message waits in queue/mess and is tried again at its slot", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"u@far.example"});
  auto asked = stage.request(there);
  REQUIRE(asked);
  stage.report(there, asked->request.delivery, 'Z', "CNAME_lookup_failed");
  CHECK(stage.logged("delivery 1: deferral: CNAME_lookup_failed\n"));
  CHECK(eventually([&] { return stage.in_mess(id) && !stage.in_new(id); }));
  CHECK(stage.state(id) == std::vector<StateRecord>{{StateType::deferred, 0, "CNAME_lookup_failed"}});
  CHECK_FALSE(stage.request(there, 1));

  SECTION("SIGALRM brings it forward") {
    stage.process().signal(SIGALRM);
    asked = stage.request(there);
    REQUIRE(asked);
    stage.report(there, asked->request.delivery, 'K', "");
    CHECK(eventually([&] { return stage.gone(id); }));
    CHECK(stage.times_logged("new msg") == 1);
  }
  SECTION("a start leaves it where it is until its time") {
    CHECK(stage.stop() == 0);
    stage.start();
    CHECK_FALSE(stage.request(there, 2));
    CHECK(stage.in_mess(id));
  }
}

TEST_CASE("what had a slot while nobody ran is tried at once, other messages are not", "[send]") {
  SendStage stage;
  // Local slots 100, 400, 900, 1600 ... after birth; remote 400, 1600.
  const QueueId missed = stage.put("s@x.example", {"missed@test.example"}, 450, false);   // slot at 400
  const QueueId served = stage.put("s@x.example", {"served@test.example"}, 350, false);   // next in 50 s
  const QueueId remote = stage.put("s@x.example", {"remote@far.example"}, 420, false);    // slot at 400
  const QueueId not_yet = stage.put("s@x.example", {"notyet@far.example"}, 1000, false);  // local 900 only
  stage.served_until(200);
  stage.start();
  auto local = stage.request(here);
  REQUIRE(local);
  CHECK(local->request.recipient == "missed@test.example");
  auto far = stage.request(there);
  REQUIRE(far);
  CHECK(far->request.recipient == "remote@far.example");
  stage.report(here, local->request.delivery, 'K', "");
  stage.report(there, far->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(missed) && stage.gone(remote); }));
  CHECK_FALSE(stage.request(here, 1));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(stage.in_mess(served));
  CHECK(stage.in_mess(not_yet));
  // Messages of earlier runs were announced then.
  CHECK(stage.log().find("new msg") == std::string::npos);
}

TEST_CASE("new mail that nobody announced is found at the start", "[send]") {
  SendStage stage;
  const QueueId first = stage.put("a@x.example", {"u@test.example"}, 5);
  const QueueId second = stage.put("b@x.example", {"u@test.example"}, 1);
  stage.start();
  for (const char* sender : {"a@x.example", "b@x.example"}) {
    const auto asked = stage.request(here);
    REQUIRE(asked);
    CHECK(asked->request.sender == sender);
    stage.report(here, asked->request.delivery, 'K', "");
  }
  CHECK(eventually([&] { return stage.gone(first) && stage.gone(second); }));
}

TEST_CASE("no message is overlooked when the trigger is full", "[send]") {
  SendStage stage;
  stage.start();
  CHECK(stage.logged("status: local"));
  stage.process().signal(SIGSTOP);
  std::vector<QueueId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(stage.put("s@x.example", {"u@test.example"}));
  {
    const Fd trigger = open_file(stage.paths().lock("trigger"), O_RDWR | O_NONBLOCK);
    while (write(trigger.get(), "1234567890123456\n", 17) == 17) {
    }
  }
  stage.process().signal(SIGCONT);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto asked = stage.request(here);
    REQUIRE(asked);
    stage.report(here, asked->request.delivery, 'K', "");
  }
  for (const QueueId id : ids) CHECK(eventually([&] { return stage.gone(id); }));
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
  CHECK(slurp(stage.scratch("kept.message")).find("<a@far.example>:\n550 no\n") != std::string::npos);
  CHECK_FALSE(stage.request(there, 1));
}

TEST_CASE("SIGTERM does not wait for a gate that is gone", "[send]") {
  SendStage stage;
  stage.start();  // there is no gate: a bounce waits for one, for a minute
  const QueueId id = stage.put_and_pull("s@x.example", {"a@far.example"});
  const auto asked = stage.request(there);
  REQUIRE(asked);
  stage.report(there, asked->request.delivery, 'D', "550 no\n");
  usleep(300000);
  CHECK(stage.stop(5) == 0);
  CHECK(stage.log().find("warning: trouble injecting bounce message, will try later") != std::string::npos);
  CHECK(stage.state(id).at(0).type == StateType::failed);
}

TEST_CASE("not more deliveries at once than concurrencylocal and concurrencyremote say", "[send]") {
  SendStage stage(Controls{{"concurrencylocal", "2\n"}, {"concurrencyremote", "0\n"}});
  stage.start();
  stage.put_and_pull("s@x.example", {"r@far.example"});  // on hold
  std::vector<QueueId> ids;
  for (int i = 0; i < 5; ++i)
    ids.push_back(stage.put_and_pull("s@x.example", {"u" + std::to_string(i) + "@test.example"}));
  for (int done = 0; done < 5;) {
    std::vector<Asked> asked;
    while (auto one = stage.request(here, 1)) asked.push_back(std::move(*one));
    CHECK(asked.size() == (done < 4 ? 2U : 1U));
    REQUIRE_FALSE(asked.empty());
    for (const Asked& one : asked) stage.report(here, one.request.delivery, 'K', ""), ++done;
  }
  for (const QueueId id : ids) CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(stage.logged("status: local 2/2 remote 0/0\n"));
  CHECK_FALSE(stage.request(there, 1));
}

TEST_CASE("there is no ceiling of 255 deliveries", "[send]") {
  SendStage stage(Controls{{"concurrencylocal", "300\n"}});
  std::vector<std::string> recipients;
  for (int i = 0; i < 300; ++i) recipients.push_back("u" + std::to_string(i) + "@test.example");
  const QueueId id = stage.put("s@x.example", recipients);
  stage.start();
  std::vector<Asked> asked;
  while (asked.size() < 300)
    if (auto one = stage.request(here, 5))
      asked.push_back(std::move(*one));
    else
      break;
  REQUIRE(asked.size() == 300);
  for (const Asked& one : asked) stage.report(here, one.request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(stage.logged("status: local 300/300"));
}

TEST_CASE("a message with thousands of recipients leaves room for others", "[send]") {
  SendStage stage(Controls{{"concurrencyremote", "2\n"}, {"concurrencyremotehost", "2\n"}});
  std::vector<std::string> recipients;
  for (int i = 0; i < 3000; ++i) recipients.push_back("u" + std::to_string(i) + "@far.example");
  stage.put("list@x.example", recipients);
  stage.start();
  auto first = stage.request(there), second = stage.request(there);
  REQUIRE(second);
  stage.put_and_pull("small@x.example", {"v@far.example"});
  bool served = false;
  std::uint32_t next = first->request.delivery;
  for (int i = 0; i < 6 && !served; ++i) {
    stage.report(there, next, 'K', "");
    const auto asked = stage.request(there);
    REQUIRE(asked);
    served = asked->request.sender == "small@x.example";
    next = asked->request.delivery;
  }
  CHECK(served);
}

TEST_CASE("what became of each recipient outlives qmail-send", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"a@test.example", "b@test.example", "c@far.example"});
  auto a = stage.request(here), b = stage.request(here), c = stage.request(there);
  REQUIRE((a && b && c));
  stage.report(here, a->request.delivery, 'K', "");
  stage.report(there, c->request.delivery, 'D', "550 no\n");
  CHECK(stage.logged("delivery 3: failure: 550_no/\n"));
  CHECK(stage.state(id) ==
        std::vector<StateRecord>{{StateType::done, 0, ""}, {StateType::failed, 2, "550 no\n"}});
  stage.kill();
  for (auto* one : {&a, &b, &c}) (*one)->message.reset();
  stage.start();
  const auto again = stage.request(here);
  REQUIRE(again);
  CHECK(again->request.recipient == "b@test.example");
  CHECK_FALSE(stage.request(there, 1));
  CHECK_FALSE(stage.request(here, 1));
}

TEST_CASE("a delivery of the run before is waited for", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"a@test.example"});
  auto asked = stage.request(here);
  REQUIRE(asked);
  stage.kill();  // the delivery still has its descriptor
  stage.start();
  CHECK(stage.logged("msg " + id.text() + " waits: a delivery that an earlier qmail-send started"));
  CHECK_FALSE(stage.request(here, 2));
  asked->message.reset();
  asked = stage.request(here, 15);
  REQUIRE(asked);
  stage.report(here, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id); }));
}

TEST_CASE("SIGTERM: no new delivery, wait for those under way, exit 0", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId first = stage.put_and_pull("s@x.example", {"a@test.example"});
  auto asked = stage.request(here);
  REQUIRE(asked);
  stage.process().signal(SIGTERM);
  usleep(200000);
  const QueueId second = stage.put_and_pull("s@x.example", {"b@test.example"});
  CHECK_FALSE(stage.request(here, 1));
  CHECK(stage.process().running());
  stage.report(here, asked->request.delivery, 'K', "");
  CHECK(stage.process().wait(5) == 0);
  CHECK(stage.gone(first));
  CHECK(stage.in_new(second));
  CHECK(stage.log().find("status: local 0/10 remote 0/20 exitasap\n") != std::string::npos);
  CHECK(stage.log().ends_with("status: exiting\n"));
}

TEST_CASE("SIGTERM leaves the rest of a message for the next start, at once", "[send]") {
  SendStage stage(Controls{{"concurrencylocal", "1\n"}});
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"a@test.example", "b@test.example"});
  auto asked = stage.request(here);
  REQUIRE(asked);
  stage.process().signal(SIGTERM);
  usleep(100000);
  stage.report(here, asked->request.delivery, 'K', "");
  CHECK(stage.process().wait(5) == 0);
  asked->message.reset();
  stage.start();
  const auto again = stage.request(here);
  REQUIRE(again);
  CHECK(again->request.recipient == "b@test.example");
  stage.report(here, again->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
}

TEST_CASE("SIGHUP rereads locals and virtualdomains", "[send]") {
  SendStage stage(Controls{{"locals", "old.example\n"}, {"virtualdomains", "v.example:joe\n"}});
  stage.start();
  stage.put_and_pull("s@x.example", {"a@new.example"});
  auto asked = stage.request(there);
  REQUIRE(asked);
  stage.report(there, asked->request.delivery, 'Z', "");
  set_control("locals", "new.example\n");
  set_control("virtualdomains", "w.example:jane\n");
  stage.process().signal(SIGHUP);
  usleep(200000);
  stage.put_and_pull("s@x.example", {"b@w.example", "b@v.example"});
  asked = stage.request(here);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "jane-b@w.example");
  auto far = stage.request(there);
  REQUIRE(far);
  CHECK(far->request.recipient == "b@v.example");
  // The deferred recipient is a local one now, and is not forgotten.
  stage.process().signal(SIGALRM);
  asked = stage.request(here);
  INFO(stage.log());
  REQUIRE(asked);
  CHECK(asked->request.recipient == "a@new.example");
}

TEST_CASE("a spawner that dies takes qmail-send along, after the other's deliveries", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId lost = stage.put_and_pull("s@x.example", {"a@test.example"});
  const QueueId far = stage.put_and_pull("s@x.example", {"b@far.example"});
  auto a = stage.request(here), b = stage.request(there);
  REQUIRE((a && b));
  stage.hang_up(here);
  CHECK(stage.logged("alert: oh no! lost spawn connection! dying...\n"));
  CHECK(stage.process().running());
  stage.report(there, b->request.delivery, 'K', "");
  CHECK(stage.process().wait(5) == 0);
  CHECK(stage.gone(far));
  CHECK(stage.in_new(lost));
  CHECK(stage.log().ends_with("status: exiting\n"));
}

TEST_CASE("qmail-clean's death ends qmail-send, and nothing is delivered twice for it", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"a@test.example"});
  auto asked = stage.request(here);
  REQUIRE(asked);
  stage.kill_cleaner();
  CHECK(stage.logged("alert: oh no! lost qmail-clean connection! dying...\n"));
  stage.report(here, asked->request.delivery, 'K', "");
  CHECK(stage.process().wait(5) == 0);
  CHECK(stage.state(id) == std::vector<StateRecord>{{StateType::done, 0, ""}});
  asked->message.reset();
  stage.start();
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK_FALSE(stage.request(here, 1));
}

TEST_CASE("reports that make no sense", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"a@test.example"});
  auto asked = stage.request(here);
  REQUIRE(asked);
  stage.say(here, encode_report({999, 'K', ""}));
  stage.say(here, "x");
  stage.say(there, encode_report({asked->request.delivery, 'K', ""}));  // the wrong spawner
  CHECK(eventually(
      [&] { return stage.times_logged("warning: internal error: delivery report out of range\n") == 3; }));
  std::string mangled = encode_report({asked->request.delivery, 'K', "x"});
  mangled[4] = 'Q';
  stage.say(here, mangled);
  CHECK(stage.logged("delivery 1: report mangled, will defer\n"));
  CHECK(eventually([&] { return stage.in_mess(id); }));
  CHECK(stage.process().running());
}

TEST_CASE("two qmail-send cannot run on one queue", "[send]") {
  SendStage stage;
  stage.start();
  CHECK(stage.logged("status: local 0/10"));
  const FdPair a = make_socketpair(SOCK_SEQPACKET), b = make_socketpair(SOCK_SEQPACKET),
               c = make_socketpair(SOCK_SEQPACKET);
  FdPair log = make_pipe();
  Start second{{installed("qmail-send")}};
  second.fds = {{0, log.second.get()},
                {2, log.second.get()},
                {3, a.first.get()},
                {4, b.first.get()},
                {5, c.first.get()}};
  Process process(second);
  log.second.reset();
  CHECK(process.wait(5) == 111);
  CHECK(all_of(log.first.get()) == "alert: cannot start: qmail-send is already running\n");
}

TEST_CASE("qmail-send does not start without control/me and locals, or without its partners", "[send]") {
  SendStage stage;
  SECTION("me") {
    set_control("me", "");
    stage.start();
    CHECK(stage.process().wait(5) == 111);
    CHECK(stage.log().find("alert: cannot start: ") == 0);
  }
  SECTION("partners") {
    FdPair log = make_pipe();
    Start start{{installed("qmail-send")}};
    start.fds = {{0, log.second.get()}, {2, log.second.get()}};
    Process process(start);
    log.second.reset();
    CHECK(process.wait(5) == 111);
    CHECK(all_of(log.first.get()) ==
          "alert: cannot start: descriptor 3 is no socket: qmail-send is started by qmail-start\n");
  }
}

TEST_CASE("damaged message files go to queue/bad and are kept", "[send]") {
  SendStage stage;
  const QueueId cut = stage.put("s@x.example", {"a@test.example"}, 20);
  CHECK(truncate(stage.paths().fresh(cut).c_str(), 1000) == 0);
  const QueueId bits = stage.put("s@x.example", {"a@test.example"}, 500, false);
  {
    const Fd fd = open_file(stage.paths().mess(bits), O_WRONLY);
    pwrite_all(fd.get(), "X", 270, "damage");  // in the envelope
  }
  const QueueId twin = stage.put("s@x.example", {"a@test.example"}, 10);
  CHECK(truncate(stage.paths().fresh(twin).c_str(), 0) == 0);
  { const Fd fd = open_file(stage.paths().bad(twin), O_WRONLY | O_CREAT, 0640); }
  const QueueId good = stage.put("s@x.example", {"good@test.example"}, 1);
  stage.served_until(200);
  stage.start();
  auto asked = stage.request(here);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "good@test.example");
  CHECK(eventually([&] { return stage.bad().size() == 4; }));
  CHECK(stage.bad() == std::vector<std::string>{bits.text(), cut.text(), twin.text(), twin.text() + ".1"});
  CHECK(stage.log().find("alert: damaged message file new/" + cut.text()) != std::string::npos);
  CHECK(stage.log().find("alert: damaged message file mess/") != std::string::npos);
  CHECK(stage.in_new(good));
}

TEST_CASE("a message that vanishes is forgotten", "[send]") {
  SendStage stage;
  stage.start();
  stage.pull_trigger(QueueId(12345));
  stage.put_and_pull("s@x.example", {"a@test.example"});
  REQUIRE(stage.request(here));
  CHECK(stage.log().find("12345\n") == std::string::npos);
}

TEST_CASE("an empty line in the trigger has queue/new looked through", "[send]") {
  SendStage stage;
  stage.start();
  REQUIRE(eventually([&] { return stage.log().find("status: local") != std::string::npos; }));
  stage.put("s@x.example", {"a@test.example"});  // nobody says so: its worker was killed after the link
  const Fd trigger = open_file(QueuePaths().lock("trigger"), O_RDWR | O_NONBLOCK);
  write_all(trigger.get(), "\n", "trigger");
  REQUIRE(stage.request(here));
}

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
    const std::string text = all_of(bounce->message.get());
    CHECK(text.find("\nFrom: \"Mail Robot\"@bounce.example\n") != std::string::npos);
    CHECK(text.find("\n<a@far.example>:\n550 no\n\n--- Below") != std::string::npos);
    CHECK(text.find("b@test.example") == std::string::npos);
    CHECK(text.ends_with("\nReturn-Path: <s@x.example>\nReceived: by the test\nSubject: x\n\nbody\n"));
    CHECK(stage.log().find("bounce msg " + id.text() + " qp ") != std::string::npos);
    CHECK(stage.log().find("end msg " + id.text()) > stage.log().find("bounce msg " + id.text()));
  }
  SECTION("a bounce that bounces: to postmaster, from #@[]") {
    const QueueId id = stage.put_and_pull("", {"nobody@far.example"});
    auto asked = stage.request(there);
    REQUIRE(asked);
    stage.report(there, asked->request.delivery, 'D', "550 no\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    const auto twice = stage.request(here);
    REQUIRE(twice);
    CHECK(twice->request.recipient == "postmaster@test.example");
    CHECK(twice->request.sender == "#@[]");
    CHECK(all_of(twice->message.get()).find("the bounce bounced!") != std::string::npos);
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

namespace {

// A message with parameters, as qmail-smtpd takes them.
QueuedEnvelope asking(const std::string& sender, const std::string& params,
                      std::vector<Recipient> recipients) {
  QueuedEnvelope envelope;
  envelope.sender = sender;
  envelope.params = params;
  envelope.recipients = std::move(recipients);
  return envelope;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Starts qmail-send and has it try everything now.
void start_and_try(SendStage& stage, const std::string& program) {
  const std::size_t before = stage.times_logged("status: local 0/10 remote 0/20\n");
  stage.start({{"QMAILQUEUE", program}});
  REQUIRE(eventually([&] { return stage.times_logged("status: local 0/10 remote 0/20\n") > before; }));
  stage.process().signal(SIGALRM);
}

// What the program of queue_program() was given last.
std::string kept(const SendStage& stage) {
  return slurp(stage.scratch("kept.message"));
}

}  // namespace

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
  const std::string text = all_of(bounce->message.get());
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
    const auto asked = stage.request(there);
    REQUIRE(asked);
    stage.report(there, asked->request.delivery, 'D', "550 no\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    CHECK(has(kept(stage), "message/rfc822\n") == row.whole);
    CHECK(has(kept(stage), "text/rfc822-headers\n") == !row.whole);
    CHECK(has(kept(stage), "0123456789\n") == row.whole);
    CHECK(has(kept(stage), "\nSubject: x\n"));
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
      const auto asked = stage.request(there);
      REQUIRE(asked);
      stage.report(there, asked->request.delivery, 'D', "550 no\n");
    }
    CHECK(eventually([&] { return stage.gone(id); }));
    CHECK(has(kept(stage), "<said@far.example>:"));
    CHECK_FALSE(has(kept(stage), "never@far.example"));
    CHECK_FALSE(has(kept(stage), "ok@far.example"));
  }
  SECTION("nobody does, of a bounce neither") {
    const char* sender = GENERATE("s@x.example", "");
    const QueueId id = stage.put(asking(sender, "", {{"a@far.example", "NOTIFY=NEVER"}}));
    stage.pull_trigger(id);
    const auto asked = stage.request(there);
    REQUIRE(asked);
    stage.report(there, asked->request.delivery, 'D', "550 no\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    CHECK(stage.stop() == 0);
    CHECK(kept(stage).empty());
    CHECK_FALSE(has(stage.log(), "bounce msg"));
  }
}

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
  const std::string text = kept(stage);
  CHECK(has(text, "Final-Recipient: rfc822; box@test.example\nAction: delivered\nStatus: 2.0.0\n"));
  CHECK(has(text, "Final-Recipient: rfc822; list@test.example\nAction: expanded\n"));
  CHECK(has(text,
            "Final-Recipient: rfc822; far@far.example\nAction: relayed\nStatus: 2.0.0\nRemote-MTA: dns; "
            "[192.0.2.1]\nDiagnostic-Code: smtp; 250 2.0.0 ok\n"));
  for (const char* other : {"dsn@", "silent@", "later@", "body"}) CHECK_FALSE(has(text, other));
  CHECK(slurp(stage.scratch("kept.envelope")) == "F|Ts@x.example||");
  CHECK(eventually([&] { return stage.in_mess(id); }));

  // Not told again, whatever becomes of the rest and of qmail-send.
  unlink(stage.scratch("kept.message").c_str());
  stage.kill();
  start_and_try(stage, program);
  answer(there, "later@far.example", 'K', accepted);
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK(has(kept(stage), "later@far.example"));
  CHECK_FALSE(has(kept(stage), "box@test.example"));
  CHECK(stage.times_logged("notice msg") == 2);
}

TEST_CASE("a success that could not be told is told after a start", "[send]") {
  SendStage stage;
  stage.start({{"QMAILQUEUE", stage.queue_program(53)}});
  const QueueId id = stage.put(asking("s@x.example", "", {{"a@test.example", "NOTIFY=SUCCESS"}}));
  stage.pull_trigger(id);
  const auto asked = stage.request(here);
  REQUIRE(asked);
  stage.report(here, asked->request.delivery, 'K', "did 1+0+0\n");
  CHECK(stage.logged("warning: trouble injecting bounce message, will try later"));
  CHECK(stage.state(id) == std::vector<StateRecord>{{StateType::done, 0, "did 1+0+0\n"}});
  CHECK(stage.stop() == 0);
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK(has(kept(stage), "Action: delivered\n"));
  CHECK_FALSE(stage.request(here, 1));
}

TEST_CASE("nobody is told of the success of a bounce", "[send]") {
  const char* sender = GENERATE("", "#@[]");
  SendStage stage;
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  const QueueId id = stage.put(asking(sender, "", {{"a@test.example", "NOTIFY=SUCCESS,DELAY"}}));
  stage.pull_trigger(id);
  const auto asked = stage.request(here);
  REQUIRE(asked);
  stage.report(here, asked->request.delivery, 'K', "did 1+0+0\n");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(stage.stop() == 0);
  CHECK(kept(stage).empty());
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
      const auto asked = stage.request(there);
      REQUIRE(asked);
      stage.report(
          there, asked->request.delivery, 'Z',
          "Connected to 192.0.2.1 but sender was rejected.\nRemote host said: 451 4.7.1 greylisted\n");
      if (row.told && round == 0) {
        CHECK(stage.logged("notice msg " + id.text() + " of delay qp "));
        CHECK(has(kept(stage),
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

TEST_CASE("a double bounce that comes back from outside is not bounced again", "[send]") {
  const char* format = GENERATE("dsn\n", "qsbmf\n");
  CAPTURE(format);
  SendStage stage(Controls{{"bounceformat", format}});
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  const auto fail = [&](const std::string& text) {
    const QueueId id = stage.put("", {"boss@far.example"}, 0, true, text);
    stage.pull_trigger(id);
    const auto asked = stage.request(there);
    REQUIRE(asked);
    stage.report(there, asked->request.delivery, 'D',
                 "554 too many hops, this message is looping (#5.4.6)\n");
    CHECK(eventually([&] { return stage.gone(id); }));
    return id;
  };
  fail("Subject: failure notice\n\nX-Double-Bounce: in the body\n");
  const std::string twice = kept(stage);
  REQUIRE(has(twice, "\nX-Double-Bounce: test.example\n"));
  CHECK(slurp(stage.scratch("kept.envelope")) == "F#@[]|Tpostmaster@test.example||");
  unlink(stage.scratch("kept.message").c_str());
  const QueueId again = fail("Received: from elsewhere\n" + twice);
  CHECK(stage.logged("triple bounce: discarding new/" + again.text()));
  CHECK(stage.stop() == 0);
  CHECK(kept(stage).empty());
}

TEST_CASE("the operator's words, and files that mean nothing", "[send]") {
  SendStage stage(
      Controls{{"bouncetext", "[failure]\nSubject: 不達\n\n{recipients}連絡先 {host}\n[what]\nx\n"},
               {"bouncelanguage", "ja\n"},
               {"bounceformat", "rfc\n"}});
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  const QueueId id = stage.put_and_pull("s@x.example", {"a@far.example"});
  const auto asked = stage.request(there);
  REQUIRE(asked);
  stage.report(there, asked->request.delivery, 'D', "no (#5.1.1)\n");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(has(kept(stage), "Subject: =?UTF-8?B?5LiN6YGU?=\n"));
  CHECK(has(kept(stage), "=E9=80=A3=E7=B5=A1=E5=85=88 test.example\n"));
  CHECK_FALSE(has(kept(stage), "There is no such address"));
  CHECK(has(stage.log(), "warning: control/bouncetext has a section [what] that means nothing\n"));
  CHECK(has(stage.log(), "warning: control/bounceformat is neither dsn nor qsbmf; it means dsn\n"));
}

TEST_CASE("a storm of bounces is worked off", "[send]") {
  SendStage stage;
  stage.start({{"QMAILQUEUE", stage.queue_program(0)}});
  constexpr int many = 120;  // more than wait in memory
  for (int i = 0; i < many; ++i) stage.put_and_pull("s@x.example", {"u@test.example"});
  for (int i = 0; i < many; ++i) {
    const auto asked = stage.request(here);
    REQUIRE(asked);
    stage.report(here, asked->request.delivery, 'D', "no\n");
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
    auto asked = stage.request(there);
    REQUIRE(asked);
    stage.report(there, asked->request.delivery, 'Z', "later");
  }
  CHECK(eventually([&] { return stage.gone(old); }));
  CHECK(stage.in_mess(young));
  CHECK(
      slurp(stage.scratch("kept.message"))
          .find("<a@far.example>:\nlater\nI'm not going to try again; this message has been in the queue too "
                "long.\n") != std::string::npos);
  CHECK(slurp(stage.scratch("kept.envelope")) == "F|Ts@x.example||");
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
    const auto asked = stage.request(there);
    REQUIRE(asked);
    stage.report(there, asked->request.delivery, 'D', "550 no\n");
    CHECK(stage.logged(row.says));
    CHECK(eventually([&] { return stage.bad().size() == (row.bad ? 1U : 0U); }));
    CHECK(stage.gone(id) == !row.kept);
    if (row.bad) CHECK(slurp(stage.scratch("kept.envelope")) == "F#@[]|Tboss@head.example||");
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
  const auto asked = stage.request(there);
  REQUIRE(asked);
  stage.report(there, asked->request.delivery, 'D', "550 no\n");
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

TEST_CASE("a slow spawner does not stop the other", "[send]") {
  SendStage stage(Controls{{"concurrencyremote", "5000\n"}});
  std::vector<std::string> recipients;
  for (int i = 0; i < 5000; ++i) recipients.push_back("u@far" + std::to_string(i) + ".example");
  stage.put("list@x.example", recipients);
  stage.start();  // nobody reads the remote socket
  CHECK(stage.logged("to remote u@far10.example"));
  const QueueId id = stage.put_and_pull("s@x.example", {"a@test.example"});
  const auto near = stage.request(here);
  REQUIRE(near);
  stage.report(here, near->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id); }));
  std::size_t n = 0;
  while (stage.request(there, 2)) ++n;
  CHECK(n == 5000);
}

TEST_CASE("what cannot be recorded is kept in mind: nobody gets it twice while the disk is full", "[send]") {
  const bool failure =
      GENERATE(false, true);  // the other recipient's: a deferral, or a failure without a gate
  CAPTURE(failure);
  SendStage stage;
  stage.start();
  REQUIRE(stage.logged("status: local 0/10"));
  const QueueId id = stage.put("s@x.example", {"a@test.example", "b@test.example"});
  mkdir(stage.paths().state(id).c_str(), 0700);  // nothing can be written there
  stage.pull_trigger(id);
  for (int i = 0; i < 2; ++i) {
    const auto asked = stage.request(here);
    REQUIRE(asked);
    const bool first = asked->request.recipient.starts_with("a");
    stage.report(here, asked->request.delivery, first ? 'K' : failure ? 'D' : 'Z', "x");
  }
  CHECK(stage.logged("message will be delivered twice!"));
  for (int round = 0; round < 2; ++round) {
    usleep(300000);
    stage.process().signal(SIGALRM);
    const auto again = stage.request(here, failure ? 2 : 10);
    CHECK(again.has_value() == !failure);
    if (!again) continue;
    CHECK(again->request.recipient == "b@test.example");
    stage.report(here, again->request.delivery, round == 0 ? 'Z' : 'K', "x");
  }
  if (!failure) CHECK(eventually([&] { return stage.gone(id); }));
  rmdir(stage.paths().state(id).c_str());
}

TEST_CASE("a message's reports have a limit all together", "[send]") {
  SendStage stage(Controls{{"concurrencylocal", "100\n"}});
  stage.start();
  std::vector<std::string> recipients;
  for (int i = 0; i < 2000; ++i) recipients.push_back(std::to_string(i) + "@test.example");
  recipients.push_back("last@far.example");
  const QueueId id = stage.put_and_pull("s@x.example", recipients);
  for (int i = 0; i < 2000; ++i) {
    const auto asked = stage.request(here);
    REQUIRE(asked);
    stage.report(here, asked->request.delivery, 'D', std::string(60000, 'x'));
  }
  CHECK(eventually([&] { return stage.state(id).size() == 2000; }));
  std::size_t bytes = 0;
  for (const StateRecord& record : stage.state(id)) bytes += record.text.size();
  CHECK(bytes > (16U << 20));
  CHECK(bytes < (17U << 20));
}

TEST_CASE("states without a message are removed at the start", "[send]") {
  SendStage stage;
  const QueueId id = stage.put("s@x.example", {"a@test.example", "b@test.example"}, 120, false);
  const QueueId stray(id.value() + 1);
  for (const QueueId of : {id, stray}) {
    MessageKey key;
    key.fill(static_cast<char>(of.value()));
    StateFile(stage.paths().state(of), key).append({StateType::done, 0, ""});
    REQUIRE(chown(stage.paths().state(of).c_str(), 0, 0) == 0);
    chmod(stage.paths().state(of).c_str(), 0666);
  }
  stage.start();
  CHECK(stage.logged("status: local 0/10"));
  CHECK(eventually([&] { return !stage.has_state(stray); }));
  CHECK(stage.has_state(id));
}
