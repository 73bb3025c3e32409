// The real qmail-send and qmail-clean; the test plays the spawners. qmail-send(8), qmail-log(5), design.md 4.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

TEST_CASE("a message is delivered at once and leaves nothing behind", "[send]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"u@test.example"});
  const auto asked = stage.request(here);
  REQUIRE(asked);
  CHECK(asked->request.sender == "s@x.example");
  CHECK(asked->request.recipient == "u@test.example");
  CHECK(asked->request.trace.size() == 13);
  CHECK(read_to_end(asked->message.get()) == "Received: by the test\nSubject: x\n\nbody\n");
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
    stage.answer(here, 'K');
  }
  for (const QueueId id : ids) CHECK(eventually([&] { return stage.gone(id); }));
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
  CHECK(read_to_end(log.first.get()) == "alert: cannot start: qmail-send is already running\n");
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
    CHECK(read_to_end(log.first.get()) ==
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

TEST_CASE("a slow spawner does not stop the other", "[send]") {
  SendStage stage(Controls{{"concurrencyremote", "5000\n"}});
  std::vector<std::string> recipients;
  for (int i = 0; i < 5000; ++i) recipients.push_back("u@far" + std::to_string(i) + ".example");
  stage.put("list@x.example", recipients);
  stage.start();  // nobody reads the remote socket
  CHECK(stage.logged("to remote u@far10.example"));
  const QueueId id = stage.put_and_pull("s@x.example", {"a@test.example"});
  stage.answer(here, 'K');
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
    stage.answer(here, 'D', std::string(60000, 'x'));
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
