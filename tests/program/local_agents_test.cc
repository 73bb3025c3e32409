// Processes that are kept for further messages of a user: qmail-lspawn and the real qmail-local, by
// control/reuselocal.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>

#include "lib/base/process.h"
#include "tests/catch.h"
#include "tests/program/proc.h"
#include "tests/program/process.h"
#include "tests/program/spawner.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

// qmail-lspawn and the real qmail-local, with homes of two users.
struct RealLocal {
  static constexpr uid_t joe = 61501, ann = 61502;
  PrivateHome home{"qmail-lspawn", "qmail-local"};
  Scratch scratch;
  std::vector<std::string> args = lspawn(home);

  explicit RealLocal(const std::string& reuse = "100 300 30") {
    REQUIRE(chmod(home.path("bin/qmail-local").c_str(), 0711) == 0);  // as installed
    home.write("control/reuselocal", reuse + "\n");
    for (const auto& [name, uid] : {std::pair("joe", joe), std::pair("ann", ann)}) make_home(name, uid);
    write_users(home, {line("joe", joe), line("ann", ann)});
  }
  std::string path(const std::string& below) const { return scratch.path() + "/" + below; }
  std::string line(const std::string& name, uid_t uid) const {
    return "=" + name + ":" + name + ":" + std::to_string(uid) + ":61600:" + path(name) + ":::";
  }
  void make_home(const std::string& name, uid_t uid) const {
    scratch.directory(name, uid);
    scratch.directory(name + "/Maildir", uid, 0700);
    for (const char* part : {"/tmp", "/new", "/cur"}) scratch.directory(name + "/Maildir" + part, uid, 0700);
  }
  // Orders for EXT in a home; "" is .qmail itself.
  void orders(const std::string& name, uid_t uid, const std::string& ext, const std::string& text) const {
    const std::string file = path(name) + "/.qmail" + ext;
    write_all(open_file(file, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), text, file);
    REQUIRE(chown(file.c_str(), uid, 61600) == 0);
  }
  // Who has delivered into a Maildir: process by process, the numbers of messages in the order of arrival.
  std::vector<std::pair<pid_t, int>> deliverers(const std::string& name) const {
    std::vector<std::pair<pid_t, int>> all;
    for (const std::string& file : names_in(path(name) + "/Maildir/new")) {
      const pid_t pid = std::stoi(file.substr(file.find('P') + 1));
      if (all.empty() || all.back().first != pid) all.emplace_back(pid, 0);
      ++all.back().second;
    }
    return all;
  }
  pid_t last_deliverer(const std::string& name) const {
    const auto all = deliverers(name);
    REQUIRE(!all.empty());
    return all.back().first;
  }
  std::vector<int> messages_of_each(const std::string& name) const {
    std::vector<int> counts;
    for (const auto& [pid, count] : deliverers(name)) counts.push_back(count);
    return counts;
  }
};

}  // namespace

TEST_CASE("local agents: one qmail-local for further messages of a user, and of nobody else", "[agents]") {
  RealLocal local;
  Spawner spawner(local.args);
  for (const char* user : {"joe", "ann", "joe", "ann", "joe"})
    CHECK(spawner.deliver_more(user + "@h.test"s, "from-"s + user + "@x.test") == "Kdid 1+0+0\n");
  CHECK(local.messages_of_each("joe") == std::vector{3});
  CHECK(local.messages_of_each("ann") == std::vector{2});
  const pid_t agents[] = {local.last_deliverer("joe"), local.last_deliverer("ann")};
  CHECK(agents[0] != agents[1]);
  REQUIRE(names_in(local.path("ann/Maildir/new")).size() == 2);
  const std::string text = slurp(local.path("ann/Maildir/new/") + names_in(local.path("ann/Maildir/new"))[1]);
  CHECK(text == "Return-Path: <from-ann@x.test>\nDelivered-To: ann@h.test\nSubject: x\n\nbody\n");
  for (int i = 0; i < 2; ++i) {
    const uid_t uid = i == 0 ? local.joe : local.ann;
    const std::string number = std::to_string(uid);
    CHECK(status_field(agents[i], "Uid") == number + "\t" + number + "\t" + number + "\t" + number);
    CHECK(status_field(agents[i], "Gid") == "61600\t61600\t61600\t61600");
    CHECK(status_field(agents[i], "Groups") == "61600 ");
    // While it waits it has nothing of the user's or of the message.
    CHECK(eventually([&] { return proc_link(agents[i], "cwd") == "/"; }));
    CHECK(names_in("/proc/" + std::to_string(agents[i]) + "/fd") ==
          std::vector<std::string>{"0", "1", "2", "3"});
    for (const char* fd : {"fd/0", "fd/1", "fd/2"}) CHECK(proc_link(agents[i], fd).starts_with("pipe:"));
    CHECK(proc_link(agents[i], "fd/3").starts_with("socket:"));
    // The user may end it, but not look into it or make it do his own things.
    const pid_t intruder = fork_child("test", [&] {
      become(uid, 61600);
      if (ptrace(PTRACE_SEIZE, agents[i], nullptr, nullptr) == 0 || errno != EPERM) return 1;
      if (open(("/proc/" + std::to_string(agents[i]) + "/mem").c_str(), O_RDWR) >= 0) return 2;
      const int watched = static_cast<int>(syscall(SYS_pidfd_open, agents[i], 0));
      if (watched >= 0 && syscall(SYS_pidfd_getfd, watched, 3, 0) >= 0) return 3;
      return 0;
    });
    CHECK(wait_for_child(intruder) == 0);
  }
  CHECK(spawner.close() == 0);
  for (const pid_t agent : agents) CHECK(eventually([&] { return !alive(agent); }));
}

TEST_CASE("local agents: a single message has a process of its own", "[agents]") {
  RealLocal local;
  Spawner spawner(local.args);
  CHECK(spawner.deliver("joe@h") == "Kdid 1+0+0\n");
  CHECK(children_of(spawner.pid()).empty());
  // Others so soon after it: there may be more.
  for (int i = 0; i < 3; ++i) CHECK(spawner.deliver("joe@h") == "Kdid 1+0+0\n");
  CHECK(local.messages_of_each("joe") == std::vector{1, 3});
  CHECK(spawner.close() == 0);
}

TEST_CASE("local agents: control/reuselocal", "[agents]") {
  struct Row {
    const char* reuse;
    std::vector<int> messages_of_each;
  };
  const Row row = GENERATE(Row{"3 300 30", {3, 3, 1}}, Row{"0", {1, 1, 1, 1, 1, 1, 1}},
                           Row{"1 300 30", {1, 1, 1, 1, 1, 1, 1}}, Row{"nonsense", {7}}, Row{"", {7}});
  CAPTURE(row.reuse);
  RealLocal local(row.reuse);
  Spawner spawner(local.args);
  for (int i = 0; i < 7; ++i) CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  CHECK(local.messages_of_each("joe") == row.messages_of_each);
  CHECK(spawner.close() == 0);
}

TEST_CASE("local agents: one without work ends", "[agents]") {
  RealLocal local("100 300 1");
  Spawner spawner(local.args);
  CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  CHECK(eventually([&] { return children_of(spawner.pid()).empty(); }));
  CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  CHECK(local.messages_of_each("joe") == std::vector{1, 1});
  CHECK(spawner.close() == 0);
}

TEST_CASE("local agents: a program finds the same at the tenth message as at the first", "[agents]") {
  RealLocal local;
  const std::string record =
      "|{ tr '\\0' '\\n' </proc/$$/environ; pwd; umask; id -u; id -g; id -G; cat /proc/self/limits; grep -E "
      "'^(Sig[PBIC]|Shd|Groups|Cap|NoNew|Secc)' /proc/self/status; cat /proc/self/oom_score_adj; "
      "ls -l /proc/self/fd | sed -n 's/.*[0-9] \\([0-9]*\\) -> \\([a-z]*\\):.*/\\1 \\2/p'; cat; "
      "} > out.$(ls out.* 2>/dev/null | wc -l); echo $PPID >> pids; echo said; echo wrong >&2\n";
  local.orders("joe", local.joe, "", record);
  local.orders("joe", local.joe, "-default", "|cat >/dev/null; exit 0\n./Maildir/\n");
  local.orders("joe", local.joe, "-stop", "|exit 99\n./nowhere/\n");
  write_users(local.home,
              {local.line("joe", local.joe), "+joe-:joe:61501:61600:" + local.path("joe") + ":-::"});
  Spawner spawner(local.args);
  for (std::uint32_t n = 0; n < 10; ++n) {
    // Between two of them others, with more in their environment than it has, or with another order of it.
    if (n > 0 && n < 9) {
      const bool odd = n % 2 != 0;
      spawner.request({100 + n, odd ? "#@[]" : "else@x.test", odd ? "joe-ext-a@other.test" : "joe-stop@h",
                       "trace" + std::to_string(n), "RET=HDRS", odd ? "NOTIFY=NEVER" : "", true, odd});
      CHECK(spawner.report() == DeliveryReport{100 + n, 'K', odd ? "did 1+0+1\n" : "did 0+0+1\n"});
    }
    spawner.request({n, "s@x.test", "joe@h.test", "trace", "BODY=8BITMIME", "", true});
    CHECK(spawner.report() == DeliveryReport{n, 'K', "said\nwrong\ndid 0+0+1\n"});
  }
  const auto recorded = [&](int n) {
    std::istringstream all(slurp(local.path("joe/out." + std::to_string(n))));
    std::string kept;
    for (std::string line; std::getline(all, line);)
      if (!line.starts_with("UFLINE=")) kept += line + "\n";  // that one has the time
    return kept;
  };
  const std::string first = recorded(0);
  CHECK(first.find("\nSENDER=s@x.test\n") != std::string::npos);
  CHECK(first.starts_with("QMAILTRACE=trace\nQMAILMSGPARAMS=BODY=8BITMIME\n"));
  CHECK(first.find("QMAILAGENT") == std::string::npos);
  CHECK(first.find("\nDEFAULT=") == std::string::npos);
  CHECK(first.find("\n" + local.path("joe") + "\n0077\n61501\n61600\n61600\n") != std::string::npos);
  CHECK(first.ends_with("\nSubject: x\n\nbody\n"));
  for (int n = 1; n < 10; ++n) CHECK(recorded(n) == first);
  // And all of them by one process.
  std::istringstream list(slurp(local.path("joe/pids")));
  const std::vector<pid_t> pids(std::istream_iterator<pid_t>(list), {});
  CHECK(pids == std::vector<pid_t>(10, pids.at(0)));
  CHECK(spawner.close() == 0);
}

TEST_CASE("local agents: reports are those of a process of its own", "[agents]") {
  RealLocal local;
  local.orders("joe", local.joe, "-hard", "|echo no; exit 100\n");
  local.orders("joe", local.joe, "-soft", "|echo later >&2; exit 111\n");
  local.orders("joe", local.joe, "-much", "|yes | head -c 100000\n");
  local.orders("joe", local.joe, "-nul", "|printf 'a\\0b'\n");
  write_users(local.home, {"+joe-:joe:61501:61600:" + local.path("joe") + ":-::"});
  struct Row {
    const char* ext;
    std::string report;
  };
  std::string yes;
  while (yes.size() < 65536) yes += "y\n";
  const Row rows[] = {{"none", "DSorry, no mailbox here by that name. (#5.1.1)\n"},
                      {"hard", "Dno\n"},
                      {"soft", "Zlater\n"},
                      {"much", "K" + yes.substr(0, 65536)},
                      {"nul", "Ka"}};
  Spawner agents(local.args);
  local.home.write("control/reuselocal", "0\n");
  Spawner fresh(local.args);
  for (int round = 0; round < 2; ++round)
    for (const Row& row : rows) {
      CAPTURE(row.ext, round);
      for (Spawner* spawner : {&agents, &fresh}) {
        CHECK(spawner->deliver_more("joe-"s + row.ext + "@h") == row.report);
      }
    }
  CHECK(agents.close() == 0);
  CHECK(fresh.close() == 0);
}

TEST_CASE("local agents: another user record, another process", "[agents]") {
  RealLocal local;
  Spawner spawner(local.args);
  CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  // joe moves, and another user gets his old number.
  local.make_home("moved", 61503);
  write_users(local.home, {"=joe:joe:61503:61600:" + local.path("moved") + ":::",
                           "=eve:eve:61501:61600:" + local.path("joe") + ":::"});
  CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  CHECK(local.messages_of_each("moved") == std::vector{1});
  CHECK(spawner.deliver_more("eve@h") == "Kdid 1+0+0\n");
  CHECK(local.messages_of_each("joe") == std::vector{2, 1});
  CHECK(local.last_deliverer("joe") != local.last_deliverer("moved"));
  CHECK(spawner.close() == 0);
}

TEST_CASE("local agents: what a user does to his own", "[agents]") {
  RealLocal local;
  Spawner spawner(local.args);
  const auto agent = [&] { return local.last_deliverer("joe"); };
  CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  SECTION("killed while it waits: the next message is delivered all the same") {
    kill(agent(), SIGKILL);
    CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
    CHECK(local.messages_of_each("joe") == std::vector{1, 1});
  }
  SECTION("stopped while it waits: it is replaced") {
    kill(agent(), SIGSTOP);
    CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
    CHECK(local.messages_of_each("joe") == std::vector{1, 1});
  }
  SECTION("killed or stopped with a message: that one is deferred, and nobody else's") {
    local.orders("joe", local.joe, "", GENERATE("|kill -9 $PPID\n", "|kill -STOP $PPID\n"));
    spawner.request({71, "s", "joe@h", "t", "", "", true});
    for (std::uint32_t n = 72; n < 75; ++n) spawner.request({n, "s", "ann@h", "t", "", "", true});
    std::map<std::uint32_t, DeliveryReport> reports;
    for (int i = 0; i < 4; ++i) {
      const DeliveryReport one = spawner.report();
      reports[one.delivery] = one;
    }
    CHECK(reports[71] == DeliveryReport{71, 'Z', "qmail-local crashed.\n"});
    for (std::uint32_t n = 72; n < 75; ++n) CHECK(reports[n] == DeliveryReport{n, 'K', "did 1+0+0\n"});
    CHECK(unlink(local.path("joe/.qmail").c_str()) == 0);
    CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
    CHECK(local.messages_of_each("joe") == std::vector{1, 1});
  }
  CHECK(spawner.close() == 0);
}

TEST_CASE("local agents: control/timeoutlocal holds for each delivery", "[agents]") {
  RealLocal local;
  local.home.write("control/timeoutlocal", "5\n");
  Spawner spawner(local.args);
  CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  const pid_t agent = local.last_deliverer("joe");
  local.orders("joe", local.joe, "", "|echo $PPID > agent; exec sleep 60\n");
  CHECK(spawner.deliver_more("joe@h") ==
        "Zqmail-local was killed: it had not ended after 5 seconds. (#4.3.0)\n");
  CHECK(slurp(local.path("joe/agent")) == std::to_string(agent) + "\n");
  CHECK(eventually([&] { return !alive(agent); }));
  CHECK(spawner.close() == 0);
}

TEST_CASE("local agents: those that wait are few, and none is left behind", "[agents]") {
  RealLocal local("100 300 60");
  std::vector<std::string> lines;
  for (int i = 0; i < 60; ++i) {
    const uid_t uid = 61600 + static_cast<uid_t>(i);
    local.make_home("u" + std::to_string(i), uid);
    lines.push_back(local.line("u" + std::to_string(i), uid));
  }
  write_users(local.home, lines);
  Spawner spawner(local.args);
  for (int i = 0; i < 60; ++i) CHECK(spawner.deliver_more("u" + std::to_string(i) + "@h") == "Kdid 1+0+0\n");
  CHECK(eventually([&] { return children_of(spawner.pid()).size() == 50; }));
  const std::vector<pid_t> agents = children_of(spawner.pid());
  // The ten that have waited longest made room.
  for (int i = 0; i < 60; ++i)
    CHECK((std::count(agents.begin(), agents.end(), local.last_deliverer("u" + std::to_string(i))) == 1) ==
          (i >= 10));
  CHECK(spawner.deliver_more("u59@h") == "Kdid 1+0+0\n");
  CHECK(local.messages_of_each("u59") == std::vector{2});
  CHECK(spawner.close() == 0);
  for (const pid_t agent : agents) CHECK(eventually([&] { return !alive(agent); }));
}

TEST_CASE("local agents: descriptors are for work first", "[agents]") {
  RealLocal local;
  Spawner spawner(local.args, [] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max = 40;  // two deliveries
    setrlimit(RLIMIT_NOFILE, &limit);
  });
  for (int round = 0; round < 3; ++round)
    for (const char* user : {"joe", "ann", "joe", "joe", "ann"})
      CHECK(spawner.deliver_more(user + "@h"s) == "Kdid 1+0+0\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("local agents: the end of qmail-lspawn", "[agents]") {
  RealLocal local;
  local.orders("joe", local.joe, "-slow", "|sleep 1; echo done > done\n");
  write_users(local.home, {local.line("joe", local.joe), local.line("ann", local.ann),
                           "+joe-:joe:61501:61600:" + local.path("joe") + ":-::"});
  Spawner spawner(local.args);
  CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  CHECK(spawner.deliver_more("ann@h") == "Kdid 1+0+0\n");
  const pid_t busy = local.last_deliverer("joe"), idle = local.last_deliverer("ann");
  spawner.request({9, "s", "joe-slow@h", "t", "", "", true});
  SECTION("qmail-send goes: it waits for what is under way") {
    CHECK(spawner.close() == 0);
    CHECK(slurp(local.path("joe/done")) == "done\n");
  }
  SECTION("a signal: what is under way comes to its end without it") {
    CHECK(eventually([&] { return !children_of(busy).empty(); }));
    kill(spawner.pid(), SIGTERM);
    CHECK(spawner.close() == -1);
    CHECK(eventually([&] { return slurp(local.path("joe/done")) == "done\n"; }));
  }
  for (const pid_t agent : {busy, idle}) CHECK(eventually([&] { return !alive(agent); }));
}

TEST_CASE("local agents: a program in qmail-local's place", "[agents]") {
  RealLocal local;
  REQUIRE(rename(local.home.path("bin/qmail-local").c_str(),
                 local.home.path("bin/qmail-local.real").c_str()) == 0);
  const std::string real = local.home.path("bin/qmail-local.real");
  SECTION("that runs it is run for each message") {
    local.home.script("qmail-local", "exec " + real + " \"$@\"\n");
    Spawner spawner(local.args);
    for (int i = 0; i < 3; ++i) CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
    CHECK(local.messages_of_each("joe") == std::vector{1, 1, 1});
    CHECK(spawner.close() == 0);
  }
  SECTION("that says something else to qmail-lspawn has delivered nothing") {
    const std::string says =
        GENERATE("printf + >&3\n", "printf x-0 >&3\n", "printf +x0 >&3\n", "printf K >&3\n",
                 "head -c 70000 /dev/zero | dd bs=70000 iflag=fullblock >&3\n");
    CAPTURE(says);
    local.home.script("qmail-local", says + "exit 0\n");
    Spawner spawner(local.args);
    CHECK(spawner.deliver_more("joe@h") == "Zqmail-local crashed.\n");
    CHECK(spawner.close() == 0);
  }
}

TEST_CASE("local agents: with a program in the queue's place there are none", "[agents]") {
  RealLocal local;
  Spawner spawner(local.args, [] { setenv("QMAILQUEUE", "/bin/true", 1); });
  for (int i = 0; i < 3; ++i) CHECK(spawner.deliver_more("joe@h") == "Kdid 1+0+0\n");
  CHECK(local.messages_of_each("joe") == std::vector{1, 1, 1});
  CHECK(spawner.close() == 0);
}
