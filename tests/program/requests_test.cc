// What the operator and ETRN ask of the real qmail-send and qmail-clean over gate/send/s; the test plays the
// spawners. qmail-sendsocket(5).
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/net/send_channel.h"
#include "tests/catch.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

using Said = RequestOutcome;

SendRequest request(RequestVerb verb, QueueId id, std::vector<std::uint32_t> recipients = {},
                    const std::string& text = "") {
  SendRequest asked;
  asked.verb = verb;
  asked.id = id;
  asked.recipients = std::move(recipients);
  asked.text = text;
  return asked;
}

SendRequest flush_of(const std::string& domain) {
  SendRequest asked;
  asked.verb = RequestVerb::flush;
  asked.domain = domain;
  return asked;
}

class Operator {
 public:
  Operator() {
    REQUIRE(eventually([&] { return channel_.connect(send_socket_path()); }));
  }
  std::vector<SendAnswer> ask(const std::vector<SendRequest>& requests) { return channel_.ask(requests, 20); }
  SendAnswer ask(const SendRequest& one) { return ask(std::vector<SendRequest>{one}).at(0); }

 private:
  SendChannel channel_;
};

SendAnswer done(std::uint64_t number = 0) {
  return {Said::done, number, ""};
}

bool held_on_disk(const SendStage& stage, QueueId id) {
  return access(stage.paths().hold(id).c_str(), F_OK) == 0;
}

// What a process of another user is answered; nullopt when it is not let in.
std::optional<SendAnswer> asked_as(const char* user, const SendRequest& what) {
  const User known = passwd_user(std::string(user)).value();
  FdPair pipe = make_pipe();
  const pid_t pid = fork_child("asker", [&]() -> int {
    become(known.uid, known.gid);
    SendChannel channel;
    if (!channel.connect(send_socket_path())) return 1;
    write_all(pipe.second.get(), encode_answer(channel.ask({what}, 10).at(0)), "answer");
    return 0;
  });
  pipe.second.reset();
  const std::string line = read_all(pipe.first.get(), 1000, "answer").value_or("");
  wait_for_child(pid);
  if (line.empty()) return std::nullopt;
  return decode_answer_line(std::string_view(line).substr(0, line.size() - 1));
}

}  // namespace

TEST_CASE("a held message is not tried until it is released, also after a kill and a restart", "[requests]") {
  SendStage stage;
  const QueueId id = stage.put("s@x.example", {"u@far.example"}, 350, false);
  const QueueId other = stage.put("s@x.example", {"v@far.example"}, 350, false);
  stage.start();
  {
    Operator op;
    CHECK(op.ask(request(RequestVerb::hold, id)) == done());
    CHECK(held_on_disk(stage, id));
    CHECK(op.ask(request(RequestVerb::hold, id)) == done());  // no harm
    CHECK(op.ask(request(RequestVerb::hold, QueueId(7))).outcome == Said::none);
    stage.process().signal(SIGALRM);
    auto asked = stage.request(there);
    REQUIRE(asked);
    CHECK(asked->request.recipient == "v@far.example");
    stage.report(there, asked->request.delivery, 'Z', "no");
    CHECK_FALSE(stage.request(there, 1));
  }
  stage.kill();
  stage.served_until(500);  // every message has a slot that was missed
  stage.start();
  auto asked = stage.request(there);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "v@far.example");
  stage.report(there, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(other); }));
  CHECK_FALSE(stage.request(there, 1));
  Operator op;
  CHECK(op.ask(request(RequestVerb::release, id)) == done());
  CHECK_FALSE(held_on_disk(stage, id));
  asked = stage.request(there);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "u@far.example");
  stage.report(there, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK_FALSE(stage.request(there, 1));  // one attempt, not one for each list it was on
  CHECK(op.ask(request(RequestVerb::release, id)).outcome == Said::none);
  CHECK(stage.stop() == 0);
}

TEST_CASE("holding a message while it is delivered stops the recipients that are left", "[requests]") {
  SendStage stage(Controls{{"concurrencyremote", "1\n"}});
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"a@far.example", "b@far.example", "c@far.example"});
  auto asked = stage.request(there);
  REQUIRE(asked);
  Operator op;
  CHECK(op.ask(request(RequestVerb::hold, id)) == done(1));
  stage.report(there, asked->request.delivery, 'K', "");
  CHECK_FALSE(stage.request(there, 1));
  CHECK(eventually([&] { return stage.in_mess(id); }));
  CHECK(op.ask(request(RequestVerb::release, id)) == done());
  for (const char* left : {"b@far.example", "c@far.example"}) {
    asked = stage.request(there);
    REQUIRE(asked);
    CHECK(asked->request.recipient == left);
    stage.report(there, asked->request.delivery, 'K', "");
  }
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK(stage.stop() == 0);
}

TEST_CASE("a message that ends while it is held leaves no mark behind", "[requests]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"a@far.example"});
  const auto asked = stage.request(there);
  REQUIRE(asked);
  Operator op;
  CHECK(op.ask(request(RequestVerb::hold, id)) == done(1));
  stage.report(there, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id) && !held_on_disk(stage, id); }));
  // and one whose end left it, because the machine went down
  CHECK(stage.stop() == 0);
  close(open(stage.paths().hold(id).c_str(), O_WRONLY | O_CREAT, 0640));
  stage.start();
  CHECK(eventually([&] { return !held_on_disk(stage, id); }));
}

TEST_CASE("a new message that was held before qmail-send ran is announced when it is released",
          "[requests]") {
  SendStage stage;
  const QueueId id = stage.put("s@x.example", {"u@test.example"});
  close(open(stage.paths().hold(id).c_str(), O_WRONLY | O_CREAT, 0640));
  stage.start();
  CHECK_FALSE(stage.request(here, 1));
  CHECK(stage.times_logged("new msg") == 0);
  CHECK(Operator().ask(request(RequestVerb::release, id)) == done());
  const auto asked = stage.request(here);
  REQUIRE(asked);
  stage.report(here, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK(stage.times_logged("new msg") == 1);
}

TEST_CASE("a message is removed, deferred or new, and never tried again", "[requests]") {
  SendStage stage(Controls{{"concurrencylocal", "0\n"}});
  const QueueId deferred = stage.put("s@x.example", {"u@far.example"}, 350, false);
  stage.start();
  const QueueId fresh = stage.put_and_pull("s@x.example", {"u@test.example"});  // local is on hold
  CHECK(stage.logged("new msg " + fresh.text()));
  Operator op;
  const std::vector<SendAnswer> answers =
      op.ask({request(RequestVerb::remove, deferred), request(RequestVerb::remove, fresh),
              request(RequestVerb::remove, QueueId(9))});
  CHECK(answers == std::vector<SendAnswer>{done(), done(), {Said::none, 0, ""}});
  CHECK(stage.gone(deferred));
  CHECK(stage.gone(fresh));
  stage.process().signal(SIGALRM);
  CHECK_FALSE(stage.request(there, 1));
  CHECK(op.ask(request(RequestVerb::remove, deferred)).outcome == Said::none);
  CHECK(stage.logged("removed msg " + deferred.text() + " by uid 0\n"));
  CHECK(stage.logged("end msg " + deferred.text() + "\n"));
  CHECK(stage.stop() == 0);
}

TEST_CASE("removing a message while it is delivered: what is under way ends, nothing bounces", "[requests]") {
  SendStage stage(Controls{{"concurrencyremote", "2\n"}, {"concurrencyremotehost", "2\n"}});
  stage.start();
  const QueueId id = stage.put_and_pull(
      "s@x.example", {"a@far.example", "b@far.example", "c@far.example", "d@test.example"});
  const auto one = stage.request(there), two = stage.request(there), local = stage.request(here);
  REQUIRE(one);
  REQUIRE(two);
  REQUIRE(local);
  const char end = GENERATE('K', 'Z', 'D');
  CAPTURE(end);
  stage.report(here, local->request.delivery, 'D', "550 no such user\n");
  CHECK(stage.logged("failure: "));
  Operator op;
  CHECK(op.ask(request(RequestVerb::remove, id)) == done(2));
  CHECK(stage.gone(id));
  stage.report(there, one->request.delivery, end, "what came of it\n");
  stage.report(there, two->request.delivery, 'Z', "later\n");
  CHECK(stage.logged("end msg " + id.text()));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(eventually([&] { return !stage.has_state(id); }));
  CHECK(stage.log().find("bounce") == std::string::npos);
  CHECK(stage.stop() == 0);
}

TEST_CASE("single recipients are removed, and the rest is delivered", "[requests]") {
  SendStage stage;
  const QueueId id =
      stage.put("s@x.example", {"a@far.example", "b@far.example", "c@far.example"}, 350, false);
  stage.start();
  Operator op;
  CHECK(op.ask(request(RequestVerb::remove, id, {0, 2})) == done());
  CHECK(op.ask(request(RequestVerb::remove, id, {0})).outcome == Said::none);
  CHECK(op.ask(request(RequestVerb::remove, id, {3})).outcome == Said::none);
  CHECK(stage.state(id) ==
        std::vector<StateRecord>{{StateType::removed, 0, "uid 0"}, {StateType::removed, 2, "uid 0"}});
  stage.kill();  // what was answered stays
  stage.start();
  CHECK(Operator().ask(request(RequestVerb::retry, id)) == done());
  const auto asked = stage.request(there);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "b@far.example");
  stage.report(there, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(stage.stop() == 0);
}

TEST_CASE("the last recipient that is removed ends the message, also one that is held", "[requests]") {
  SendStage stage;
  const bool held = GENERATE(false, true);
  const QueueId id = stage.put("s@x.example", {"a@far.example", "b@far.example"}, 350, false);
  stage.start();
  Operator op;
  if (held) CHECK(op.ask(request(RequestVerb::hold, id)) == done());
  CHECK(op.ask(request(RequestVerb::remove, id, {0, 1})) == done());
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id) && !held_on_disk(stage, id); }));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(stage.logged("end msg " + id.text()));
  CHECK(stage.stop() == 0);
}

TEST_CASE("a recipient that is removed while his delivery is under way is not tried again", "[requests]") {
  SendStage stage;
  stage.start();
  const QueueId id = stage.put_and_pull("s@x.example", {"a@far.example", "b@far.example"});
  const auto one = stage.request(there), two = stage.request(there);
  REQUIRE(one);
  REQUIRE(two);
  CHECK(Operator().ask(request(RequestVerb::remove, id, {0})) == done(1));
  stage.report(there, one->request.delivery, 'Z', "later");
  stage.report(there, two->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK(stage.stop() == 0);
}

TEST_CASE("a message is removed with a bounce in the operator's words", "[requests]") {
  SendStage stage;
  const std::string program = stage.queue_program(0);
  const bool held = GENERATE(false, true);
  const QueueId id = stage.put("s@x.example", {"a@far.example", "b@far.example"}, 350, false);
  stage.start({{"QMAILQUEUE", program}});
  Operator op;
  if (held) CHECK(op.ask(request(RequestVerb::hold, id)) == done());
  CHECK(op.ask(request(RequestVerb::bounce, id, {}, "The account was closed.")) == done());
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id) && !held_on_disk(stage, id); }));
  for (const char* recipient : {"a@far.example", "b@far.example"})
    CHECK(has(stage.kept_message(), recipient));
  CHECK(has(stage.kept_message(), "The account was closed."));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(stage.stop() == 0);
}

TEST_CASE("retry and flush try now what they name and nothing else, and once", "[requests]") {
  SendStage stage;
  const QueueId one = stage.put("s@x.example", {"a@one.example"}, 350, false);
  const QueueId two = stage.put("s@x.example", {"b@two.example", "c@One.Example"}, 340, false);
  const QueueId three = stage.put("s@x.example", {"d@sub.one.example", "e@test.example"}, 330, false);
  const QueueId four = stage.put("s@x.example", {"f@four.example"}, 320, false);
  stage.start();
  Operator op;
  const auto tried = [&] {
    std::vector<std::string> recipients;
    while (const auto asked = stage.request(there, 2)) {
      recipients.push_back(asked->request.recipient);
      stage.report(there, asked->request.delivery, 'Z', "no");
    }
    std::sort(recipients.begin(), recipients.end());
    return recipients;
  };
  using List = std::vector<std::string>;
  CHECK(op.ask({request(RequestVerb::retry, one), request(RequestVerb::retry, QueueId(5)),
                request(RequestVerb::retry, four)}) ==
        std::vector<SendAnswer>{done(), {Said::none, 0, ""}, done()});
  CHECK(tried() == List{"a@one.example", "f@four.example"});
  CHECK(op.ask(flush_of("one.example")) == done(2));
  CHECK(tried() == List{"a@one.example", "b@two.example", "c@One.Example"});
  CHECK(op.ask(flush_of("nowhere.example")) == done(0));
  CHECK(op.ask(flush_of(".one.example")) == done(3));
  CHECK(tried() == List{"a@one.example", "b@two.example", "c@One.Example", "d@sub.one.example"});
  CHECK(op.ask(request(RequestVerb::retry, three)) == done());
  CHECK(tried() == List{"d@sub.one.example"});
  while (const auto local = stage.request(here, 1)) stage.report(here, local->request.delivery, 'Z', "no");
  for (const QueueId id : {one, two, three, four}) CHECK(stage.in_mess(id));
  CHECK(stage.stop() == 0);
}

TEST_CASE("who may ask for what", "[requests]") {
  SendStage stage;
  const QueueId id = stage.put("s@x.example", {"a@far.example"}, 350, false);
  stage.start();
  Operator up;
  SendRequest status;
  const auto numbers = asked_as(conf::user_qmails, status);
  REQUIRE(numbers);
  CHECK(numbers->outcome == Said::done);
  CHECK(numbers->text.find("remotelimit=20") != std::string::npos);
  CHECK(asked_as(conf::user_qmaild, flush_of("nowhere.example")) == done(0));
  for (const SendRequest& other : {status, request(RequestVerb::hold, id), request(RequestVerb::remove, id),
                                   request(RequestVerb::retry, id)}) {
    const auto answer = asked_as(conf::user_qmaild, other);
    REQUIRE(answer);
    CHECK(answer->outcome == Said::refused);
  }
  for (const char* stranger : {"nobody", conf::user_qmailr})
    CHECK_FALSE(asked_as(stranger, flush_of("far.example")));
  CHECK(stage.in_mess(id));
  CHECK(stage.stop() == 0);
}

TEST_CASE("hundreds of requests and messages at once, and a crowd of askers", "[requests]") {
  SendStage stage(Controls{{"concurrencyremote", "0\n"}});
  std::vector<SendRequest> hold, release, remove;
  for (int i = 0; i < 600; ++i) {
    const QueueId id = stage.put("s@x.example", {"a@far.example"}, 600, i % 2 == 0);
    hold.push_back(request(RequestVerb::hold, id));
    release.push_back(request(RequestVerb::release, id));
    remove.push_back(request(RequestVerb::remove, id));
  }
  stage.start();
  std::vector<std::unique_ptr<SendChannel>> idle;
  for (std::size_t i = 0; i < 2 * 32; ++i) {
    idle.push_back(std::make_unique<SendChannel>());
    eventually([&] { return idle.back()->connect(send_socket_path()); });
  }
  Operator op;
  const auto all_done = [](const std::vector<SendAnswer>& answers) {
    return answers.size() == 600 &&
           std::all_of(answers.begin(), answers.end(), [](const SendAnswer& a) { return a == done(); });
  };
  CHECK(all_done(op.ask(hold)));
  CHECK(names_in(stage.paths().queue + "/hold").size() == 600);
  CHECK(all_done(op.ask(release)));
  CHECK(names_in(stage.paths().queue + "/hold").empty());
  CHECK(all_done(op.ask(remove)));
  for (const SendRequest& one : remove) CHECK(stage.gone(one.id));
  CHECK(stage.stop() == 0);
}
