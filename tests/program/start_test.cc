// qmail-start: who runs as whom, and that nothing stays behind. qmail-start(8), design.md sections 2 and 3.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/process.h"
#include "lib/net/gate.h"
#include "qmail-send/clean_protocol.h"
#include "qmail-send/gate_keeper.h"
#include "tests/catch.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"
#include "tests/program/send_stage.h"

using namespace hato;
using namespace hato::test;

namespace {

struct Running {
  pid_t pid, parent;
  uid_t uid, gid;
  char state;
};

// "" for a process that ends meanwhile.
std::string proc_file(const std::string& pid, const char* name) {
  try {
    return slurp("/proc/" + pid + "/" + name);
  } catch (const Error&) {
    return "";
  }
}

// Processes of this prefix's bin, by program name (zombies have none: see zombies_of).
std::multimap<std::string, Running> running() {
  std::multimap<std::string, Running> all;
  for (const std::string& name : names_in("/proc")) {
    const pid_t pid = atoi(name.c_str());
    if (pid <= 0) continue;
    char path[4096];
    const ssize_t n = readlink(("/proc/" + name + "/exe").c_str(), path, sizeof path);
    const std::string bin = std::string(conf::home) + "/bin/";
    if (n <= 0 || !std::string_view(path, static_cast<std::size_t>(n)).starts_with(bin)) continue;
    Running one{pid, 0, 0, 0, '?'};
    const std::string status = proc_file(name, "status");
    const auto number = [&](const char* field) {
      const std::size_t at = status.find(std::string("\n") + field + ":");
      return at == std::string::npos ? 0 : atoi(status.c_str() + at + 2 + std::string_view(field).size());
    };
    one.parent = number("PPid");
    one.uid = static_cast<uid_t>(number("Uid"));
    one.gid = static_cast<gid_t>(number("Gid"));
    all.emplace(std::string(path, static_cast<std::size_t>(n)).substr(bin.size()), one);
  }
  return all;
}

std::vector<pid_t> zombies_of(pid_t parent) {
  std::vector<pid_t> zombies;
  for (const std::string& name : names_in("/proc")) {
    if (atoi(name.c_str()) <= 0) continue;
    const std::string stat = proc_file(name, "stat");
    const std::size_t end = stat.rfind(')');
    if (end == std::string::npos || end + 4 > stat.size()) continue;
    if (stat[end + 2] == 'Z' && atoi(stat.c_str() + end + 4) == parent) zombies.push_back(atoi(name.c_str()));
  }
  return zombies;
}

bool listening() {
  return somebody_listens();
}

// qmail-start of this prefix with its output in a file.
class Started {
 public:
  explicit Started(std::vector<std::string> args = {"./Maildir/"}, bool log_on_zero = false) {
    set_control("me", "test.example\n");
    args.insert(args.begin(), installed("qmail-start"));
    const Fd log = open_file(log_path(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    Start start{std::move(args)};
    const Fd other = open_file(scratch_.file("other"), O_WRONLY | O_CREAT, 0644);
    start.fds = {{1, log_on_zero ? other.get() : log.get()}, {2, log.get()}};
    if (log_on_zero) start.fds.emplace_back(0, log.get());
    process_ = std::make_unique<Process>(start);
  }
  ~Started() {
    process_.reset();
    eventually([] { return running().empty(); });
    set_control("me", "");
  }
  bool up() const {
    return eventually([&] {
      const auto all = running();
      return listening() && all.count("qmail-send") == 1 && all.count("qmail-lspawn") == 1 &&
             all.count("qmail-rspawn") == 1 && all.count("qmail-clean") == 1 &&
             log().find("status: local") == 0;
    });
  }
  Process& process() { return *process_; }
  std::string log_path() const { return scratch_.file("log"); }
  std::string log() const { return slurp(log_path()); }
  const ScratchDirectory& scratch() const { return scratch_; }

 private:
  ScratchDirectory scratch_;
  std::unique_ptr<Process> process_;
};

uid_t uid_of(const char* name) {
  return passwd_user(std::string(name)).value().uid;
}

}  // namespace

TEST_CASE("qmail-start starts everybody as his user, becomes qmail-send, and takes everybody down",
          "[start]") {
  Started started;
  const bool up = started.up();
  INFO(started.log());
  REQUIRE(up);
  const auto all = running();
  struct Row {
    const char* program;
    uid_t uid;
  };
  for (const Row& row :
       {Row{"qmail-send", uid_of(conf::user_qmails)}, Row{"qmail-lspawn", 0},
        Row{"qmail-rspawn", uid_of(conf::user_qmailr)}, Row{"qmail-clean", uid_of(conf::user_qmailq)},
        Row{"qmail-queued", uid_of(conf::user_qmailq)}}) {
    CAPTURE(row.program);
    const auto found = all.find(row.program);
    REQUIRE(found != all.end());
    CHECK(found->second.uid == row.uid);
  }
  CHECK(all.find("qmail-send")->second.pid == started.process().pid());
  CHECK(all.find("qmail-clean")->second.parent == started.process().pid());
  // No program of ours holds a descriptor it has no use for: its socket and the log.
  for (const char* program : {"qmail-lspawn", "qmail-rspawn", "qmail-clean"}) {
    const std::string pid = std::to_string(all.find(program)->second.pid);
    std::size_t sockets = 0;
    for (const std::string& fd : names_in("/proc/" + pid + "/fd")) {
      char target[256];
      const ssize_t n = readlink(("/proc/" + pid + "/fd/" + fd).c_str(), target, sizeof target);
      if (n > 0 && std::string_view(target, static_cast<std::size_t>(n)).starts_with("socket:")) ++sockets;
    }
    CAPTURE(program);
    CHECK(sockets == 1);
  }

  started.process().signal(SIGTERM);
  CHECK(started.process().wait(10) == 0);
  CHECK(eventually([] { return running().empty(); }));
  CHECK_FALSE(listening());
  CHECK(started.log().ends_with("status: exiting\n"));
}

TEST_CASE("qmail-start starts qmail-mtastsd where control/mtasts asks for it, and it ends with the others",
          "[start][mtasts]") {
  {
    Started without;
    const bool up = without.up();
    REQUIRE(up);
    CHECK(running().count("qmail-mtastsd") == 0);
  }
  set_control("mtasts", "1\n");
  {
    Started started;
    const bool up = started.up();
    INFO(started.log());
    CHECK(up);
    CHECK(eventually([] { return running().count("qmail-mtastsd") == 3; }));
    for (const auto& [program, process] : running())
      if (program == "qmail-mtastsd") CHECK(process.uid == uid_of(conf::user_qmailr));
    started.process().signal(SIGTERM);
    CHECK(started.process().wait(10) == 0);
    CHECK(eventually([] { return running().empty(); }));
  }
  set_control("mtasts", "");
}

TEST_CASE("kill -9 of qmail-send takes everybody down, too", "[start]") {
  Started started;
  const bool up = started.up();
  INFO(started.log());
  REQUIRE(up);
  started.process().signal(SIGKILL);
  CHECK(started.process().wait(5) == 1000 + SIGKILL);
  CHECK(eventually([] { return running().empty(); }));
}

TEST_CASE("the death of a partner ends qmail-send; that of the gate starts another", "[start]") {
  Started started;
  const bool up = started.up();
  INFO(started.log());
  REQUIRE(up);
  const auto all = running();
  const auto pid_of = [&](const char* program) { return all.find(program)->second.pid; };
  SECTION("qmail-lspawn") {
    kill(pid_of("qmail-lspawn"), SIGKILL);
    CHECK(started.process().wait(10) == 0);
    CHECK(started.log().find("alert: oh no! lost spawn connection! dying...\n") != std::string::npos);
  }
  SECTION("qmail-rspawn") {
    kill(pid_of("qmail-rspawn"), SIGKILL);
    CHECK(started.process().wait(10) == 0);
  }
  SECTION("qmail-clean") {
    kill(pid_of("qmail-clean"), SIGKILL);
    CHECK(started.process().wait(10) == 0);
    CHECK(started.log().find("alert: oh no! lost qmail-clean connection! dying...\n") != std::string::npos);
  }
  SECTION("the gate") {
    // its supervising process: the one whose parent is the keeper
    const pid_t keeper = pid_of("qmail-start");
    pid_t gate = 0;
    for (const auto& [name, one] : all)
      if (name == "qmail-queued" && one.parent == keeper) gate = one.pid;
    REQUIRE(gate > 0);
    kill(gate, SIGKILL);
    CHECK(eventually([&] {
      for (const auto& [name, one] : running())
        if (name == "qmail-queued" && one.parent == keeper && one.pid != gate) return listening();
      return false;
    }));
    CHECK(started.log().find("qmail-start: qmail-queued ended with signal 9; starting it again in 1 s\n") !=
          std::string::npos);
    CHECK(started.process().running());
    CHECK(zombies_of(keeper).empty());
  }
  CHECK(zombies_of(started.process().pid()).empty());
}

TEST_CASE("a gate that cannot come up is tried after longer and longer, and comes up at last", "[start]") {
  Started started;
  const bool up = started.up();
  INFO(started.log());
  REQUIRE(up);
  set_control("me", "");
  const auto gates = running();
  kill(gates.find("qmail-queued")->second.pid, SIGKILL);
  for (const auto& [name, one] : gates)
    if (name == "qmail-queued") kill(one.pid, SIGKILL);
  for (const char* pause : {"2 s", "4 s"})
    CHECK(eventually([&] {
      return started.log().find("ended with exit code 111; starting it again in " + std::string(pause) +
                                "\n") != std::string::npos;
    }));
  set_control("me", "test.example\n");
  CHECK(eventually([] { return listening(); }, 20));
}

TEST_CASE("a gate that somebody else keeps stays his", "[start]") {
  RunningGate gate;
  {
    Started started;
    const bool up = started.up();
    INFO(started.log());
    REQUIRE(up);
    started.process().signal(SIGTERM);
    CHECK(started.process().wait(10) == 0);
  }
  CHECK(gate.process().running());
  CHECK(listening());
}

TEST_CASE("a message goes the whole length", "[start]") {
  Started started;
  const bool up = started.up();
  INFO(started.log());
  REQUIRE(up);
  // Nobody by that name: the whole way of a failure, its bounce, and the bounce's bounce.
  Start queue{{installed("qmail-queue")}};
  const ScratchDirectory scratch;
  const Fd message = open_file(scratch.write("m", "Subject: x\n\n"), O_RDONLY);
  const Fd envelope =
      open_file(scratch.write("e", std::string("F\0Tno-such-user-here@test.example\0\0", 36)), O_RDONLY);
  queue.fds = {{0, message.get()}, {1, envelope.get()}, {2, 2}};
  Process process(queue);
  CHECK(process.wait() == 0);
  CHECK(eventually([&] { return started.log().find("triple bounce: discarding") != std::string::npos; }));
  CHECK(eventually([] { return names_in(QueuePaths().fresh()).empty(); }));
  CHECK(zombies_of(started.process().pid()).empty());
}

TEST_CASE("the log goes through the logger, as qmaill", "[start]") {
  ScratchDirectory scratch;
  chmod(scratch.path().c_str(), 0777);
  const std::string kept = scratch.file("kept");
  Started started({"./Maildir/", "/bin/sh", "-c", "id -un >" + kept + ".user; exec cat >" + kept});
  CHECK(eventually([&] { return slurp(kept).find("status: local 0/10 remote 0/20\n") == 0; }));
  CHECK(slurp(kept + ".user") == std::string(conf::user_qmaill) + "\n");
  started.process().signal(SIGTERM);
  CHECK(started.process().wait(10) == 0);
  CHECK(eventually([&] { return slurp(kept).ends_with("status: exiting\n"); }));
  CHECK(started.log() == "");
}

TEST_CASE("a descriptor 0 that can be written to gets the log", "[start]") {
  Started started({"./Maildir/"}, true);
  const bool up = started.up();
  INFO(started.log());
  CHECK(up);
  CHECK(slurp(started.scratch().file("other")) == "");
}

TEST_CASE("qmail-start refuses what cannot work, with a sentence", "[start]") {
  SECTION("not root") {
    Start start{{installed("qmail-start")}};
    start.uid = start.gid = 54321;
    const Outcome outcome = run(start);
    CHECK((outcome.code == 126 || outcome.code == 127));  // mode 0700: nobody else can even run it
  }
  SECTION("a prefix that nobody can search") {
    const std::string bin = std::string(conf::home) + "/bin";
    chmod(bin.c_str(), 0700);
    const Outcome outcome = run(Start{{installed("qmail-start")}});
    chmod(bin.c_str(), 0755);
    CHECK(outcome.code == 111);
    CHECK(outcome.err == "qmail-start: " + bin + " cannot be searched by the daemons' users: chmod a+x " +
                             bin + ", or install elsewhere\n");
  }
}

TEST_CASE("qmail-clean does what it is told, and only that", "[clean]") {
  SendStage stage;
  const QueueId a = stage.put("", {"x@y"}), b = stage.put("", {"x@y"}, 1),
                c = stage.put("", {"x@y"}, 2, false), d = stage.put("", {"x@y"}, 3);
  { const Fd blocks = open_file(stage.paths().mess(d), O_WRONLY | O_CREAT, 0640); }
  FdPair link = make_socketpair(SOCK_SEQPACKET);
  const User user = passwd_user(std::string(conf::user_qmailq)).value();
  const Fd log = open_file(stage.scratch("clean-log"), O_WRONLY | O_CREAT, 0644);
  Start start{{installed("qmail-clean")}};
  start.fds = {{0, link.second.get()}, {2, log.get()}};
  start.uid = user.uid, start.gid = user.gid;
  Process process(start);
  link.second.reset();
  const auto ask = [&](const std::string& packet) {
    send_message(link.first.get(), packet);
    const auto answer = receive_message(link.first.get(), clean_packet_limit);
    return answer ? answer->data : "(nothing)";
  };
  CHECK(ask("unlink new " + a.text() + "\n") == "+\n");
  CHECK(stage.gone(a));
  CHECK(ask("unlink new " + a.text() + "\n") == "+\n");  // gone is gone
  CHECK(ask("defer new " + b.text() + "\ndefer new " + a.text() + "\n") == "+\n-No such file or directory\n");
  CHECK(stage.in_mess(b));
  CHECK(ask("defer new " + d.text() + "\n") == "-File exists\n");
  CHECK(stage.in_new(d));
  CHECK(ask("bad mess " + c.text() + "\nbad new " + d.text() + "\n") == "+\n+\n");
  CHECK(stage.bad() == std::vector<std::string>{d.text(), c.text()});
  SECTION("it ends with its socket") {
    link.first.reset();
    CHECK(process.wait(5) == 0);
  }
  SECTION("it ends at rubbish, and says so") {
    send_message(link.first.get(), "unlink new ../../control/me\n");
    CHECK(process.wait(5) == 111);
    CHECK(slurp(stage.scratch("clean-log")) ==
          "qmail-clean: a packet that is no command: unlink new ../../control/me?\n");
  }
}

// A copy of `except`, which runs a program, with a file capability: the kernel then says AT_SECURE, as it
// would for a set-id bit, and to the program that is run no more.
TEST_CASE("a program that got rights by being run hands no variable on that a C library obeys",
          "[static_start]") {
  const ScratchDirectory scratch;
  const std::string copy = scratch.file("except");
  std::filesystem::copy_file(installed("except"), copy);
  Start start{{copy, "/bin/sh", "-c", "echo \"$TMPDIR $LD_LIBRARY_PATH $RES_OPTIONS $KEPT\""}};
  start.env = {{"TMPDIR", "/t"}, {"LD_LIBRARY_PATH", "/l"}, {"RES_OPTIONS", "debug"}, {"KEPT", "kept"}};
  start.uid = start.gid = 54321;
  CHECK(run(start).out == "/t /l debug kept\n");
  // capability.h: version 2, effective; permitted 1 << 13 (CAP_NET_RAW), inheritable 0, and two words of 0
  const unsigned char raw[20] = {1, 0, 0, 2, 0, 0x20};
  if (setxattr(copy.c_str(), "security.capability", raw, sizeof raw, 0) != 0) {
    WARN("no file capabilities here: " << errno_text(errno));
    return;
  }
  CHECK(run(start).out == "   kept\n");
}
