// qmail-lspawn and qmail-rspawn as executables, with this test in qmail-send's place and shell scripts in the
// places of qmail-local, qmail-getpw and qmail-remote.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>

#include "lib/base/clock.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/process.h"
#include "lib/store/accounts.h"
#include "lib/store/tcpto.h"
#include "lib/store/users.h"
#include "qmail-send/spawn_protocol.h"
#include "tests/certificates.h"
#include "tests/program/byte_server.h"
#include "tests/program/dns_server.h"
#include "tests/program/private_home.h"
#include "tests/program/process.h"
#include "tests/program/smtp_server.h"
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

// A message as qmail-send hands it over: something in front, then positioned at its first byte.
Fd message(const std::string& text) {
  Fd fd(memfd_create("message", MFD_CLOEXEC));
  REQUIRE(fd);
  write_all(fd.get(), "header" + text, "memfd");
  lseek(fd.get(), 6, SEEK_SET);
  return fd;
}

class Spawner {
 public:
  explicit Spawner(
      std::vector<std::string> args, std::function<void()> prepare = [] {}) {
    FdPair sockets = make_socketpair(SOCK_SEQPACKET);
    Fd log = open_file("/dev/null", O_WRONLY);
    pid_ = fork_child("test", [&] {
      move_to(std::move(sockets.second), 0);
      move_to(std::move(log), 2);
      default_signals();
      prepare();
      exec_program(args);
      return 111;
    });
    socket_ = std::move(sockets.first);
  }
  ~Spawner() {
    if (pid_ > 0) close();
  }

  void request(const DeliveryRequest& request, const std::string& text = "Subject: x\n\nbody\n") {
    Fd fd = message(text);
    const int number = fd.get();
    REQUIRE(send_message(socket_.get(), encode_request(request), &number, 1));
  }
  void request_raw(const std::string& packet, bool with_message) {
    Fd fd = message("x");
    const int number = fd.get();
    REQUIRE(send_message(socket_.get(), packet, &number, with_message ? 1 : 0));
  }
  DeliveryReport report() {
    REQUIRE(wait_readable(socket_.get(), Deadline::in_seconds(60)));
    const std::optional<Message> packet = receive_message(socket_.get(), delivery_report_limit);
    REQUIRE(packet);
    REQUIRE(!packet->data.empty());
    const std::optional<DeliveryReport> report = decode_report(packet->data);
    REQUIRE(report);
    return *report;
  }
  // The report of one delivery, "K text".
  std::string deliver(const std::string& recipient, const std::string& sender = "s@example.org") {
    const DeliveryReport answer = deliver_one(recipient, sender, false);
    return answer.status + answer.text;
  }
  DeliveryReport deliver_one(const std::string& recipient, const std::string& sender = "s@example.org",
                             bool more = true, const std::string& params = "") {
    request({++number_, sender, recipient, "0123456789abc", params, "", more});
    const DeliveryReport answer = report();
    CHECK(answer.delivery == number_);
    return answer;
  }
  // The same, with more for the same destination to come.
  std::string deliver_more(const std::string& recipient, const std::string& sender = "s@example.org") {
    const DeliveryReport answer = deliver_one(recipient, sender);
    return answer.status + answer.text;
  }
  // qmail-send is gone; the spawner's exit code.
  int close() {
    socket_.reset();
    const int status = wait_for_child(std::exchange(pid_, -1));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  pid_t pid() const { return pid_; }

 private:
  Fd socket_;
  pid_t pid_ = -1;
  std::uint32_t number_ = 0;
};

void write_users(const PrivateHome& home, const std::vector<std::string>& lines) {
  CdbWriter cdb(home.path("users/cdb"));
  for (const std::string& text : lines) {
    const std::optional<AssignLine> line = parse_assign_line(text);
    REQUIRE(line);
    cdb.add(line->key(), encode_assignment(line->to));
  }
  cdb.add("", "-");
  cdb.commit();
}

std::vector<std::string> lspawn(const PrivateHome& home) {
  return {home.path("bin/qmail-lspawn"), "./Maildir/"};
}

}  // namespace

TEST_CASE("qmail-lspawn runs qmail-local as the user, with qmail's arguments", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  Scratch scratch;
  write_users(home, {"+joe-:joe:61501:61600:/home/joe:-:pre-:"});
  home.script("qmail-local",
              "for a in \"$@\"; do echo \"[$a]\"; done; id -u; id -g; id -G; cat\n"
              "echo error >&2; echo $QMAILTRACE $QMAILMSGPARAMS $QMAILRCPTPARAMS; pwd; ulimit -Sn\n"
              "ls -l /proc/self/fd | sed -n 's/.*[0-9] \\([0-9]*\\) -> \\([a-z]*\\):.*/\\1 \\2/p'\n");
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const rlim_t soft = std::min<rlim_t>(files.rlim_max, 200);
  Spawner spawner(lspawn(home), [&] {
    rlimit low = files;
    low.rlim_cur = soft;
    setrlimit(RLIMIT_NOFILE, &low);
  });
  spawner.request({7, "s@example.org", "Joe-A@B@example.net", "0123456789abc", "SMTPUTF8", "NOTIFY=NEVER"},
                  "the message\n");
  const DeliveryReport report = spawner.report();
  CHECK(report.delivery == 7);
  CHECK(report.status == 'K');
  CHECK(report.text ==
        "[--]\n[joe]\n[/home/joe]\n[Joe-A@B]\n[-]\n[pre-A@B]\n[example.net]\n[s@example.org]\n[./Maildir/]\n"
        "61501\n61600\n61600\nthe message\nerror\n0123456789abc SMTPUTF8 NOTIFY=NEVER\n" +
            std::string(conf::home) + "\n" + std::to_string(soft) + "\n1 pipe\n2 pipe\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn's answers", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::", "=root:root:0:0:/root:::"});
  home.script("qmail-local", "echo said; [ $6 = crash ] && kill -9 $$; exit $6\n");
  Spawner spawner(lspawn(home));
  CHECK(spawner.deliver("0@h") == "Ksaid\n");
  CHECK(spawner.deliver("111@h") == "Zsaid\n");
  CHECK(spawner.deliver("100@h") == "Dsaid\n");
  CHECK(spawner.deliver("crash@h") == "Zqmail-local crashed.\n");
  CHECK(spawner.deliver("root@h") == "ZNot allowed to perform deliveries as root.\n");
  CHECK(spawner.deliver("nohost") == "DSorry, address must include host name. (#5.1.3)\n");
  CHECK(spawner.deliver("@h") == "K");
  spawner.request_raw(encode_request({9, "s", "0@h", "t", "", ""}), false);
  CHECK(spawner.report() == DeliveryReport{9, 'Z', "Sorry, message has wrong type. (#4.3.5)\n"});
  spawner.request_raw("\0\0\0\x0bsender\0"s, true);
  CHECK(spawner.report() ==
        DeliveryReport{11, 'Z', "Internal error: unintelligible delivery request. (#4.3.5)\n"});
  unlink(home.path("bin/qmail-local").c_str());
  CHECK(spawner.deliver("0@h") == "ZUnable to run qmail-local. (#4.3.0)\n");
  home.script("qmail-local", "echo back\n");
  CHECK(spawner.deliver("0@h") == "Kback\n");
  home.write("users/cdb", "rubbish");
  CHECK(spawner.deliver("0@h") == "ZTrouble reading users/cdb in qmail-lspawn.\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn asks qmail-getpw, as qmailp and under limits", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn", "qmail-getpw"};
  Scratch scratch;
  const std::string joe = scratch.directory("joe", 61501);
  home.add_accounts("hatojoe:x:61501:61502::" + joe + ":/bin/sh\n");
  home.script("qmail-local", "echo \"$2 $3 $5$6\"; id -u\n");
  Spawner spawner(lspawn(home));
  CHECK(spawner.deliver("hatojoe-x@h") == "Khatojoe " + joe + " -x\n61501\n");
  const User alias = *passwd_user(conf::user_alias);
  CHECK(spawner.deliver("hatonobody@h") ==
        "K" + alias.name + " " + home.path("alias") + " -hatonobody\n" + std::to_string(alias.uid) + "\n");
  // users/cdb comes first
  write_users(home, {"=hatojoe-x:other:61503:61503:/o:::"});
  CHECK(spawner.deliver("hatojoe-x@h") == "Kother /o \n61503\n");
  CHECK(spawner.deliver("hatojoe-y@h") == "Khatojoe " + joe + " -y\n61501\n");

  home.script("qmail-getpw",
              "printf \"u\\0006150\\0006150\\000/\\000$(id -u) $(ulimit -t) $(ls /proc/self/fd | tr '\\n' ,) "
              "$(readlink "
              "/proc/self/fd/0)\\000$1\\000\"\n");
  const User qmailp = *passwd_user(conf::user_qmailp);
  CHECK(spawner.deliver("a-b@h") ==
        "Ku / " + std::to_string(qmailp.uid) + " 10 0,1,2,3, /dev/nulla-b\n6150\n");
  home.script("qmail-getpw", "exit 116\n");
  CHECK(spawner.deliver("a@h") == "ZUnable to find alias user!\n");
  home.script("qmail-getpw", "echo; exit 0\n");
  CHECK(spawner.deliver("a@h") == "Zqmail-getpw's answer is unintelligible. (#4.3.0)\n");
  home.script("qmail-getpw", "printf 'root\\0000\\0000\\000/\\000\\000\\000'\n");
  CHECK(spawner.deliver("a@h") == "ZNot allowed to perform deliveries as root.\n");
  unlink(home.path("bin/qmail-getpw").c_str());
  CHECK(spawner.deliver("a@h") == "ZUnable to run qmail-getpw. (#4.3.0)\n");
}

TEST_CASE("qmail-lspawn keeps at most 64 KiB of what a delivery says and does not block it",
          "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "head -c 500000 /dev/zero | tr '\\0' x; exit 100\n");
  Spawner spawner(lspawn(home));
  const std::string report = spawner.deliver("u@h");
  CHECK(report.size() == 1 + delivery_text_limit);
  CHECK(report.substr(0, 4) == "Dxxx");
}

TEST_CASE("qmail-lspawn keeps reports that are not read yet, and goes on", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "head -c 60000 /dev/zero | tr '\\0' x\n");
  Spawner spawner(lspawn(home));
  // Far more than the socket holds.
  for (std::uint32_t i = 0; i < 30; ++i) spawner.request({i, "s", "u@h", "t", "", ""});
  usleep(1500000);
  std::map<std::uint32_t, std::size_t> sizes;
  for (int i = 0; i < 30; ++i) {
    const DeliveryReport report = spawner.report();
    sizes[report.delivery] = report.text.size();
  }
  CHECK(sizes.size() == 30);
  for (const auto& [number, size] : sizes) CHECK(size == 60000);
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn does not wait for what a delivery left behind", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  Scratch scratch;
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "sleep 20 & echo $! > " + scratch.directory("pid", 61501) + "/pid; echo done\n");
  Spawner spawner(lspawn(home));
  const std::int64_t before = now_seconds();
  CHECK(spawner.deliver("u@h") == "Kdone\n");
  CHECK(now_seconds() - before < 15);
  CHECK(spawner.close() == 0);
  kill(std::stoi(*read_file(scratch.path() + "/pid/pid", 100)), SIGKILL);
}

TEST_CASE("qmail-lspawn ends a delivery that its user stops, which would keep its place for ever",
          "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "kill -STOP $$; echo never\n");
  Spawner spawner(lspawn(home));
  CHECK(spawner.deliver("u@h") == "Zqmail-local crashed.\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn ends a delivery that does not end", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.write("control/timeoutlocal", "1\n");
  home.script("qmail-local", "[ $6 = quick ] || exec sleep 30; echo done\n");
  Spawner spawner(lspawn(home));
  spawner.request({1, "s", "slow@h", "t", "", ""});
  spawner.request({2, "s", "quick@h", "t", "", ""});
  CHECK(spawner.report() == DeliveryReport{2, 'K', "done\n"});
  CHECK(spawner.report() ==
        DeliveryReport{1, 'Z', "qmail-local was killed: it had not ended after 1 seconds. (#4.3.0)\n"});
  CHECK(spawner.deliver("quick@h") == "Kdone\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn runs hundreds at once, and as many as its descriptors allow", "[qmail-lspawn]") {
  const rlim_t files = GENERATE(rlim_t{40}, rlim_t{100000});
  const int count = files == 40 ? 12 : 300;
  CAPTURE(files);
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", files == 40 ? "sleep 0.05; echo $6\n" : "read line; sleep 1; echo $6\n");
  Spawner spawner(lspawn(home), [&] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max = std::min(files, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
  });
  for (int i = 0; i < count; ++i)
    spawner.request({static_cast<std::uint32_t>(i), "s", std::to_string(i) + "@h", "t", "", ""});
  std::map<std::uint32_t, std::string> reports;
  for (int i = 0; i < count; ++i) {
    const DeliveryReport report = spawner.report();
    reports[report.delivery] = report.status + report.text;
  }
  REQUIRE(reports.size() == static_cast<std::size_t>(count));
  for (const auto& [number, report] : reports) CHECK(report == "K" + std::to_string(number) + "\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("a request whose message cannot be taken for want of descriptors is answered", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "cat >/dev/null; echo said\n");
  Spawner spawner(lspawn(home));
  CHECK(spawner.deliver("a@h") == "Ksaid\n");
  const std::string fds = "/proc/" + std::to_string(spawner.pid()) + "/fd/";
  rlim_t free = 0;
  while (access((fds + std::to_string(free)).c_str(), F_OK) == 0) ++free;
  rlimit before{};
  REQUIRE(prlimit(spawner.pid(), RLIMIT_NOFILE, nullptr, &before) == 0);
  const rlimit none{free, before.rlim_max};
  REQUIRE(prlimit(spawner.pid(), RLIMIT_NOFILE, &none, nullptr) == 0);
  CHECK(spawner.deliver("b@h") == "ZUnable to take the message: Too many open files. (#4.3.0)\n");
  REQUIRE(prlimit(spawner.pid(), RLIMIT_NOFILE, &before, nullptr) == 0);
  CHECK(spawner.deliver("c@h") == "Ksaid\n");
  CHECK(spawner.close() == 0);
}

TEST_CASE("qmail-lspawn ends after its last delivery when qmail-send has gone", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  Scratch scratch;
  const std::string place = scratch.directory("u", 61501);
  write_users(home, {"+:u:61501:61501:/:-::"});
  home.script("qmail-local", "sleep 0.5; echo done > " + place + "/done\n");
  Spawner spawner(lspawn(home));
  spawner.request({1, "s", "u@h", "t", "", ""});
  CHECK(spawner.close() == 0);
  CHECK(access((place + "/done").c_str(), F_OK) == 0);
}

TEST_CASE("qmail-lspawn wants root and its argument", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  CHECK(run({home.path("bin/qmail-lspawn")}).code == 100);
  const Result result = run_as(61501, 61501, {home.path("bin/qmail-lspawn"), "./Mailbox"});
  CHECK(result.code == 111);
  CHECK(result.err == "qmail-lspawn: must be started as root, to deliver as each user\n");
  const Result by_hand = run({home.path("bin/qmail-lspawn"), "./Mailbox"});
  CHECK(by_hand.code == 111);
  CHECK(by_hand.err == "qmail-lspawn: descriptor 0 is no socket: qmail-start starts the spawners\n");
}

TEST_CASE("qmail-rspawn runs qmail-remote as qmailr and digests its report", "[qmail-rspawn]") {
  PrivateHome home{"qmail-rspawn"};
  const User qmailr = *passwd_user(conf::user_qmailr);
  // Hosts that did not answer are forgotten at the start.
  REQUIRE(mkdir(home.path("queue/lock").c_str(), 0755) == 0);
  home.write("queue/lock/tcpto", "");
  REQUIRE(chown(home.path("queue/lock/tcpto").c_str(), qmailr.uid, qmailr.gid) == 0);
  Tcpto(conf::home).failed(*IpAddress::parse("192.0.2.1"), 25, 1000);
  REQUIRE(Tcpto(conf::home).entries().size() == 1);
  Spawner spawner({home.path("bin/qmail-rspawn")});
  home.script(
      "qmail-remote",
      "printf 'r\\000K'; for a in \"$@\"; do echo \"[$a]\"; done; id -u; id -G; cat; printf '\\000'\n");
  spawner.request({5, "s@example.org", "a@b@example.net", "t", "", ""}, "the message\n");
  CHECK(spawner.report() ==
        DeliveryReport{5, 'K',
                       "[example.net]\n[s@example.org]\n[a@b@example.net]\n" + std::to_string(qmailr.uid) +
                           "\n" + std::to_string(qmailr.gid) + "\nthe message\n"});
  home.script("qmail-remote", "printf 'hno such user\\n\\000Kaccepted\\000'\n");
  CHECK(spawner.deliver("a@h") == "Dno such user\n");
  CHECK(Tcpto(conf::home).entries().empty());
  home.script("qmail-remote", "printf 'sbusy\\000ZGiving up.\\000'\n");
  CHECK(spawner.deliver("a@h") == "ZbusyGiving up.");
  home.script("qmail-remote", "kill -9 $$\n");
  CHECK(spawner.deliver("a@h") == "Zqmail-remote crashed.\n");
  home.script("qmail-remote", "exit 0\n");
  CHECK(spawner.deliver("a@h") == "Zqmail-remote produced no output.\n");
  CHECK(spawner.deliver("nohost") == "DSorry, address must include host name. (#5.1.3)\n");
  unlink(home.path("bin/qmail-remote").c_str());
  CHECK(spawner.deliver("a@h") == "ZUnable to run qmail-remote. (#4.3.0)\n");
  CHECK(*read_file("/proc/" + std::to_string(spawner.pid()) + "/status", 10000) != "");
  CHECK(read_file("/proc/" + std::to_string(spawner.pid()) + "/status", 10000)
            ->find("Uid:\t" + std::to_string(qmailr.uid) + "\t" + std::to_string(qmailr.uid)) !=
        std::string::npos);
  CHECK(spawner.close() == 0);
}

namespace {

// qmail-rspawn and the real qmail-remote, which finds its hosts by control/smtproutes alone.
struct RealRemote {
  PrivateHome home{"qmail-rspawn", "qmail-remote"};
  std::vector<std::string> args{home.path("bin/qmail-rspawn")};

  explicit RealRemote(const std::string& reuse = "100 300 1") {
    home.write("control/me", "client.test\n");
    home.write("control/timeoutremote", "3\n");
    home.write("control/timeoutconnect", "1\n");
    home.write("control/reuseremote", reuse + "\n");
  }
  void route(const std::vector<std::string>& lines) const {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    home.write("control/smtproutes", text);
  }
  static std::string to(const SmtpServer& server) { return "127.0.0.1:" + std::to_string(server.port()); }
};

std::vector<std::size_t> messages_of_each(const SmtpServer& server) {
  std::vector<std::size_t> counts;
  for (const SmtpSession& session : server.sessions())
    counts.push_back(static_cast<std::size_t>(
        std::count_if(session.messages.begin(), session.messages.end(),
                      [](const std::string& message) { return !message.ends_with("(broken off)"); })));
  return counts;
}
using Counts = std::vector<std::size_t>;

}  // namespace

TEST_CASE("agents: messages for one next hop share a connection", "[agents]") {
  RealRemote remote;
  SmtpServer server;
  remote.route({":" + remote.to(server)});
  Spawner spawner(remote.args);
  for (const char* domain : {"a.test", "b.test", "a.test"}) {
    const DeliveryReport report = spawner.deliver_one(std::string("u@") + domain);
    CHECK(report.status == 'K');
    CHECK(report.host == HostSays::answered);
    CHECK(report.text == "127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\n");
  }
  CHECK(spawner.deliver_one("u@\xc3\xa9.test", "s@\xc3\xa9.test", true, "SMTPUTF8").status == 'K');
  CHECK(spawner.deliver_one("last@a.test").status == 'K');
  CHECK(spawner.close() == 0);  // idle agents say goodbye with it
  const auto sessions = server.sessions();
  REQUIRE(sessions.size() == 1);
  CHECK(sessions[0].messages.size() == 5);
  const auto mail = [](const std::string& from) { return "MAIL FROM:<" + from + "> SIZE=20"; };
  CHECK(sessions[0].commands ==
        std::vector<std::string>{"EHLO client.test", mail("s@example.org"), "RCPT TO:<u@a.test>", "DATA",
                                 mail("s@example.org"), "RCPT TO:<u@b.test>", "DATA", mail("s@example.org"),
                                 "RCPT TO:<u@a.test>", "DATA", mail("s@xn--9ca.test"),
                                 "RCPT TO:<u@xn--9ca.test>", "DATA", mail("s@example.org"),
                                 "RCPT TO:<last@a.test>", "DATA", "QUIT"});
}

TEST_CASE("agents: messages for one QMTP server share a connection", "[agents][qmtp]") {
  const std::string package = "18:\nSubject: x\n\nbody\n,13:s@example.org,11:8:u@a.test,,";
  const std::string ok = "3:Kok,", no = "4:Dno.,",
                    accepted = "127.0.0.1 accepted message.\nRemote host said: ok\n";
  struct Row {
    const char* what;
    std::vector<BytePlan> plans;
    std::string status, text;           // of each of four messages
    std::vector<std::size_t> packages;  // of each connection
  };
  const Row rows[] = {
      {"all on one", {{.octets = package.size(), .answer = ok, .rounds = 4}}, "KKKK", accepted, {4}},
      {"a refusal is no reason to part",
       {{.octets = package.size(), .answer = no, .rounds = 4}},
       "DDDD",
       "127.0.0.1 does not like recipient.\nRemote host said: no.\nGiving up on 127.0.0.1.\n",
       {4}},
      {"a server that closes after one", {{package.size(), ok}}, "KKKK", accepted, {1, 1, 1, 1}},
      {"two, then one that closes",
       {{.octets = package.size(), .answer = ok, .rounds = 2}, {package.size(), ok}},
       "KKKK",
       accepted,
       {2, 1, 1}},
      {"an answer too many",
       {{.octets = package.size(), .answer = ok + ok, .rounds = 4}},
       "KKKK",
       accepted,
       {1, 1, 1, 1}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    RealRemote remote;
    const ByteServer server(row.plans);
    remote.route({":" + server.name() + " qmtp"});
    Spawner spawner(remote.args);
    for (const char status : row.status) {
      const DeliveryReport report = spawner.deliver_one("u@a.test");
      CHECK(report.status == status);
      CHECK(report.text == row.text);
      CHECK(report.host == HostSays::answered);
    }
    CHECK(spawner.close() == 0);
    std::vector<std::size_t> packages;
    for (const std::string& received : server.received()) {
      packages.push_back(received.size() / package.size());
      for (std::size_t at = 0; at < received.size(); at += package.size())
        CHECK(received.substr(at, package.size()) == package);
    }
    CHECK(packages == row.packages);
  }
}

TEST_CASE("agents: a QMTP server that goes away in the middle of a further package", "[agents][qmtp]") {
  // It reads one package and the beginning of the next, and closes: nobody can have taken that one.
  RealRemote remote;
  const std::string ok = "3:Kok,";
  const std::string large(3000000, 'x');
  const std::size_t small = std::string("18:\nSubject: x\n\nbody\n,13:s@example.org,11:8:u@a.test,,").size();
  const ByteServer server({{.octets = small, .answer = ok, .rounds = 1, .also = 1000},
                           {.octets = 9 + large.size() + 33, .answer = ok}});
  remote.route({":" + server.name() + " qmtp"});
  Spawner spawner(remote.args);
  CHECK(spawner.deliver_one("u@a.test").status == 'K');
  spawner.request({99, "s@example.org", "u@a.test", "0123456789abc", "", "", false}, large);
  CHECK(spawner.report().status == 'K');
  CHECK(server.received().size() == 2);
  CHECK(spawner.close() == 0);
}

TEST_CASE("agents: the last of many says goodbye at once, and so does a single message", "[agents]") {
  RealRemote remote("100 300 10");
  SmtpServer server;
  remote.route({":" + remote.to(server)});
  Spawner spawner(remote.args);
  CHECK(spawner.deliver_one("u@a.test", "s@example.org", false).status == 'K');
  CHECK(messages_of_each(server) == Counts{1});
  CHECK(server.sessions().at(0).commands.back() == "QUIT");
  // Another one so soon: there may be more.
  CHECK(spawner.deliver_one("u@a.test", "s@example.org", false).status == 'K');
  CHECK(spawner.deliver_one("u@a.test", "s@example.org", false).status == 'K');
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 2});
}

TEST_CASE("agents: what needs another connection gets another", "[agents]") {
  RealRemote remote;
  SmtpServer one, two;
  remote.route({"b.test:" + remote.to(two), ":" + remote.to(one)});
  Spawner spawner(remote.args);
  const auto deliver = [&](const char* recipient, const char* sender) {
    CHECK(spawner.deliver_one(recipient, sender).status == 'K');
  };
  SECTION("another route") {
    for (int i = 0; i < 2; ++i) deliver("u@a.test", "s@x.test"), deliver("u@b.test", "s@x.test");
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(one) == Counts{2});
    CHECK(messages_of_each(two) == Counts{2});
  }
  SECTION("another sender, where the sender's domain decides") {
    const char* const file = GENERATE("control/bindroutes", "control/smtpauth");
    remote.home.write(file, "");
    deliver("u@a.test", "s@x.test");
    deliver("u@c.test", "s@X.test");
    deliver("u@a.test", "s@y.test");
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(one) == Counts{2, 1});
  }
  SECTION("another recipient's domain, where that decides") {
    remote.home.write("control/tlshosts", "");
    deliver("u@a.test", "s@x.test");
    deliver("u@A.test", "s@y.test");
    deliver("u@c.test", "s@x.test");
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(one) == Counts{2, 1});
  }
  SECTION("after any change of the control files") {
    deliver("u@a.test", "s@x.test");
    sleep(1);  // files are looked at once a second
    remote.home.write("control/helohost", "other.test\n");
    sleep(1);
    deliver("u@a.test", "s@x.test");
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(one) == Counts{1, 1});
    CHECK(one.sessions().at(1).commands.at(0) == "EHLO other.test");
  }
}

TEST_CASE("agents: a connection ends after so many messages, and when none comes", "[agents]") {
  SECTION("messages") {
    RealRemote remote("2 300 10");
    SmtpServer server;
    remote.route({":" + remote.to(server)});
    Spawner spawner(remote.args);
    for (int i = 0; i < 5; ++i) CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{2, 2, 1});
    for (const SmtpSession& session : server.sessions()) CHECK(session.commands.back() == "QUIT");
  }
  SECTION("age") {
    RealRemote remote("100 1 10");
    SmtpServer server;
    remote.route({":" + remote.to(server)});
    Spawner spawner(remote.args);
    CHECK(spawner.deliver_one("u@a.test").status == 'K');
    usleep(1100000);
    CHECK(spawner.deliver_one("u@a.test").status == 'K');  // the last one of this connection
    CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{2, 1});
  }
  SECTION("none") {
    RealRemote remote("1");
    SmtpServer server;
    remote.route({":" + remote.to(server)});
    Spawner spawner(remote.args);
    for (int i = 0; i < 2; ++i) CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(messages_of_each(server) == Counts{1, 1});
    CHECK(spawner.close() == 0);
  }
  SECTION("idle") {
    RealRemote remote("100 300 1");
    SmtpServer server;
    remote.route({":" + remote.to(server)});
    Spawner spawner(remote.args);
    CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(eventually([&] { return server.sessions().at(0).commands.back() == "QUIT"; }));
    CHECK(spawner.deliver_one("u@a.test").status == 'K');
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{1, 1});
  }
}

TEST_CASE("agents: a connection that is gone, or wants no more, costs nothing but a new one", "[agents]") {
  const char* const answer = GENERATE("", "421 4.7.0 too many messages", "452 4.3.0 too many messages",
                                      "550 5.7.1 one message a connection");
  CAPTURE(answer);
  RealRemote remote;
  SmtpScript script;
  script.most_messages = 1;
  script.too_many = answer;
  SmtpServer server(script);
  remote.route({":" + remote.to(server)});
  Spawner spawner(remote.args);
  for (int i = 0; i < 3; ++i) {
    const DeliveryReport report = spawner.deliver_one("u@a.test");
    CHECK(report.status == 'K');
    CHECK(report.host == HostSays::answered);
  }
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 1, 1});  // and none twice
}

TEST_CASE("agents: what was refused leaves nothing behind for the next", "[agents]") {
  const bool pipelining = GENERATE(true, false);
  RealRemote remote;
  SmtpScript script;
  if (!pipelining) script.ehlo = "250 test";
  script.replies["RCPT TO:<bad"] = "550 5.1.1 no such user";
  script.replies["RCPT TO:<grey"] = "450 4.7.1 greylisted";
  if (pipelining) script.replies["DATA"] = "354 go";
  SmtpServer server(script);
  remote.route({":" + remote.to(server)});
  Spawner spawner(remote.args);
  const auto deliver = [&](const char* recipient, char status) {
    const DeliveryReport report = spawner.deliver_one(recipient);
    CHECK(report.status == status);
    CHECK(report.host == HostSays::answered);
  };
  deliver("good@a.test", 'K');
  deliver("bad@a.test", 'D');
  deliver("grey@a.test", 'Z');
  deliver("good@a.test", 'K');
  CHECK(spawner.close() == 0);
  std::size_t messages = 0, resets = 0;
  for (const SmtpSession& session : server.sessions()) {
    for (const std::string& message : session.messages) messages += message.size() > 0;
    for (const std::string& command : session.commands) resets += command == "RSET";
  }
  CHECK(messages == 2);
  // With pipelining this server wants a message for nobody, and that connection is not used again.
  CHECK(server.sessions().size() == (pipelining ? 3U : 1U));
  CHECK(resets == (pipelining ? 0U : 2U));
}

TEST_CASE("agents: what is said about the host", "[agents]") {
  RealRemote remote;
  remote.home.write("control/timeoutremote", "1\n");
  struct Row {
    const char* what;
    std::function<void(SmtpScript&)> change;
    char status;
    HostSays host;
  };
  const Row rows[] = {
      {"accepts", [](SmtpScript&) {}, 'K', HostSays::answered},
      {"greets badly", [](SmtpScript& s) { s.greeting = "554 go away"; }, 'Z', HostSays::trouble},
      {"greets with 421", [](SmtpScript& s) { s.greeting = "421 busy"; }, 'Z', HostSays::trouble},
      {"hangs up", [](SmtpScript& s) { s.greeting = ""; }, 'Z', HostSays::trouble},
      {"says nothing", [](SmtpScript& s) { s.silent = true; }, 'Z', HostSays::trouble},
      {"421 to MAIL", [](SmtpScript& s) { s.replies["MAIL"] = "421 closing"; }, 'Z', HostSays::trouble},
      {"421 after the message", [](SmtpScript& s) { s.message = "421 closing"; }, 'Z', HostSays::trouble},
      {"hangs up on the message", [](SmtpScript& s) { s.message = ""; }, 'Z', HostSays::nothing},
      {"451 to MAIL", [](SmtpScript& s) { s.replies["MAIL"] = "451 later"; }, 'Z', HostSays::answered},
      {"greylists", [](SmtpScript& s) { s.replies["RCPT"] = "450 later"; }, 'Z', HostSays::answered},
      {"refuses", [](SmtpScript& s) { s.replies["RCPT"] = "550 no"; }, 'D', HostSays::answered},
      {"451 to DATA", [](SmtpScript& s) { s.replies["DATA"] = "451 later"; }, 'Z', HostSays::answered},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    SmtpScript script;
    row.change(script);
    SmtpServer server(script);
    remote.route({":" + remote.to(server)});
    Spawner spawner(remote.args);
    const DeliveryReport report = spawner.deliver_one("u@a.test");
    CHECK(report.status == row.status);
    CHECK(report.host == row.host);
  }
  remote.route({":127.0.0.1:1"});
  Spawner spawner(remote.args);
  CHECK(spawner.deliver_one("u@a.test").host == HostSays::trouble);
}

TEST_CASE("agents: a program in qmail-remote's place runs for each message", "[agents]") {
  RealRemote remote;
  SmtpServer server;
  remote.route({":" + remote.to(server)});
  REQUIRE(rename(remote.home.path("bin/qmail-remote").c_str(),
                 remote.home.path("bin/qmail-remote.real").c_str()) == 0);
  remote.home.script("qmail-remote", "exec " + remote.home.path("bin/qmail-remote.real") + " \"$@\"\n");
  Spawner spawner(remote.args);
  for (int i = 0; i < 3; ++i) CHECK(spawner.deliver_one("u@a.test").status == 'K');
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 1, 1});
}

TEST_CASE("agents: a control/reuseremote that cannot be read is the default, not an end of deliveries",
          "[agents]") {
  RealRemote remote("as many as you like");
  SmtpServer server;
  remote.route({":" + remote.to(server)});
  Spawner spawner(remote.args);
  for (int i = 0; i < 3; ++i) CHECK(spawner.deliver_one("u@a.test").status == 'K');
  CHECK(spawner.close() == 0);
  std::size_t all = 0;
  for (const std::size_t one : messages_of_each(server)) all += one;
  CHECK(all == 3);
}

TEST_CASE("agents: one that is killed while it waits is replaced", "[agents]") {
  RealRemote remote("100 300 30");
  SmtpServer server;
  remote.route({":" + remote.to(server)});
  Spawner spawner(remote.args);
  CHECK(spawner.deliver_one("u@a.test").status == 'K');
  const std::string children =
      "/proc/" + std::to_string(spawner.pid()) + "/task/" + std::to_string(spawner.pid()) + "/children";
  const pid_t agent = std::stoi(slurp(children));
  // Still sealed, still qmailr, and holding no message whose lock would say that it is being delivered.
  const std::string status = slurp("/proc/" + std::to_string(agent) + "/status");
  CHECK(status.find("Seccomp:\t2\n") != std::string::npos);
  CHECK(status.find("NoNewPrivs:\t1\n") != std::string::npos);
  const std::string uid = std::to_string(passwd_user(conf::user_qmailr)->uid);
  CHECK(status.find("Uid:\t" + uid + "\t" + uid + "\t" + uid) != std::string::npos);
  for (const std::string& name : names_in("/proc/" + std::to_string(agent) + "/fd")) {
    char target[200] = {};
    CHECK(readlink(("/proc/" + std::to_string(agent) + "/fd/" + name).c_str(), target, sizeof target - 1) >
          0);
    CHECK(std::string(target).find("message") == std::string::npos);
  }
  kill(agent, SIGKILL);
  CHECK(spawner.deliver_one("u@a.test").status == 'K');
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 1});
}

TEST_CASE("agents: many at once, and none left behind", "[agents]") {
  RealRemote remote("5 300 1");
  std::vector<std::unique_ptr<SmtpServer>> servers;
  std::vector<std::string> routes;
  for (int i = 0; i < 4; ++i) {
    servers.push_back(std::make_unique<SmtpServer>());
    routes.push_back("h" + std::to_string(i) + ".test:" + remote.to(*servers.back()));
  }
  remote.route(routes);
  Spawner spawner(remote.args);
  std::uint32_t asked = 0, answered = 0;
  std::map<std::uint32_t, int> reports;
  const auto answer = [&] {
    const DeliveryReport report = spawner.report();
    CHECK(report.status == 'K');
    ++reports[report.delivery];
    ++answered;
  };
  // One at a time for each server: it serves one connection after the other.
  for (std::uint32_t round = 0; round < 25; ++round) {
    for (int i = 0; i < 4; ++i)
      spawner.request({++asked, "s@x.test", "u@h" + std::to_string(i) + ".test", "t", "", "", true});
    while (answered < asked) answer();
  }
  CHECK(reports.size() == 100);
  CHECK(spawner.close() == 0);
  for (const auto& server : servers) CHECK(messages_of_each(*server) == Counts{5, 5, 5, 5, 5});
}

namespace {

SmtpScript tls_script() {
  SmtpScript script;
  script.ehlo = "250-test\n250-PIPELINING\n250 STARTTLS";
  script.ehlo_in_tls = "250-test\n250-PIPELINING\n250 AUTH PLAIN";
  script.replies = {{"AUTH PLAIN", "235 ok"}};
  script.tls = {std::string(certificates::good) + certificates::middle, certificates::good_key};
  return script;
}

std::size_t count_of(const SmtpSession& session, const std::string& start) {
  return static_cast<std::size_t>(
      std::count_if(session.commands.begin(), session.commands.end(),
                    [&](const std::string& command) { return command.starts_with(start); }));
}

const std::string in_tls =
    "127.0.0.1 accepted message.\nRemote host said: 250 2.0.0 queued\nTLS: TLSv1.2 "
    "ECDHE-ECDSA-AES128-GCM-SHA256, certificate ";

}  // namespace

TEST_CASE("agents: several messages in one TLS session, each with the line about it", "[agents][tls]") {
  const bool on_connect = GENERATE(false, true);
  RealRemote remote;
  SmtpScript script = tls_script();
  script.tls_on_connect = on_connect;
  SmtpServer server(script);
  remote.home.write("control/tlsca", certificates::root);
  remote.route({":" + remote.to(server) + (on_connect ? " tls verify" : " verify")});
  Spawner spawner(remote.args);
  for (const char* recipient : {"u@a.test", "u@b.test", "u@a.test"}) {
    const DeliveryReport report = spawner.deliver_one(recipient);
    CHECK(report.status == 'K');
    CHECK(report.text == in_tls + "verified for 127.0.0.1.\n");
  }
  CHECK(spawner.close() == 0);
  REQUIRE(messages_of_each(server) == Counts{3});
  const SmtpSession session = server.sessions().at(0);
  CHECK(count_of(session, "STARTTLS") == (on_connect ? 0 : 1));
  CHECK(count_of(session, "(TLS") == 1);
  CHECK(count_of(session, "EHLO") == (on_connect ? 1 : 2));
  CHECK(session.commands.back() == "QUIT");
}

TEST_CASE("agents: a server that wants no more in this TLS session gets the next in a new one",
          "[agents][tls]") {
  const char* const answer = GENERATE("", "421 4.7.0 too many messages");
  RealRemote remote;
  SmtpScript script = tls_script();
  script.most_messages = 1;
  script.too_many = answer;
  SmtpServer server(script);
  remote.home.write("control/tlsca", certificates::root);
  remote.route({":" + remote.to(server) + " verify"});
  Spawner spawner(remote.args);
  for (int i = 0; i < 2; ++i)
    CHECK(spawner.deliver_one("u@a.test").text == in_tls + "verified for 127.0.0.1.\n");
  CHECK(spawner.close() == 0);
  CHECK(messages_of_each(server) == Counts{1, 1});
  for (const SmtpSession& session : server.sessions()) CHECK(count_of(session, "(TLS") == 1);
}

TEST_CASE("agents: one login for the messages of one sender's domain, and another for another's",
          "[agents][tls]") {
  RealRemote remote;
  SmtpServer server(tls_script());
  remote.home.write("control/tlsca", certificates::root);
  remote.home.write("control/smtpauth", "isp@x.test:x:secret\nisp:rest:secret\n", 0600);
  const User qmailr = *passwd_user(conf::user_qmailr);
  const std::string logins = remote.home.path("control/smtpauth");
  REQUIRE(chown(logins.c_str(), qmailr.uid, qmailr.gid) == 0);
  REQUIRE(chmod(logins.c_str(), 0400) == 0);
  remote.route({":" + remote.to(server) + " verify auth=isp"});
  Spawner spawner(remote.args);
  for (const char* sender : {"s@x.test", "t@X.test", "s@y.test", "t@y.test"})
    CHECK(spawner.deliver_one("u@a.test", sender).status == 'K');
  CHECK(spawner.close() == 0);
  REQUIRE(messages_of_each(server) == Counts{2, 2});
  const std::string as_x = "AUTH PLAIN AHgAc2VjcmV0", as_rest = "AUTH PLAIN AHJlc3QAc2VjcmV0";
  CHECK(count_of(server.sessions().at(0), "AUTH") == 1);
  CHECK(count_of(server.sessions().at(0), as_x) == 1);
  CHECK(count_of(server.sessions().at(1), "AUTH") == 1);
  CHECK(count_of(server.sessions().at(1), as_rest) == 1);
}

TEST_CASE("agents: domains with one mail exchanger and policies of their own", "[agents][tls]") {
  RealRemote remote;
  SmtpScript script = tls_script();
  script.tls = {certificates::self, certificates::self_key};
  SmtpServer server(script);
  DnsServer dns;
  for (const char* domain : {"a.test", "b.test", "c.test"}) dns.mx(domain, 1, "mx.test");
  dns.a("mx.test", "127.0.0.1");
  remote.home.write("control/resolver", dns.control_line() + "\n");
  remote.home.write("control/tlsca", certificates::root);
  remote.route({"::" + std::to_string(server.port())});
  const std::string sent = in_tls + "not verified: it is self-signed.\n";
  SECTION("by control/tlshosts") {
    remote.home.write("control/tlshosts", "b.test:verify=mx.test\n");
    Spawner spawner(remote.args);
    for (int i = 0; i < 2; ++i) CHECK(spawner.deliver_one("u@a.test").text == sent);
    const DeliveryReport refused = spawner.deliver_one("u@b.test");
    CHECK(refused.status == 'Z');
    CHECK(refused.text.starts_with("Connected to 127.0.0.1 but its certificate will not do: "));
    CHECK(spawner.deliver_one("u@c.test").text == sent);
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{2, 0, 1});
  }
  SECTION(
      "by policies that come from outside (control/mtasts, control/dane): a domain has its own connection") {
    remote.home.write("control/mtasts", "1\n");
    remote.home.write("control/dane", "1\n");
    dns.validates();
    Spawner spawner(remote.args);
    for (const char* recipient : {"u@a.test", "v@A.test", "u@b.test", "v@b.test"})
      CHECK(spawner.deliver_one(recipient).text == sent);
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{2, 2});
  }
  SECTION("by their routes") {
    remote.route({"b.test:127.0.0.1:" + std::to_string(server.port()) + " verify",
                  ":127.0.0.1:" + std::to_string(server.port())});
    Spawner spawner(remote.args);
    CHECK(spawner.deliver_one("u@a.test").text == sent);
    CHECK(spawner.deliver_one("u@b.test").status == 'Z');
    CHECK(spawner.close() == 0);
    CHECK(messages_of_each(server) == Counts{1, 0});
  }
}

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

std::vector<pid_t> children(const Spawner& spawner) {
  const std::string pid = std::to_string(spawner.pid());
  std::istringstream list(slurp("/proc/" + pid + "/task/" + pid + "/children"));
  return {std::istream_iterator<pid_t>(list), {}};
}

bool alive(pid_t pid) {
  return kill(pid, 0) == 0;
}

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
    const std::string proc = "/proc/" + std::to_string(agents[i]);
    const std::string status = slurp(proc + "/status"), number = std::to_string(uid);
    CHECK(status.find("Uid:\t" + number + "\t" + number + "\t" + number + "\t" + number + "\n") !=
          std::string::npos);
    CHECK(status.find("Gid:\t61600\t61600\t61600\t61600\n") != std::string::npos);
    CHECK(status.find("Groups:\t61600 \n") != std::string::npos);
    // While it waits it has nothing of the user's or of the message.
    const auto link = [&](const std::string& name) {
      char target[200] = {};
      CHECK(readlink((proc + name).c_str(), target, sizeof target - 1) > 0);
      return std::string(target);
    };
    CHECK(eventually([&] { return link("/cwd") == "/"; }));
    CHECK(names_in(proc + "/fd") == std::vector<std::string>{"0", "1", "2", "3"});
    for (const char* fd : {"/fd/0", "/fd/1", "/fd/2"}) CHECK(link(fd).starts_with("pipe:"));
    CHECK(link("/fd/3").starts_with("socket:"));
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
  CHECK(children(spawner).empty());
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
  CHECK(eventually([&] { return children(spawner).empty(); }));
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
  CHECK(eventually([&] { return children(spawner).size() == 50; }));
  const std::vector<pid_t> agents = children(spawner);
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
    CHECK(eventually([&] {
      return !slurp("/proc/" + std::to_string(busy) + "/task/" + std::to_string(busy) + "/children").empty();
    }));
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

TEST_CASE("qmail-lspawn delivers to accounts, and tells qmail-local which", "[qmail-lspawn]") {
  PrivateHome home{"qmail-lspawn"};
  home.write("control/locals", "pobox.example\n");
  home.write("control/subdomains", "pobox.example\n");
  home.script("qmail-local",
              "echo \"$2 $3 $4 $5 $6 $7 $9\" \"$(id -u):$(id -g)\"; echo \"$QMAILACCOUNT\" | tr '\\n' ' '\n");
  home.script("qmail-getpw",
              "case $1 in sys|sys-*) printf 'sys\\00061509\\00061509\\000/sys\\000\\000\\000';;\n"
              "*) printf 'alias\\00061510\\00061510\\000/a\\000-\\000%s\\000' \"$1\";; esac\n");
  const auto write_accounts = [&](const std::vector<std::string>& logins) {
    CdbWriter cdb(home.path("users/accounts.cdb"));
    uid_t uid = 61500;
    for (const std::string& login : logins) {
      Account account;
      account.login = login;
      account.uid = ++uid;
      account.gid = 61600;
      account.home = "/h/" + login;
      account.mailbox = "./Box/";
      cdb.add("a" + login, encode_account(account));
    }
    cdb.add("dcustomer.example", "abc");
    cdb.add("Dlogins.example", "");
    cdb.add("", encode_generation(1));
    cdb.commit();
  };
  const std::string record = " gid=61600 home=/h/abc mailbox=./Box/  ";
  const std::string not_here = "DSorry, no mailbox here by that name. (#5.1.1)\n";
  Spawner spawner(lspawn(home), [] { setenv("QMAILACCOUNT", "login=evil\nany=1\n", 1); });
  CHECK(spawner.deliver("sys@pobox.example") == "Ksys /sys sys   pobox.example ./Maildir/ 61509:61509\n ");
  write_accounts({"abc", "abc-info", "info@logins.example"});
  CHECK(spawner.deliver("abc@pobox.example") ==
        "Kabc /h/abc abc   pobox.example ./Box/ 61501:61600\nlogin=abc uid=61501" + record);
  CHECK(spawner.deliver("abc-info@pobox.example").starts_with("Kabc-info "));
  CHECK(spawner.deliver("abc-info@abc.pobox.example") ==
        "Kabc /h/abc abc-info - info abc.pobox.example ./Box/ 61501:61600\nlogin=abc any=1 uid=61501" +
            record);
  CHECK(spawner.deliver("abc-Any@customer.example") ==
        "Kabc /h/abc abc-Any - Any customer.example ./Box/ 61501:61600\nlogin=abc any=1 uid=61501" + record);
  CHECK(spawner.deliver("info@logins.example")
            .starts_with("Kinfo@logins.example /h/info@logins.example info "));
  CHECK(spawner.deliver("sys@logins.example") == not_here);
  CHECK(spawner.deliver("nosuch-x@nosuch.pobox.example") == not_here);
  CHECK(spawner.deliver("sys-x@sys.pobox.example") ==
        "Ksys /sys sys-x - x sys.pobox.example ./Maildir/ 61509:61509\n"
        "login=sys any=1 uid=61509 gid=61509 home=/sys mailbox=./Maildir/  ");
  write_accounts({"nosuch"});  // counts at once
  CHECK(spawner.deliver("nosuch-x@nosuch.pobox.example").starts_with("Knosuch /h/nosuch nosuch-x - x "));
  home.write("users/accounts.cdb", "rubbish");
  CHECK(spawner.deliver("abc@pobox.example") == "ZTrouble reading users/cdb in qmail-lspawn.\n");
  CHECK(spawner.close() == 0);
}
