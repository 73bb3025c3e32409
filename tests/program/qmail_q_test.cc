// qmail-q, qmail-flush and ETRN as executables, with qmail-send running and without. qmail-q(8),
// qmail-flush(8), qmail-smtpd(8).
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/net/send_channel.h"
#include "tests/catch.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

Outcome q(std::vector<std::string> words, const std::string& input = "", uid_t uid = 0, gid_t gid = 0) {
  words.insert(words.begin(), installed("qmail-q"));
  Start start{words};
  start.uid = uid, start.gid = gid;
  return run(start, input, 60);
}

void wait_until_it_listens() {
  REQUIRE(eventually([] {
    SendChannel channel;
    return channel.connect(send_socket_path());
  }));
}

bool held_on_disk(const SendStage& stage, QueueId id) {
  return access(stage.paths().hold(id).c_str(), F_OK) == 0;
}

struct Owner {
  uid_t uid;
  mode_t mode;
};
Owner owner_of(const std::string& path) {
  struct stat st {};
  REQUIRE(stat(path.c_str(), &st) == 0);
  return {st.st_uid, static_cast<mode_t>(st.st_mode & 07777)};
}

std::string last_line(const std::string& text) {
  const std::size_t before = text.rfind('\n', text.size() - 2);
  return text.substr(before == std::string::npos ? 0 : before + 1);
}

}  // namespace

TEST_CASE("qmail-q lists, counts and shows", "[qmail-q]") {
  SendStage stage;
  const QueueId one =
      stage.put("joe@one.example", {"a@far.example", "b@far.example", "c@test.example"}, 7300, false);
  const QueueId two = stage.put("", {"d@other.example"}, 100, true);
  const QueueId three = stage.put("joe@one.example", {"e@far.example"}, 50, false);
  CHECK(q({"hold", three.text()}).out == "1 message held\n");

  const Outcome list = q({"list", "--older", "1s"});
  CHECK(list.code == 0);
  CHECK(list.err == "");
  CHECK(list.out.find(one.text() + "   2h    39  deferred  <joe@one.example>  a@far.example +2\n") == 0);
  CHECK(list.out.find("  held      <joe@one.example>  e@far.example\n") != std::string::npos);
  CHECK(last_line(list.out) == "-- 3 messages, 1 held; the queue has 3\n");
  CHECK(q({"list", "--ids", "--domain", "far.example"}).out == one.text() + "\n" + three.text() + "\n");
  CHECK(q({"list", "--ids", "--sender", "<>"}).out == two.text() + "\n");
  CHECK(q({"list", "--ids", "--uid", "1234", "--limit", "1"}).out == one.text() + "\n");
  CHECK(q({"list", "--ids", "--uid", "77"}).out == "");
  CHECK(q({"list", "--by", "domain"}).out ==
        "       2  far.example\n       1  other.example\n       1  test.example\n");
  CHECK(q({"list", "--by", "sender", "--json", "--limit", "1"}).out ==
        "{\"sender\":\"<joe@one.example>\",\"messages\":2}\n");
  const Outcome json = q({"list", "--json", "--state", "held"});
  CHECK(json.out.find("{\"id\":\"" + three.text() + "\",") == 0);
  CHECK(json.out.find("\"held\":true,") != std::string::npos);
  CHECK(q({"list", "17"}).code == 1);

  const Outcome show = q({"show", one.text(), "--headers"});
  CHECK(show.code == 0);
  CHECK(show.out.find("message    " + one.text() + "\n") == 0);
  CHECK(show.out.find("sender     <joe@one.example>\n") != std::string::npos);
  CHECK(show.out.find("  pending    remote  a@far.example  next attempt in ") != std::string::npos);
  CHECK(show.out.ends_with("\n\nReceived: by the test\nSubject: x\n"));
  CHECK(q({"show", one.text(), "--message"}).out.ends_with("Subject: x\n\nbody\n"));
  CHECK(q({"show", "17"}).code == 1);

  // who may
  const gid_t qmail = *group_id(conf::group_qmail);
  CHECK(q({"list", "--ids"}, "", 61501, qmail).out == q({"list", "--ids"}).out);
  const Outcome stranger = q({"list"}, "", 61501, 61501);
  CHECK(stranger.code == 111);
  CHECK(stranger.err.find("run this as root") != std::string::npos);
  CHECK(q({"remove", "--all"}, "", 61501, qmail).code == 111);
  CHECK(q({"remove", "--all"}, "", 61501, 61501).code == 111);
  CHECK(stage.in_mess(one));
  CHECK(q({"nonsense"}).code == 100);
}

TEST_CASE("qmail-q works on the files while qmail-send is not running", "[qmail-q]") {
  SendStage stage;
  const QueueId one = stage.put("s@x.example", {"a@one.example", "b@two.example"}, 350, false);
  const QueueId two = stage.put("s@x.example", {"c@two.example"}, 340, true);
  const QueueId three = stage.put("t@x.example", {"d@three.example"}, 330, false);
  const uid_t qmailq = passwd_user(std::string(conf::user_qmailq))->uid,
              qmails = passwd_user(std::string(conf::user_qmails))->uid;

  CHECK(q({"hold", "--sender", "s@x.example", "-n"}).out ==
        one.text() + "\n" + two.text() + "\nwould hold 2 messages\n");
  CHECK_FALSE(held_on_disk(stage, one));
  CHECK(q({"hold", "--sender", "s@x.example"}).out == "2 messages held\n");
  CHECK(held_on_disk(stage, one));
  CHECK(owner_of(stage.paths().hold(one)).uid == qmailq);
  CHECK(owner_of(stage.paths().hold(one)).mode == 0640);
  CHECK(run({{installed("qmail-qstat")}}).out ==
        "messages in queue: 3\nmessages in queue but not yet preprocessed: 1\nmessages on hold: 2\n");
  CHECK(run({{installed("qmail-qread")}}).out.find("<s@x.example>  held\n") != std::string::npos);

  CHECK(q({"remove", "--domain", "two.example", "--recipients-only"}).out ==
        "2 recipients of 2 messages removed\n");
  CHECK(stage.state(one) == std::vector<StateRecord>{{StateType::removed, 1, "uid 0"}});
  CHECK(owner_of(stage.paths().state(one)).uid == qmails);
  CHECK_FALSE(held_on_disk(stage, two));  // nothing of it is left to hold
  CHECK(q({"show", one.text()}).out.find("  removed    remote  b@two.example\n             uid 0\n") !=
        std::string::npos);
  CHECK(q({"list", "--ids", "--long"}).code == 0);

  const Outcome retry = q({"retry", one.text()});
  CHECK(retry.code == 111);
  CHECK(retry.err.find("qmail-send is not running") != std::string::npos);
  CHECK(q({"release", "--all"}).out == "1 message released\n");
  const Outcome removed = q({"remove", "17", three.text(), "--json"});
  CHECK(removed.out ==
        "{\"action\":\"remove\",\"dryrun\":false,\"selected\":1,\"recipients\":0,\"done\":1,"
        "\"delivering\":0,\"gone\":1,\"failed\":0}\n");
  CHECK(stage.gone(three));
  CHECK(q({"remove", three.text()}).code == 1);

  // qmail-send finds it all as it was left
  stage.start();
  wait_until_it_listens();
  CHECK(q({"retry", one.text()}).out == "1 message being tried now\n");
  const auto asked = stage.request(there);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "a@one.example");
  stage.report(there, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(one) && stage.gone(two); }));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(stage.stop() == 0);
}

TEST_CASE("qmail-q and a qmail-send that delivers: hundreds of messages held, released, removed and retried",
          "[qmail-q]") {
  SendStage stage(Controls{{"concurrencyremote", "3\n"}});
  constexpr int crowd = 300;
  std::vector<QueueId> spam, good;
  for (int i = 0; i < crowd; ++i) {
    spam.push_back(stage.put("spam" + std::to_string(i) + "@bad.example",
                             {"u@far" + std::to_string(i) + ".example"}, 350, i % 3 == 0));
    if (i % 10 == 0)
      good.push_back(
          stage.put("friend@good.example", {"v@near" + std::to_string(i) + ".example"}, 350, false));
  }
  stage.start();
  wait_until_it_listens();
  // three deliveries are under way
  std::vector<Asked> going;
  for (int i = 0; i < 3; ++i) going.push_back(stage.request(there).value());
  const Outcome hold = q({"hold", "--sender", "@bad.example"});
  CHECK(hold.code == 0);
  CHECK(hold.out.find("300 messages held") == 0);
  CHECK(hold.out.find("; 3 deliveries were under way and may still arrive\n") != std::string::npos);
  for (const Asked& one : going) stage.report(there, one.request.delivery, 'Z', "busy");
  CHECK_FALSE(stage.request(there, 1));

  CHECK(q({"retry", "--sender", "@good.example"}).out == "30 messages being tried now\n");
  for (std::size_t i = 0; i < good.size(); ++i) {
    const auto asked = stage.request(there);
    REQUIRE(asked);
    CHECK(asked->request.sender == "friend@good.example");
    stage.report(there, asked->request.delivery, 'K', "");
  }
  for (const QueueId id : good) CHECK(eventually([&] { return stage.gone(id); }));

  const std::string ids = q({"list", "--ids", "--sender", "spam1?@*"}).out;
  CHECK(std::count(ids.begin(), ids.end(), '\n') == 10);
  CHECK(q({"release", "-"}, ids).out == "10 messages released\n");
  for (int i = 0; i < 10; ++i) {
    const auto asked = stage.request(there);
    REQUIRE(asked);
    CHECK(asked->request.sender.find("spam1") == 0);
    stage.report(there, asked->request.delivery, 'Z', "no");
  }
  CHECK_FALSE(stage.request(there, 1));
  const Outcome removed = q({"remove", "--sender", "@bad.example"});
  CHECK(removed.out == "300 messages removed\n");
  for (const QueueId id : spam) CHECK((stage.gone(id) && !held_on_disk(stage, id)));
  stage.kill();
  stage.served_until(600);
  stage.start();
  CHECK_FALSE(stage.request(there, 2));
  CHECK(names_in(stage.paths().queue + "/hold").empty());
  CHECK(stage.stop() == 0);
}

TEST_CASE("a message is removed with a bounce", "[qmail-q]") {
  SendStage stage;
  const std::string program = stage.queue_program(0);
  const bool running = GENERATE(true, false);
  CAPTURE(running);
  const QueueId id = stage.put("s@x.example", {"a@far.example", "b@near.example"}, 350, false);
  if (running) {
    stage.start({{"QMAILQUEUE", program}});
    wait_until_it_listens();
  }
  CHECK(q({"remove", id.text(), "--bounce", "--reason", "Our mistake: nobody is to get this."}).out ==
        "1 message removed, their senders are told\n");
  if (!running) stage.start({{"QMAILQUEUE", program}});
  CHECK(eventually([&] { return stage.gone(id) && !stage.has_state(id); }));
  CHECK(has(stage.kept_message(), "Our mistake: nobody is to get this."));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(stage.stop() == 0);
}

TEST_CASE("qmail-q status", "[qmail-q]") {
  SendStage stage;
  stage.start();
  wait_until_it_listens();
  const Outcome status = q({"status", "--json"});
  CHECK(status.code == 0);
  CHECK(status.out.find("{\"local\":0,\"locallimit\":10,\"remote\":0,\"remotelimit\":20,") == 0);
  CHECK(q({"status"}).out.find("remotelimit 20\n") != std::string::npos);
  CHECK(stage.stop() == 0);
  CHECK(q({"status"}).err.find("qmail-send is not running") != std::string::npos);
}

TEST_CASE("qmail-flush tries a host's messages although it is out of order", "[qmail-flush]") {
  SendStage stage;
  const QueueId id = stage.put("s@x.example", {"a@far.example"}, 350, false);
  stage.put("s@x.example", {"b@other.example"}, 350, false);
  const auto flush = [](std::vector<std::string> hosts) {
    hosts.insert(hosts.begin(), installed("qmail-flush"));
    return run({hosts}, "", 60);
  };
  const Outcome nobody = flush({"far.example"});
  CHECK(nobody.code == 111);
  CHECK(nobody.err.find("qmail-send is not running") != std::string::npos);

  stage.start();
  wait_until_it_listens();
  const Outcome flushed = flush({"Far.Example", ".far.example"});
  CHECK(flushed.out == "far.example: 1 message being tried now\n.far.example: 1 message being tried now\n");
  CHECK(flushed.code == 0);
  const auto asked = stage.request(there);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "a@far.example");
  CHECK(asked->request.try_dead);
  stage.report(there, asked->request.delivery, 'K', "");
  CHECK(eventually([&] { return stage.gone(id); }));
  CHECK_FALSE(stage.request(there, 1));
  CHECK(flush({}).code == 100);
  CHECK(flush({"a b"}).code == 100);
  CHECK(stage.stop() == 0);
}

TEST_CASE("asking for a dead host's messages has one of them tried, not all", "[qmail-flush]") {
  SendStage stage;
  for (int i = 0; i < 50; ++i) stage.put("s@x.example", {"a@dead.example"}, 350, false);
  stage.start();
  wait_until_it_listens();
  for (int round = 0; round < 2; ++round) {
    CHECK(run({{installed("qmail-flush"), "dead.example"}}, "", 60).out ==
          "dead.example: 50 messages being tried now\n");
    // The host is asked by as many as the first failure finds under way.
    int tried = 0;
    while (const auto asked = stage.request(there, 3)) {
      CHECK(asked->request.try_dead);
      stage.report(there, asked->request.delivery, 'Z', "", HostSays::trouble);
      ++tried;
    }
    CHECK(tried >= 1);
    CHECK(tried <= 2);
  }
  CHECK(stage.stop() == 0);
}

TEST_CASE("ETRN through the sealed session", "[etrn]") {
  SendStage stage(Controls{{"etrnhosts", ".far.example:192.0.2.7\nother.example:relay\n"}});
  stage.put("s@x.example", {"a@far.example"}, 350, false);
  stage.put("s@x.example", {"b@sub.far.example"}, 350, false);
  const auto session = [](const std::string& input) {
    Start start{{installed("qmail-smtpd")}};
    start.env = {{"PROTO", "TCP"}, {"TCPREMOTEIP", "192.0.2.7"}, {"TCPLOCALIP", "192.0.2.1"}};
    std::string codes;
    const std::string out = run(start, "EHLO c.example\r\n" + input + "QUIT\r\n", 30).out;
    for (std::string_view rest = out; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (line.size() > 3 && line[3] != '-') codes += std::string(line.substr(0, 3)) + " ";
    }
    return codes;
  };
  CHECK(session("ETRN far.example\r\n") == "220 250 458 221 ");  // qmail-send is not there
  stage.start();
  wait_until_it_listens();
  CHECK(session("ETRN other.example\r\nETRN\r\nETRN nothing.far.example\r\n") == "220 250 459 501 251 221 ");
  CHECK_FALSE(stage.request(there, 1));
  CHECK(session("ETRN far.example\r\n") == "220 250 253 221 ");
  auto asked = stage.request(there);
  REQUIRE(asked);
  CHECK(asked->request.recipient == "a@far.example");
  CHECK(asked->request.try_dead);
  stage.report(there, asked->request.delivery, 'Z', "no");
  CHECK_FALSE(stage.request(there, 1));
  CHECK(session("ETRN @far.example\r\n") == "220 250 253 221 ");
  for (int i = 0; i < 2; ++i) {
    asked = stage.request(there);
    REQUIRE(asked);
    stage.report(there, asked->request.delivery, 'Z', "no");
  }
  CHECK(stage.logged("flush .far.example by uid " +
                     std::to_string(passwd_user(std::string(conf::user_qmaild))->uid) + " for 192.0.2.7\n"));
  CHECK(stage.stop() == 0);
}
