// qmail-vacation(1), through this run's gate.
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/process.h"
#include "lib/mail/header.h"
#include "lib/store/reply_record.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"

using namespace hato;
using namespace hato::test;

namespace {

constexpr uid_t uid = 71011;
constexpr gid_t gid = 71011;
const std::string mail = "Subject: Hello\nTo: me@test.example\nMessage-ID: <m@y.example>\n\nHow are you?\n";

class Stage {
 public:
  Stage() { REQUIRE(chown(home.path().c_str(), uid, gid) == 0); }
  Outcome vacation(std::vector<std::string> words, const std::string& message = mail,
                   const std::string& sender = "you@y.example",
                   const std::string& recipient = "me@test.example") const {
    words.insert(words.begin(), installed("qmail-vacation"));
    return run({.args = words,
                .env = {{"HOME", home.path()}, {"SENDER", sender}, {"RECIPIENT", recipient}},
                .uid = uid,
                .gid = gid},
               message);
  }
  ScratchDirectory home;
};

}  // namespace

TEST_CASE("qmail-vacation(1): one reply, from the null sender, to who wrote", "[vacation]") {
  const RunningGate gate;
  const Stage stage;
  const Outcome first =
      stage.vacation({"-s", "\xe4\xbc\x91\xe6\x9a\x87", "--", "Away.\\nBack \xe6\x9c\x88\xe6\x9b\x9c."});
  CHECK(first.code == 0);
  CHECK(first.out.empty());
  CHECK(first.err.starts_with("qmail-vacation: replied: qp "));
  const std::vector<Queued> queued = gate.queued();
  REQUIRE(queued.size() == 1);
  CHECK(queued[0].envelope.sender.empty());
  CHECK(queued[0].recipients() == std::vector<std::string>{"you@y.example"});
  const std::string& reply = queued[0].body;
  CHECK(unfolded(find_field(reply, "Subject")->body) == "=?UTF-8?B?5LyR5pqH?=");
  CHECK(unfolded(find_field(reply, "Auto-Submitted")->body) == "auto-replied");
  CHECK(unfolded(find_field(reply, "In-Reply-To")->body) == "<m@y.example>");
  CHECK(unfolded(find_field(reply, "From")->body) == "<me@test.example>");
  CHECK(reply.substr(body_offset(reply)) == "Away.\nBack =E6=9C=88=E6=9B=9C.\n");

  // The same again: once in seven days. Another sender, another text: a reply.
  CHECK(stage.vacation({"-s", "\xe4\xbc\x91\xe6\x9a\x87", "--", "Away.\\nBack \xe6\x9c\x88\xe6\x9b\x9c."})
            .err.find("has had one") != std::string::npos);
  CHECK(stage.vacation({"x"}, mail, "they@y.example").err.starts_with("qmail-vacation: replied"));
  CHECK(stage.vacation({"x"}).err.starts_with("qmail-vacation: replied"));
  CHECK(gate.queued().size() == 3);
  struct stat status {};
  REQUIRE(stat((stage.home.path() + "/" + reply_record_name).c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  CHECK(status.st_size == static_cast<off_t>(reply_record_size));
}

TEST_CASE("qmail-vacation(1): no reply, and the mail goes on", "[vacation]") {
  const RunningGate gate(Controls{{"virtualdomains", "own.example:abc\n"}});
  const Stage stage;
  struct Row {
    std::string message;
    const char *sender, *recipient, *word;
  };
  const Row rows[] = {
      {mail, "", "me@test.example", "null sender"},
      {mail, "list-owner@y.example", "me@test.example", "a machine or a list"},
      {"List-Id: <x>\n" + mail, "you@y.example", "me@test.example", "a list"},
      {"Auto-Submitted: auto-generated\n" + mail, "you@y.example", "me@test.example", "machine"},
      {mail, "you@y.example", "abc-other@own.example", "does not name"},
      {"To: " + std::string(2 << 20, 'x') + "\n\n", "you@y.example", "me@test.example", "too long"},
      {"", "you@y.example", "me@test.example", "does not name"},
  };
  for (const Row& row : rows) {
    INFO(row.word);
    const Outcome outcome = stage.vacation({"x"}, row.message, row.sender, row.recipient);
    CHECK(outcome.code == 0);
    CHECK(outcome.err.find(row.word) != std::string::npos);
  }
  CHECK(stage.vacation({"-u", "2020-01-01", "x"}).err.empty());
  CHECK(stage.vacation({"-f", "2999-01-01", "x"}).err.empty());
  CHECK(gate.queued().empty());
  // A virtual domain's address as the message names it.
  CHECK(stage.vacation({"x"}, "To: Joe <Other@OWN.example>\n\n", "you@y.example", "abc-other@own.example")
            .err.starts_with("qmail-vacation: replied"));
  REQUIRE(gate.queued().size() == 1);
  CHECK(unfolded(find_field(gate.queued()[0].body, "From")->body) == "<Other@OWN.example>");
  // Wrong arguments: somebody is to see to it.
  CHECK(stage.vacation({}).code == 111);
  CHECK(stage.vacation({"-z", "x", "y"}).code == 111);
  // Nothing can be noted: no reply.
  REQUIRE(unlink((stage.home.path() + "/" + reply_record_name).c_str()) == 0);
  REQUIRE(mkdir((stage.home.path() + "/" + reply_record_name).c_str(), 0700) == 0);
  const Outcome outcome = stage.vacation({"y"});
  CHECK(outcome.code == 0);
  CHECK(outcome.err.find("no reply") != std::string::npos);
  CHECK(gate.queued().size() == 1);
}

TEST_CASE("qmail-vacation(1): eight deliveries at once, one reply", "[vacation]") {
  const RunningGate gate;
  const Stage stage;
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i)
    children.push_back(fork_child("test", [&]() -> int { return stage.vacation({"x"}).code; }));
  for (const pid_t child : children) CHECK(wait_for_child(child) == 0);
  CHECK(gate.queued().size() == 1);
}

TEST_CASE("qmail-vacation(1): a reply that the queue does not take now is sent the next time", "[vacation]") {
  const Stage stage;
  set_control("timeoutgate", "0\n");
  const Outcome outcome = stage.vacation({"x"});
  set_control("timeoutgate", "");
  CHECK(outcome.code == 0);
  CHECK(outcome.err.find("no reply") != std::string::npos);
  const RunningGate gate;
  CHECK(stage.vacation({"x"}).err.starts_with("qmail-vacation: replied"));
}
