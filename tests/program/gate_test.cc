// qmail-queue and qmail-queued, the real ones, in this run's prefix.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <iterator>
#include <set>
#include <sstream>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/net/gate.h"
#include "tests/program/gate.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

constexpr uid_t customer = 54321;  // nobody's uid; qmail-queue runs as the caller

// qmail-queue with the message on fd 0 and the envelope on fd 1; its custom text comes from fd 6.
struct QueueOutcome {
  int code;
  std::string text;
};
QueueOutcome qmail_queue(const std::string& message, const std::string& envelope, uid_t uid = customer,
                         std::map<std::string, std::string> env = {}) {
  const ScratchDirectory scratch;
  const Fd in = open_file(scratch.write("message", message), O_RDONLY);
  const Fd addresses = open_file(scratch.write("envelope", envelope), O_RDONLY);
  FdPair text = make_pipe();
  Start start{{installed("qmail-queue")}, std::move(env)};
  start.fds = {{0, in.get()}, {1, addresses.get()}, {2, 2}, {6, text.second.get()}};
  start.uid = start.gid = uid;
  Process process(start);
  text.second.reset();
  const int code = process.wait();
  return {code, read_all(text.first.get(), 4096, "fd 6").value_or("")};
}

uid_t uid_of(const char* name) {
  return passwd_user(std::string(name)).value().uid;
}

std::set<pid_t> children_of(pid_t pid) {
  std::istringstream pids(
      slurp("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"));
  return {std::istream_iterator<pid_t>(pids), {}};
}
pid_t child_of(pid_t pid) {
  const std::set<pid_t> children = children_of(pid);
  REQUIRE(children.size() == 1);
  return *children.begin();
}

std::string address_of(std::size_t bytes) {
  return std::string(bytes - 10, 'a') + "@b.example";
}

}  // namespace

TEST_CASE("qmail-queue puts message and envelope into the queue (qmail-queue(8))") {
  RunningGate gate;
  REQUIRE(qmail_queue("Subject: x\n\nbody\n", "Fa@b.example\0Tc@d.example\0Te@f.example\0\0"s).code == 0);
  const std::vector<Queued> queued = gate.queued();
  REQUIRE(queued.size() == 1);
  const Queued& one = queued[0];
  CHECK(one.envelope.sender == "a@b.example");
  CHECK(one.recipients() == std::vector<std::string>{"c@d.example", "e@f.example"});
  CHECK(one.body == "Subject: x\n\nbody\n");
  CHECK(one.header.uid == customer);
  CHECK(one.header.kind == Kind::local);
  const std::string received = one.text.substr(0, one.text.find('\n') + 1);
  CHECK(received.starts_with("Received: (qmail " + std::to_string(one.header.qp) + " invoked locally) id " +
                             one.header.trace + "; "));
  CHECK(received.ends_with(" -0000\n"));
  struct stat st;
  REQUIRE(stat(QueuePaths().fresh(one.id).c_str(), &st) == 0);
  CHECK(st.st_uid == uid_of(conf::user_qmailq));
  CHECK((st.st_mode & 07777) == 0640);
  CHECK(st.st_blocks * 512 < 64 * 1024);  // the hole takes no disk
}

TEST_CASE("what a message may be") {
  RunningGate gate;
  const auto [name, message] = GENERATE(table<const char*, std::string>({
      {"empty", ""},
      {"no final newline", "Subject: x\n\nlast"},
      {"every byte",
       [] {
         std::string all;
         for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
         return all;
       }()},
      {"more than one record", std::string(200000, 'x') + "\n"},
      {"3 MB", std::string(3000000, 'y')},
  }));
  CAPTURE(name);
  REQUIRE(qmail_queue(message, "F\0Tc@d.example\0\0"s).code == 0);
  REQUIRE(gate.queued().size() == 1);
  CHECK(gate.queued()[0].body == message);
  CHECK(gate.queued()[0].envelope.sender.empty());
}

TEST_CASE("qmail-queue's exit codes for envelopes (qmail-queue(8), design: 1003 bytes with the NUL)") {
  RunningGate gate;
  const auto [name, envelope, code] = GENERATE(table<const char*, std::string, int>({
      {"address of 1003 bytes with its NUL", "F\0T"s + address_of(1002) + "\0\0"s, 0},
      {"address of 1004", "F\0T"s + address_of(1003) + "\0\0"s, 11},
      {"sender of 1004", "F"s + address_of(1003) + "\0Ta@b\0\0"s, 11},
      {"empty", ""s, 54},
      {"no final NUL", "Fa@b\0Tc@d\0"s, 54},
      {"ends in the middle of an address", "Fa@b\0Tc@"s, 54},
      {"T first", "Ta@b\0\0"s, 91},
      {"unknown letter", "Fa@b\0Xc@d\0\0"s, 91},
      {"two senders", "Fa@b\0Fc@d\0\0"s, 91},
  }));
  CAPTURE(name);
  CHECK(qmail_queue("x\n", envelope).code == code);
  CHECK(gate.queued().size() == (code == 0 ? 1 : 0));
}

TEST_CASE("a descriptor that cannot be read is 54, a gate that is not there 72, both without a trace") {
  set_control("timeoutgate", "1\n");
  {
    RunningGate gate;
    const ScratchDirectory scratch;
    const Fd in = open_file(scratch.path(), O_RDONLY | O_DIRECTORY);  // reads as EISDIR
    const Fd addresses = open_file(scratch.write("e", "Fa@b\0Tc@d\0\0"s), O_RDONLY);
    Start start{{installed("qmail-queue")}};
    start.fds = {{0, in.get()}, {1, addresses.get()}, {2, 2}};
    CHECK(Process(start).wait() == 54);
    CHECK(gate.queued().empty());
  }
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 72);
  set_control("timeoutgate", "");
}

TEST_CASE("qmail-queue waits control/timeoutgate for a gate that is being restarted") {
  set_control("timeoutgate", "20\n");
  const ScratchDirectory scratch;
  const Fd in = open_file(scratch.write("m", "x\n"), O_RDONLY);
  const Fd addresses = open_file(scratch.write("e", "Fa@b\0Tc@d\0\0"s), O_RDONLY);
  Start start{{installed("qmail-queue")}};
  start.fds = {{0, in.get()}, {1, addresses.get()}, {2, 2}};
  Process waiting(start);
  usleep(300000);
  REQUIRE(waiting.running());
  RunningGate gate;
  CHECK(waiting.wait() == 0);
  CHECK(gate.queued().size() == 1);
  set_control("timeoutgate", "");
}

TEST_CASE("times that mean for ever do not mean never") {
  RunningGate gate(Controls{{"timeoutqueue", "9223372036854775807\n"},
                            {"timeoutcontent", "99999999999\n"},
                            {"timeoutgate", "99999999999\n"}});
  CHECK(qmail_queue("x\n", "Fs@x\0Tr@x\0\0"s).code == 0);
}

TEST_CASE("databytes: exactly so many bytes pass, one more does not, with the text of services.md on fd 6") {
  RunningGate gate(Controls{{"databytes", "1000\n"}});
  CHECK(qmail_queue(std::string(1000, 'x'), "Fa@b\0Tc@d\0\0"s).code == 0);
  const QueueOutcome over = qmail_queue(std::string(1001, 'x'), "Fa@b\0Tc@d\0\0"s);
  CHECK(over.code == 82);
  CHECK(over.text == "D552 sorry, that message size exceeds my databytes limit (#5.3.4)");
  // so large that the gate hangs up long before the end
  CHECK(qmail_queue(std::string(5000000, 'x'), "Fa@b\0Tc@d\0\0"s).code == 82);
  CHECK(gate.queued().size() == 1);
}

TEST_CASE("custom text goes only to a pipe on fd 6") {
  RunningGate gate(Controls{{"databytes", "10\n"}});
  const ScratchDirectory scratch;
  const Fd in = open_file(scratch.write("m", "more than ten bytes\n"), O_RDONLY);
  const Fd addresses = open_file(scratch.write("e", "Fa@b\0Tc@d\0\0"s), O_RDONLY);
  const Fd file = open_file(scratch.write("six", ""), O_WRONLY);
  Start start{{installed("qmail-queue")}};
  start.fds = {{0, in.get()}, {1, addresses.get()}, {2, 2}, {6, file.get()}};
  CHECK(Process(start).wait() == 82);
  CHECK(slurp(scratch.file("six")).empty());
}

TEST_CASE("queuefree: a reserve that is not there is 53, and the log says so") {
  RunningGate gate(Controls{{"queuefree", "999999999999999 1\n"}});
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 53);
  CHECK(gate.queued().empty());
  CHECK(gate.log().find("less space is free than control/queuefree reserves") != std::string::npos);
  gate.configure("queuefree", "1 1\n");
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
}

TEST_CASE("who is believed: kinds are claimed by uid (design section 3)") {
  RunningGate gate;
  const auto [name, uid, claimed, believed] = GENERATE(table<const char*, std::string, Kind, Kind>({
      {"qmaild may claim mx", conf::user_qmaild, Kind::mx, Kind::mx},
      {"qmaild may claim submission", conf::user_qmaild, Kind::submission, Kind::submission},
      {"qmaild no bounce", conf::user_qmaild, Kind::bounce, Kind::local},
      {"qmails may claim bounce", conf::user_qmails, Kind::bounce, Kind::bounce},
      {"qmails no mx", conf::user_qmails, Kind::mx, Kind::local},
      {"a customer no mx", "nobody", Kind::mx, Kind::local},
      {"a customer no bounce", "nobody", Kind::bounce, Kind::local},
      {"anybody may forward", "nobody", Kind::forward, Kind::forward},
  }));
  CAPTURE(name);
  // The test process itself has to be that uid when it connects.
  const User user = passwd_user(uid).value();
  const pid_t pid = fork_child("test", [&, kind = claimed] {
    become(user.uid, user.gid);
    Gate sender;
    if (!sender.connect(gate_path(), Deadline::in_seconds(5)).ok()) return 1;
    GateOrigin origin;
    origin.kind = kind;
    origin.ip = "192.0.2.1";
    origin.protocol = "ESMTP";
    sender.origin(origin);
    sender.message("x\n");
    sender.end_message();
    sender.sender("a@b");
    sender.recipient("c@d", "NOTIFY=NEVER");
    return sender.commit(Deadline::in_seconds(10)).code;
  });
  REQUIRE(wait_for_child(pid) == 0);
  REQUIRE(gate.queued().size() == 1);
  const Queued one = gate.queued()[0];
  CHECK(one.header.kind == believed);
  CHECK(one.envelope.recipients[0].params == "NOTIFY=NEVER");
  const bool network = believed == Kind::mx || believed == Kind::submission;
  CHECK((one.text.find("(192.0.2.1)") != std::string::npos) == network);
  CHECK((gate.log().find("which is ignored") != std::string::npos) == (claimed != believed));
}

TEST_CASE("a writer that goes away at any byte leaves nothing (design: commit rule)") {
  RunningGate gate;
  // The whole conversation as bytes, recorded from the real client's records.
  std::string all;
  append_record(all, gate_format::origin, "kind=local\0"s);
  append_record(all, gate_format::message, "Subject: x\n\nbody\n");
  append_record(all, gate_format::message_end, "");
  append_record(all, gate_format::envelope, "Fa@b\0Tc@d\0\0"s);
  append_record(all, gate_format::commit, "");
  const auto converse = [&](std::size_t bytes) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    gate_path().copy(address.sun_path, sizeof address.sun_path - 1);
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(send_message(socket.get(), std::string_view(all).substr(0, bytes)));
    return bytes == all.size() ? read_until(socket.get(), "code=0", 5) : std::string();
  };
  for (std::size_t bytes = 1; bytes < all.size(); ++bytes) converse(bytes);
  CHECK(converse(all.size()).find("code=0") != std::string::npos);
  // The workers of the broken conversations have all ended by now or do so in a moment.
  usleep(300000);
  CHECK(gate.queued().size() == 1);
}

TEST_CASE("records that make no sense are 91, and nothing is queued") {
  RunningGate gate;
  const auto [name, bytes] = GENERATE(table<const char*, std::string>({
      {"unknown type", "Z\0\0\0\0"s},
      {"envelope before the message", "V\0\0\0\1F"s},
      {"commit at once", "C\0\0\0\0"s},
      {"a record of more than 64 KiB", "O\0\0\0\0M\0\1\0\1x"s},
      {"a record of 4 GiB", "O\xff\xff\xff\xff"s},
      {"end twice", "O\0\0\0\0E\0\0\0\0E\0\0\0\0"s},
      {"parameters for nobody", "O\0\0\0\0E\0\0\0\0V\0\0\0\7F\0Ta\0\0\0P\0\0\0\5\0\0\0\7xC\0\0\0\0"s},
  }));
  CAPTURE(name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  gate_path().copy(address.sun_path, sizeof address.sun_path - 1);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(send_message(socket.get(), bytes));
  CHECK(read_until(socket.get(), "code=91", 5).find("code=91") != std::string::npos);
  CHECK(gate.queued().empty());
}

TEST_CASE("parameters count among the envelope's 64 MiB") {
  RunningGate gate;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  gate_path().copy(address.sun_path, sizeof address.sun_path - 1);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(send_message(socket.get(), "O\0\0\0\0E\0\0\0\0V\0\0\0\1F"s));
  const std::string record = "P\0\0\x10\0"s + std::string(4096, '\0');
  int sent = 0;
  while (sent < 20000 && send(socket.get(), record.data(), record.size(), MSG_NOSIGNAL) > 0) ++sent;
  CHECK(sent < 17000);
  CHECK(read_until(socket.get(), "code=53", 5).find("code=53") != std::string::npos);
}

TEST_CASE("pools: one uid's flood is turned away with 71 and others get in") {
  set_control("timeoutgate", "0\n");
  RunningGate gate(Controls{{"gatepools", "local 2\n"}});
  const auto sender_as = [&](uid_t uid, int& in_write) {
    FdPair in = make_pipe();
    const Fd null = open_file("/dev/null", O_RDONLY);
    Start start{{installed("qmail-queue")}};
    start.fds = {{0, in.first.get()}, {1, null.get()}, {2, 2}};
    start.uid = start.gid = uid;
    auto process = std::make_unique<Process>(start);
    in_write = in.second.release();
    return process;
  };
  int pipes[2];
  const auto first = sender_as(customer, pipes[0]);
  const auto second = sender_as(customer, pipes[1]);
  const Fd keep0(pipes[0]), keep1(pipes[1]);
  usleep(300000);
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 71);
  CHECK(gate.log().find("qmail-queued: uid 54321: no room in the gate (control/gatepools); ") !=
        std::string::npos);
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, customer + 1).code == 0);
  set_control("timeoutgate", "");
}

TEST_CASE("forwards count for their uid, too: one customer cannot fill the pool that all forwards share") {
  RunningGate gate(Controls{{"gatepools", "local 2\nforward 3\n"}});
  const auto forward = [] {  // as root, who is a customer like any other here
    auto sender = std::make_unique<Gate>();
    const bool admitted = sender->connect(gate_path(), Deadline::in_seconds(1)).ok();
    GateOrigin origin;
    origin.kind = Kind::forward;
    sender->origin(origin);
    sender->message(std::string(100000, 'x'));  // more than is held back: the gate has read the origin
    return std::pair(std::move(sender), admitted);
  };
  const auto first = forward(), second = forward();
  CHECK(first.second);
  CHECK(second.second);
  usleep(200000);
  CHECK_FALSE(forward().second);
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
}

TEST_CASE("customers together leave room for the network and for bounces") {
  set_control("timeoutgate", "0\n");
  RunningGate gate(Controls{{"gatepools", "all 4\nmx 1\nsubmission 1\nbounce 1\n"}});
  Gate mine, another;
  REQUIRE(mine.connect(gate_path(), Deadline::in_seconds(1)).ok());
  REQUIRE(another.connect(gate_path(), Deadline::in_seconds(1)).ok());
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 71);
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, uid_of(conf::user_qmaild)).code == 0);
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, uid_of(conf::user_qmails)).code == 0);
  set_control("timeoutgate", "");
}

TEST_CASE("a message has 250000 recipients at most: everybody who opens it holds them in memory") {
  RunningGate gate;
  std::string recipients;
  for (int i = 0; i < 250000; ++i) recipients += "Ta\0"s;
  CHECK(qmail_queue("x\n", "Fa@b\0"s + recipients + "\0"s).code == 0);
  CHECK(gate.queued().size() == 1);
  const QueueOutcome more = qmail_queue("x\n", "Fa@b\0"s + recipients + "Ta\0\0"s);
  CHECK(more.code == 82);
  CHECK(more.text == "D552 sorry, a message may have 250000 recipients: send it in several pieces (#5.5.3)");
}

TEST_CASE("what a retired acceptor could not finish does not count for ever") {
  set_control("timeoutgate", "5\n");
  RunningGate gate(Controls{{"gatepools", "local 1\n"}});
  const pid_t acceptor = child_of(gate.pid());
  Gate slow;
  REQUIRE(slow.connect(gate_path(), Deadline::in_seconds(1)).ok());
  gate.configure("databytes", "1000\n");
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, getuid()).code == 71);  // he is still there
  kill(acceptor, SIGKILL);
  CHECK(eventually([&] { return !children_of(gate.pid()).contains(acceptor); }));
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, getuid()).code == 0);
  set_control("timeoutgate", "");
}

TEST_CASE("a message under way outlives changes of the configuration; its minute counts from SIGTERM") {
  RunningGate gate;
  Gate slow;
  REQUIRE(slow.connect(gate_path(), Deadline::in_seconds(1)).ok());
  slow.origin(GateOrigin());
  slow.message("Subject: slow\n\n");
  for (const char* limit : {"1000\n", "2000\n"}) gate.configure("databytes", limit);
  gate.process().signal(SIGTERM);
  usleep(1500000);
  slow.message("body\n");
  slow.end_message();
  slow.sender("a@b");
  slow.recipient("c@d");
  CHECK(slow.commit(Deadline::in_seconds(10)).code == 0);
  CHECK(gate.process().wait(20) == 0);
  CHECK(gate.queued().size() == 1);
}

// Workers may wait for a minute: those there are, are there to be seen.
class GateOfPatientWorkers {
 public:
  explicit GateOfPatientWorkers(Controls control = {}) : gate_(patient(std::move(control))) {}
  RunningGate& gate() { return gate_; }
  std::set<pid_t> workers() const { return children_of(child_of(gate_.pid())); }
  // A message of this uid that is served by a worker that was there already, when one has come to wait.
  bool reuses(uid_t uid) const {
    return eventually([&] {
      const std::set<pid_t> before = workers();
      return qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, uid).code == 0 && !before.empty() && before == workers();
    });
  }

 private:
  static Controls patient(Controls control) {
    control.try_emplace("reusegate", "100 300 60\n");
    return control;
  }
  RunningGate gate_;
};

TEST_CASE("a worker serves further senders of its uid, and of no other (control/reusegate)") {
  GateOfPatientWorkers home;
  REQUIRE(home.reuses(customer));
  const std::set<pid_t> his = home.workers();
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, customer + 1).code == 0);
  CHECK(home.workers().size() == his.size() + 1);
  CHECK(home.reuses(customer + 1));
  CHECK(home.reuses(uid_of(conf::user_qmaild)));
}

TEST_CASE("what one sender told a worker is nothing to the next") {
  GateOfPatientWorkers home;
  std::set<std::string> traces;
  std::set<std::uint32_t> processes;
  for (const char* text : {"one\n", "two, longer\n", "3\n", "\n"}) {
    home.gate().empty();
    REQUIRE(home.reuses(customer));
    home.gate().empty();
    CHECK(qmail_queue(text, "Fa@b\0Tc@d\0\0"s).code == 0);
    const std::vector<Queued> queued = home.gate().queued();
    REQUIRE(queued.size() == 1);
    CHECK(queued[0].body == text);
    CHECK(queued[0].header.uid == customer);
    CHECK(
        queued[0].text.starts_with("Received: (qmail " + std::to_string(queued[0].header.qp) + " invoked "));
    traces.insert(queued[0].header.trace);
    processes.insert(queued[0].header.qp);
  }
  CHECK(traces.size() == 4);
  CHECK(processes.size() == 4);  // qp is qmail-queue's pid (qmail-queue(8)), whoever wrote the file
}

TEST_CASE("how often and how long a worker is used") {
  SECTION("so many messages") {
    GateOfPatientWorkers home(Controls{{"reusegate", "2 300 60\n"}});
    std::set<pid_t> seen;
    for (int i = 0; i < 20; ++i) {
      CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
      seen.merge(home.workers());
    }
    CHECK(seen.size() >= 10);
  }
  SECTION("once: nobody waits") {
    GateOfPatientWorkers home(Controls{{"reusegate", "1 300 60\n"}});
    CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
    CHECK(eventually([&] { return home.workers().empty(); }));
  }
  SECTION("until it has waited too long") {
    GateOfPatientWorkers home(Controls{{"reusegate", "100 300 1\n"}});
    CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
    CHECK(eventually([&] { return home.workers().empty(); }));
  }
  SECTION("until its message is refused") {
    GateOfPatientWorkers home;
    REQUIRE(home.reuses(customer));
    CHECK(eventually([&] {
      CHECK(qmail_queue("x\n", "nonsense").code == 91);
      return home.workers().empty();
    }));
  }
  SECTION("a line that is none: the default, and a warning") {
    GateOfPatientWorkers home(Controls{{"reusegate", "often\n"}});
    CHECK(home.reuses(customer));
    CHECK(home.gate().log().find("warning: control/reusegate is not up to three numbers") !=
          std::string::npos);
  }
}

TEST_CASE("workers that wait are in nobody's way") {
  set_control("timeoutgate", "5\n");
  SECTION("of the pools") {
    GateOfPatientWorkers home(Controls{{"reusegate", "100 300 60\n"}, {"gatepools", "all 1\nlocal 1\n"}});
    for (uid_t uid = customer; uid < customer + 5; ++uid)
      CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, uid).code == 0);
    CHECK(home.workers().size() == 5);
  }
  SECTION("of others when they are many: at most 64 wait, and everybody else is served all the same") {
    GateOfPatientWorkers home;
    for (uid_t uid = customer; uid < customer + 80; ++uid)
      CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s, uid).code == 0);
    CHECK(eventually([&] { return home.workers().size() == 64; }));
  }
  SECTION("of a message whose worker is killed while it waits") {
    GateOfPatientWorkers home;
    REQUIRE(home.reuses(customer));
    for (const pid_t worker : home.workers()) kill(worker, SIGKILL);
    CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
    CHECK(eventually([&] { return home.gate().log().find(" died of signal 9") != std::string::npos; }));
  }
  SECTION("of a new configuration") {
    GateOfPatientWorkers home;
    REQUIRE(home.reuses(customer));
    home.gate().configure("databytes", "1\n");
    CHECK(eventually([&] { return children_of(home.gate().pid()).size() == 1; }));
    CHECK(qmail_queue("xx\n", "Fa@b\0Tc@d\0\0"s).code == 82);
  }
  SECTION("of the gate's end") {
    GateOfPatientWorkers home;
    REQUIRE(home.reuses(customer));
    home.gate().process().signal(SIGTERM);
    CHECK(home.gate().process().wait(20) == 0);
  }
  set_control("timeoutgate", "");
}

TEST_CASE("no user can keep the gate from starting by a lock on what he can open") {
  pid_t user = fork();
  REQUIRE(user >= 0);
  if (user == 0) {
    become(customer, customer);
    for (const char* name : {"", "/gate", "/queue", "/queue/new", "/queue/lock", "/queue/lock/sendmutex"}) {
      const int fd = ::open((std::string(conf::home) + name).c_str(), O_RDONLY);
      if (fd >= 0) flock(fd, LOCK_EX | LOCK_NB);
    }
    pause();
    _exit(0);
  }
  usleep(200000);
  try {
    RunningGate gate;
    CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
  } catch (const Error& e) {
    FAIL_CHECK(e.text());
  }
  kill(user, SIGKILL);
  wait_for_child(user);
}

TEST_CASE("the gate's socket is everybody's to write to and nobody's to run") {
  RunningGate gate;
  struct stat st;
  REQUIRE(stat(gate_path().c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0666);
}

TEST_CASE("ids grow even when the clock does not, and never repeat one in the queue") {
  const QueuePaths paths;
  // A message from the future: the clock went back since.
  const std::string future = "9000000000000000";
  const Fd fd = open_file(paths.fresh() + "/" + future, O_WRONLY | O_CREAT, 0640);
  RunningGate gate;
  unlink((paths.fresh() + "/" + future).c_str());
  REQUIRE(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
  REQUIRE(qmail_queue("y\n", "Fa@b\0Tc@d\0\0"s).code == 0);
  const std::vector<Queued> queued = gate.queued();
  REQUIRE(queued.size() == 2);
  CHECK(queued[0].id.value() == 9000000000000001ULL);
  CHECK(queued[1].id.value() == 9000000000000002ULL);
}

TEST_CASE("a second gate on the same home does not start") {
  RunningGate gate;
  const Outcome second = run({{installed("qmail-queued")}});
  CHECK(second.code == 111);
  CHECK(second.err == "qmail-queued: another qmail-queued serves this gate\n");
}

TEST_CASE(
    "the acceptor that dies is replaced; the gate that is killed leaves a socket that the next one takes "
    "over") {
  RunningGate gate;
  kill(child_of(gate.pid()), SIGKILL);
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
  gate.process().signal(SIGKILL);
  gate.process().wait();
  RunningGate next;
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
}

TEST_CASE("a trigger that nobody reads is no obstacle") {
  RunningGate gate;
  const Fd trigger = open_file(QueuePaths().lock("trigger"), O_RDWR | O_NONBLOCK);
  while (write(trigger.get(), "1234567890123456\n", 17) > 0) {
  }
  CHECK(qmail_queue("x\n", "Fa@b\0Tc@d\0\0"s).code == 0);
  char space[65536];
  while (read(trigger.get(), space, sizeof space) > 0) {
  }
}

TEST_CASE("a gate that starts, or whose worker is killed, asks qmail-send to look for itself") {
  const Fd trigger = open_file(QueuePaths().lock("trigger"), O_RDWR | O_NONBLOCK);
  char space[65536];
  while (read(trigger.get(), space, sizeof space) > 0) {
  }
  RunningGate gate;
  CHECK(read_until(trigger.get(), "\n", 5) == "\n");
  Gate sender;
  REQUIRE(sender.connect(gate_path(), Deadline::in_seconds(5)).ok());
  kill(child_of(child_of(gate.pid())), SIGKILL);
  CHECK(read_until(trigger.get(), "\n", 5) == "\n");
}

TEST_CASE("the gate listens on a socket that it is handed (inetd's wait style and socket activation)") {
  set_control("me", "test.example\n");
  const ScratchDirectory scratch;
  const std::string path = scratch.file("s");
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(socket.get(), 10) == 0);
  const Fd null = open_file("/dev/null", O_RDWR);
  Start start{{installed("qmail-queued")}};
  start.fds = {{0, socket.get()}, {1, null.get()}, {2, 2}};
  Process process(start);
  Gate gate;
  CHECK(gate.connect(path, Deadline::in_seconds(5)).ok());
  CHECK(gate.admission().me == "test.example");
  process.signal(SIGTERM);
  set_control("me", "");
}
