// qmail-local, run as an ordinary user on homes made for the test: qmail-local(8), dot-qmail(5),
// qmail-command(8).
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "lib/store/maildir.h"
#include "tests/program/gate.h"
#include "tests/program/process.h"
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace hato;
using namespace hato::test;
namespace fs = std::filesystem;

namespace {

constexpr uid_t uid = 64210;  // nobody's: no account is needed
constexpr gid_t gid = 64211;
const std::string queue_part = "what only the queue may see\n";
const std::string text = "Subject: test\n\nFrom here\n";

// What qmail-local is started with, besides the home.
struct Call {
  std::string local = "joe", dash = "", ext = "", sender = "sender@from.example",
              default_delivery = "./Maildir/";
  std::string message = text;
  std::vector<std::string> options{};
  std::map<std::string, std::string> env{};
};

class Home {
 public:
  Home() : path(scratch.file("home")) {
    REQUIRE(mkdir(path.c_str(), 0755) == 0);
    own(path);
    umask(022);
  }
  void own(const std::string& what) const { REQUIRE(lchown(what.c_str(), uid, gid) == 0); }
  std::string file(const std::string& name, const std::string& content, mode_t mode = 0644) const {
    const std::string full = path + "/" + name;
    write_all(open_file(full, O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), content, full);
    REQUIRE(chmod(full.c_str(), mode) == 0);
    own(full);
    return full;
  }
  std::string maildir(const std::string& name = "Maildir") const {
    const std::string full = path + "/" + name;
    make_maildir(full);
    for (const char* part : {"", "/tmp", "/new", "/cur"}) own(full + part);
    return full;
  }
  std::string read(const std::string& name) const { return slurp(path + "/" + name); }
  bool has(const std::string& name) const { return fs::exists(path + "/" + name); }
  // The contents of the files in Maildir/new, sorted.
  std::vector<std::string> delivered(const std::string& name = "Maildir") const {
    std::vector<std::string> all;
    for (const std::string& each : names_in(path + "/" + name + "/new"))
      all.push_back(read(name + "/new/" + each));
    std::sort(all.begin(), all.end());
    return all;
  }
  // The message on a descriptor that stands behind the queue's part of the file.
  Fd message(const std::string& content) const {
    const std::string name = scratch.write("message", queue_part + content);
    Fd fd = open_file(name, O_RDONLY);
    lseek(fd.get(), static_cast<off_t>(queue_part.size()), SEEK_SET);
    return fd;
  }
  std::vector<std::string> args(const Call& call) const {
    std::vector<std::string> all = {installed("qmail-local")};
    all.insert(all.end(), call.options.begin(), call.options.end());
    for (const std::string& word : {std::string("joe"), path, call.local, call.dash, call.ext,
                                    std::string("www.at.example"), call.sender, call.default_delivery})
      all.push_back(word);
    return all;
  }
  Outcome deliver(const Call& call = {}) const {
    const Fd fd = message(call.message);
    const FdPair out = make_pipe(), err = make_pipe();
    Outcome outcome;
    fcntl(out.second.get(), F_SETPIPE_SZ, 1 << 20);  // all that is said fits
    Process process(
        {args(call), call.env, {{0, fd.get()}, {1, out.second.get()}, {2, err.second.get()}}, uid, gid, "/"});
    outcome.code = process.wait();
    set_nonblocking(out.first.get(), true);
    set_nonblocking(err.first.get(), true);
    char space[1 << 17];
    for (ssize_t n; (n = ::read(out.first.get(), space, sizeof space)) > 0;)
      outcome.out.append(space, static_cast<std::size_t>(n));
    for (ssize_t n; (n = ::read(err.first.get(), space, sizeof space)) > 0;)
      outcome.err.append(space, static_cast<std::size_t>(n));
    CHECK(lseek(fd.get(), 0, SEEK_CUR) ==
          static_cast<off_t>(queue_part.size()));  // others read on from there
    return outcome;
  }

  ScratchDirectory scratch;
  std::string path;
};

// A control file of the installation under test, for the length of a test.
class ControlFile {
 public:
  ControlFile(const std::string& name, const std::string& value)
      : path_(std::string(conf::home) + "/control/" + name), had_(fs::exists(path_)), before_(slurp(path_)) {
    put(value);
  }
  ~ControlFile() {
    if (had_)
      put(before_);
    else
      unlink(path_.c_str());
  }

 private:
  void put(const std::string& value) const {
    write_all(open_file(path_, O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), value + "\n", path_);
  }
  std::string path_;
  bool had_;
  std::string before_;
};

const std::string head = "Return-Path: <sender@from.example>\nDelivered-To: joe@www.at.example\n";

// Stands in for qmail-queue by $QMAILQUEUE: keeps message and envelope (NULs as |) and exits with
// $QUEUE_EXIT.
std::string fake_queue(const Home& home) {
  return home.file("queue.sh",
                   "#!/bin/sh\ncat >\"$HOME/q.message\"\ntr '\\0' '|' <&1 >\"$HOME/q.envelope\"\n"
                   "echo \"$NEWSENDER\" >\"$HOME/q.newsender\"\nexit ${QUEUE_EXIT:-0}\n",
                   0755);
}

}  // namespace

TEST_CASE("qmail-local: a Maildir by default delivery, by .qmail and by name") {
  const Home home;
  home.maildir();
  SECTION("no .qmail") {}
  SECTION("an empty .qmail") {
    home.file(".qmail", "");
  }
  SECTION("an empty .qmail with the x bit is no forward-only file") {
    home.file(".qmail", "", 0755);
  }
  SECTION(".qmail") {
    home.file(".qmail", "# mine\n./Maildir/\n");
  }
  SECTION("absolute") {
    home.file(".qmail", home.path + "/Maildir/ \n");
  }
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 0);
  CHECK(outcome.out == "did 1+0+0\n");
  CHECK(outcome.err.empty());
  REQUIRE(home.delivered() == std::vector<std::string>{head + text});
  CHECK(names_in(home.path + "/Maildir/tmp").empty());
  const std::string name = names_in(home.path + "/Maildir/new")[0];
  CHECK(name.ends_with(",S=" + std::to_string(head.size() + text.size())));
  struct stat status;
  REQUIRE(stat((home.path + "/Maildir/new/" + name).c_str(), &status) == 0);
  CHECK(status.st_uid == uid);
  CHECK((status.st_mode & 07777) == 0600);
}

TEST_CASE("qmail-local: an empty message and a large one without a last line end") {
  const Home home;
  home.maildir();
  std::string large = "Subject: large\n\n";
  for (int i = 0; i < 400000; ++i) large += std::to_string(i) + (i % 7 == 0 ? "\n" : " ");
  CHECK(home.deliver({.message = ""}).code == 0);
  CHECK(home.deliver({.message = large}).code == 0);
  CHECK(home.delivered() == std::vector<std::string>{head, head + large});
}

TEST_CASE("qmail-local: an mbox") {
  const Home home;
  for (int i = 0; i < 2; ++i) CHECK(home.deliver({.default_delivery = "./Mailbox"}).out == "did 1+0+0\n");
  const std::string mbox = home.read("Mailbox");
  const std::string one = "\n" + head + "Subject: test\n\n>From here\n\n";
  CHECK(mbox.starts_with("From sender@from.example "));
  const std::size_t first = mbox.find(one);
  REQUIRE(first != std::string::npos);
  CHECK(mbox.substr(first + one.size()).starts_with("From sender@from.example "));
  CHECK(mbox.size() == 2 * (first + one.size()));
  struct stat status;
  REQUIRE(stat((home.path + "/Mailbox").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
}

TEST_CASE("qmail-local: many deliveries into one mbox at once") {
  const Home home;
  constexpr int count = 12;
  const Fd nowhere = open_file("/dev/null", O_RDWR);
  std::vector<Fd> messages;
  std::vector<std::unique_ptr<Process>> running;
  for (int i = 0; i < count; ++i) {
    messages.push_back(
        home.message("Subject: " + std::to_string(i) + "\n\n" + std::string(100000, 'x') + "\n"));
    unlink((home.scratch.path() + "/message").c_str());
    running.push_back(
        std::make_unique<Process>(Start{home.args({.default_delivery = "./Mailbox"}),
                                        {},
                                        {{0, messages.back().get()}, {1, nowhere.get()}, {2, nowhere.get()}},
                                        uid,
                                        gid}));
  }
  for (const auto& each : running) CHECK(each->wait() == 0);
  const std::string mbox = home.read("Mailbox");
  for (int i = 0; i < count; ++i) {
    const std::string whole = "\nSubject: " + std::to_string(i) + "\n\n" + std::string(100000, 'x') + "\n\n";
    CHECK(mbox.find(whole) != std::string::npos);
  }
}

TEST_CASE("qmail-local: which file, which answer") {
  struct Row {
    const char *file, *content;
    mode_t mode;
    const char *dash, *ext;
    int code;
    const char* out;
    const char* err;
  };
  const Row rows[] = {
      // dot-qmail(5), EXTENSION ADDRESSES
      {nullptr, "", 0644, "", "", 0, "did 1+0+0\n", ""},
      {nullptr, "", 0644, "-", "list", 100, "", "Sorry, no mailbox here by that name. (#5.1.1)\n"},
      {".qmail-list", "#\n", 0644, "-", "list", 0, "did 0+0+0\n", ""},
      {".qmail-list", "#\n", 0644, "-", "LIST", 0, "did 0+0+0\n", ""},
      {".qmail-a:b", "#\n", 0644, "-", "a.b", 0, "did 0+0+0\n", ""},
      {".qmail-a-default", "|echo $DEFAULT\n", 0644, "-", "a-B-c", 0, "B-c\ndid 0+0+1\n", ""},
      {".qmail-default", "|echo $DEFAULT\n", 0644, "-", "a-B-c", 0, "a-B-c\ndid 0+0+1\n", ""},
      {".qmail-a-default", "|echo ${DEFAULT-none}\n", 0644, "-", "a-default", 0, "default\ndid 0+0+1\n", ""},
      {".qmail-a", "|echo ${DEFAULT-none}\n", 0644, "-", "a", 0, "none\ndid 0+0+1\n", ""},
      {".qmail-empty", "", 0644, "-", "empty", 0, "did 1+0+0\n", ""},
      // modes and contents
      {".qmail", "#\n", 0664, "", "", 111, "", "Uh-oh: .qmail file is writable. (#4.7.0)\n"},
      {".qmail", "#\n", 0602, "", "", 111, "", "Uh-oh: .qmail file is writable. (#4.7.0)\n"},
      {".qmail", "#\n", 0000, "", "", 111, "", "Unable to open .qmail: Permission denied. (#4.3.0)\n"},
      {".qmail", "./Maildir/\n", 0744, "", "", 111, "",
       "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n"},
      {".qmail", "|true\n", 0744, "", "", 111, "",
       "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)\n"},
      {".qmail", "\n./Maildir/\n", 0644, "", "", 111, "",
       "Uh-oh: first line of .qmail file is blank. (#4.2.1)\n"},
      {".qmail", "+list\n|true\n", 0644, "", "", 111, "",
       "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)\n"},
      // qmail-command(8), exit codes
      {".qmail", "|exit 0\n", 0644, "", "", 0, "did 0+0+1\n", ""},
      {".qmail", "|exit 99\n./Maildir/\n|false\n", 0644, "", "", 0, "did 0+0+1\n", ""},
      {".qmail", "|exit 99\n+list\n|x\n", 0644, "", "", 0, "did 0+0+1\n", ""},
      {".qmail", "|exit 111\n", 0644, "", "", 111, "", ""},
      {".qmail", "|exit 1\n", 0644, "", "", 111, "", ""},
      {".qmail", "|exit 64\n", 0644, "", "", 100, "", ""},
      {".qmail", "|exit 65\n", 0644, "", "", 100, "", ""},
      {".qmail", "|exit 70\n", 0644, "", "", 100, "", ""},
      {".qmail", "|exit 76\n", 0644, "", "", 100, "", ""},
      {".qmail", "|exit 77\n", 0644, "", "", 100, "", ""},
      {".qmail", "|exit 78\n", 0644, "", "", 100, "", ""},
      {".qmail", "|exit 100\n", 0644, "", "", 100, "", ""},
      {".qmail", "|exit 112\n", 0644, "", "", 100, "", ""},
      {".qmail", "|echo sorry; exit 100\n", 0644, "", "", 100, "sorry\n", ""},
      {".qmail", "|echo sorry >&2; exit 100\n", 0644, "", "", 100, "", "sorry\n"},
      {".qmail", "|kill -SEGV $$\n", 0644, "", "", 111, "", "Aack, child crashed. (#4.3.0)\n"},
      // faults of mailboxes
      {".qmail", "./Nowhere/\n", 0644, "", "", 111, "",
       "Unable to chdir to maildir. (#4.2.1)\nopen ./Nowhere/: No such file or directory\n"},
      {".qmail", "./no/Mailbox\n", 0644, "", "", 111, "",
       "Unable to open ./no/Mailbox: No such file or directory. (#4.2.1)\n"},
      {".qmail", "/etc/shadow\n", 0644, "", "", 111, "",
       "Unable to open /etc/shadow: Permission denied. (#4.2.1)\n"},
  };
  for (const Row& row : rows) {
    const Home home;
    home.maildir();
    if (row.file != nullptr) home.file(row.file, row.content, row.mode);
    const Outcome outcome = home.deliver({.dash = row.dash, .ext = row.ext});
    INFO((row.file == nullptr ? "no file" : row.file) << " " << row.content << " for " << row.ext);
    CHECK(outcome.code == row.code);
    CHECK(outcome.out == row.out);
    CHECK(outcome.err == row.err);
  }
}

TEST_CASE("qmail-local: a broken dot-file is refused before its good lines deliver") {
  const Home home;
  home.maildir();
  home.file(".qmail", "./Maildir/\n+list\n./Mailbox\n");
  CHECK(home.deliver().code == 111);
  CHECK(home.delivered().empty());
}

TEST_CASE("qmail-local: homes that are not as they should be") {
  const Home home;
  home.maildir();
  SECTION("writable by the group") {
    chmod(home.path.c_str(), 0775);
    const Outcome outcome = home.deliver();
    CHECK(outcome.code == 111);
    CHECK(outcome.err == "Uh-oh: home directory is writable. (#4.7.0)\n");
  }
  SECTION("writable by others") {
    chmod(home.path.c_str(), 0757);
    CHECK(home.deliver().err == "Uh-oh: home directory is writable. (#4.7.0)\n");
  }
  SECTION("sticky") {
    chmod(home.path.c_str(), 01755);
    CHECK(home.deliver().err == "Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n");
    const Outcome told = home.deliver({.options = {"-n"}});
    CHECK(told.code == 0);
    CHECK(told.out == "maildir ./Maildir/\ndid 1+0+0\n");
    CHECK(told.err == "Warning: home directory is sticky.\n");
  }
  SECTION("missing") {
    fs::rename(home.path, home.path + ".away");
    CHECK(home.deliver().err ==
          "Unable to switch to " + home.path + ": No such file or directory. (#4.3.0)\n");
    fs::rename(home.path + ".away", home.path);
  }
  SECTION("closed to its user") {
    REQUIRE(chown(home.path.c_str(), 0, 0) == 0);
    chmod(home.path.c_str(), 0700);
    const Outcome outcome = home.deliver();
    CHECK(outcome.code == 111);
    CHECK(outcome.err == "Unable to switch to " + home.path + ": Permission denied. (#4.3.0)\n");
  }
  CHECK(home.delivered().empty());
}

TEST_CASE("qmail-local: -n describes, and touches nothing") {
  const Home home;
  home.file(".qmail", "# c\n./Maildir/\n/x/Mailbox\n|a program \n&a@b.example\nc@d.example\n+list\ne@f\n");
  const Outcome outcome = home.deliver({.options = {"-n", "--"}});
  CHECK(outcome.code == 0);
  CHECK(outcome.out ==
        "maildir ./Maildir/\nmbox /x/Mailbox\nprogram a program\nforward a@b.example\nforward "
        "c@d.example\nforward e@f\ndid 2+3+1\n");
  CHECK_FALSE(home.has("Maildir"));
  home.file(".qmail", "a@b.example\n+list\n|x\n");
  const Outcome wrong = home.deliver({.options = {"-Nn"}});
  CHECK(wrong.code == 111);
  CHECK(wrong.out == "forward a@b.example\n");
  CHECK(wrong.err == "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)\n");
}

TEST_CASE("qmail-local: usage") {
  const std::string program = installed("qmail-local");
  for (const std::vector<std::string>& args : {std::vector<std::string>{program},
                                               {program, "-x", "u", "/", "u", "", "", "h", "s", "./M"},
                                               {program, "u", "/", "u", "", "", "h", "s"},
                                               {program, "u", "/", "u", "", "", "h", "s", "./M", "more"},
                                               {program, "u", "relative", "u", "", "", "h", "s", "./M"}}) {
    const Outcome outcome = run({args, {}, {}, uid, gid});
    CHECK(outcome.code == 100);
    CHECK(outcome.err.starts_with("qmail-local: usage: "));
  }
  const Outcome pipe = run({{program, "u", "/", "u", "", "", "h", "s", "./M"}, {}, {}, uid, gid}, "text");
  CHECK(pipe.code == 111);
  CHECK(pipe.err == "Unable to rewind message. (#4.3.0)\n");
}

TEST_CASE("qmail-local: a message that was here before") {
  const Home home;
  home.maildir();
  const Outcome outcome = home.deliver({.message = "X: y\nDelivered-To: joe@www.at.example\n\n"});
  CHECK(outcome.code == 100);
  CHECK(outcome.err == "This message is looping: it already has my Delivered-To line. (#5.4.6)\n");
  CHECK(home.deliver({.message = "X: y\n\nDelivered-To: joe@www.at.example\n"}).code == 0);
  // The queue's part in front of the message is not the message's.
  CHECK(home.delivered().size() == 1);
}

TEST_CASE("qmail-command(8): environment") {
  const Home home;
  home.file(".qmail-a-default", "|env >env.out\n");
  CHECK(home.deliver({.local = "joe-a-b-c-d",
                      .dash = "-",
                      .ext = "a-b-c-d",
                      .sender = "a b@x.example",
                      .env = {{"DEFAULT", "stale"}, {"KEPT", "yes"}}})
            .code == 0);
  const std::string env = "\n" + home.read("env.out");
  for (const std::string& line :
       {std::string("USER=joe"), "HOME=" + home.path, std::string("SENDER=a b@x.example"),
        std::string("NEWSENDER=a b@x.example"), std::string("RECIPIENT=joe-a-b-c-d@www.at.example"),
        std::string("LOCAL=joe-a-b-c-d"), std::string("HOST=www.at.example"), std::string("HOST2=www.at"),
        std::string("HOST3=www"), std::string("HOST4=www"), std::string("EXT=a-b-c-d"),
        std::string("EXT2=b-c-d"), std::string("EXT3=c-d"), std::string("EXT4=d"),
        std::string("DEFAULT=b-c-d"), std::string("KEPT=yes"),
        std::string("DTLINE=Delivered-To: joe-a-b-c-d@www.at.example\n"),
        std::string("RPLINE=Return-Path: <\"a b\"@x.example>\n"),
        std::string("UFLINE=From a-b@x.example ")}) {
    INFO(line << " in " << env);
    CHECK(env.find("\n" + line + (line.ends_with(' ') ? "" : "\n")) != std::string::npos);
  }
}

TEST_CASE("qmail-command(8): the message, to each program from its start, read-only, alone") {
  const Home home;
  home.file(".qmail",
            "|cat >one\n|cat >two\n|read line; cat >rest\n|echo x >&0; test $? != 0 && echo refused\n"
            "|ls /proc/self/fd >fds\n|grep Sig[IB] /proc/self/status >signals\n|umask >umask\n|pwd >pwd\n");
  std::string message = text;
  SECTION("in memory") {}
  SECTION("in a file") {
    message += std::string(3 << 20, 'm');
  }
  const Outcome outcome = home.deliver({.message = message});
  CHECK(outcome.code == 0);
  CHECK(outcome.out == "refused\ndid 0+0+8\n");
  CHECK(home.read("one") == message);
  CHECK(home.read("two") == message);
  CHECK(home.read("rest") == message.substr(message.find('\n') + 1));
  CHECK(home.read("fds") == "0\n1\n2\n3\n");  // 3 is the directory that ls reads
  CHECK(home.read("signals") == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  CHECK(home.read("umask") == "0077\n");
  CHECK(home.read("pwd") == home.path + "\n");
}

TEST_CASE("qmail-local: what programs say is kept up to 64 KiB") {
  const Home home;
  home.file(".qmail", "|head -c 50000 /dev/zero | tr '\\0' x\n|head -c 500000 /dev/zero | tr '\\0' y\n");
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 0);
  CHECK(outcome.out == std::string(50000, 'x') + std::string(65536 - 50000, 'y') + "did 0+0+2\n");
}

TEST_CASE("qmail-local: control/progtime ends a program and all it started") {
  const ControlFile limit("progtime", "1");
  const Home home;
  home.file(".qmail", "|sleep 300 & echo $! >background; echo $$ >shell; sleep 300; sleep 300\n");
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 111);
  CHECK(outcome.err == "A program ran longer than 1 seconds and was ended. (#4.3.0)\n");
  for (const char* who : {"background", "shell"}) {
    const pid_t pid = atoi(home.read(who).c_str());
    REQUIRE(pid > 1);
    CHECK(eventually([pid] {
      const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
      return stat.empty() || stat.find(") Z ") != std::string::npos;
    }));
  }
}

TEST_CASE("qmail-local: control/progmem limits a program's memory") {
  const Home home;
  home.file(".qmail", "|dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null\n");
  CHECK(home.deliver().code == 0);
  const ControlFile limit("progmem", "100000000");
  CHECK(home.deliver().code == 111);
}

TEST_CASE("qmail-local: a program in the background holds nothing up") {
  const Home home;
  home.file(".qmail", "|(sleep 30; echo late) & echo $! >pid; echo now\n");
  const Deadline soon = Deadline::in_seconds(10);
  CHECK(home.deliver().out == "now\ndid 0+0+1\n");
  CHECK_FALSE(soon.passed());
  kill(atoi(home.read("pid").c_str()), SIGKILL);
}

TEST_CASE("dot-qmail(5): forwarding") {
  struct Row {
    const char *file, *content;
    std::vector<const char*> owners;
    const char *ext, *sender;
    const char* envelope;
  };
  const Row rows[] = {
      {".qmail-l",
       "&a@b.example\nc@d.example\n",
       {},
       "l",
       "s@x.example",
       "Fs@x.example|Ta@b.example|Tc@d.example||"},
      {".qmail-l",
       "+list\na@b\n",
       {".qmail-l-owner"},
       "l",
       "s@x.example",
       "Fjoe-l-owner@www.at.example|Ta@b||"},
      {".qmail-l",
       "a@b\n",
       {".qmail-l-owner", ".qmail-l-owner-default"},
       "l",
       "s@x.example",
       "Fjoe-l-owner-@www.at.example-@[]|Ta@b||"},
      {".qmail-l", "a@b\n", {".qmail-l-owner-default"}, "l", "s@x.example", "Fs@x.example|Ta@b||"},
      {".qmail-default",
       "a@b\n",
       {".qmail-l-owner"},
       "l",
       "s@x.example",
       "Fjoe-l-owner@www.at.example|Ta@b||"},
      // bounces keep their sender
      {".qmail-l", "a@b\n", {".qmail-l-owner"}, "l", "", "F|Ta@b||"},
      {".qmail-l", "a@b\n", {".qmail-l-owner"}, "l", "#@[]", "F#@[]|Ta@b||"},
      // 99 ends the file, but not the forwards before it; a program's failure ends all
      {".qmail-l", "a@b\n|exit 99\nc@d\n", {}, "l", "s@x", "Fs@x|Ta@b||"},
      {".qmail-l", "a@b\n|exit 100\nc@d\n", {}, "l", "s@x", ""},
  };
  for (const Row& row : rows) {
    const Home home;
    const std::string queue = fake_queue(home);
    home.file(row.file, row.content);
    for (const char* owner : row.owners) home.file(owner, "#\n");
    const Outcome outcome = home.deliver({.local = std::string("joe-") + row.ext,
                                          .dash = "-",
                                          .ext = row.ext,
                                          .sender = row.sender,
                                          .env = {{"QMAILQUEUE", queue}}});
    INFO(row.content << outcome.err);
    CHECK(home.read("q.envelope") == row.envelope);
    if (row.envelope[0] == '\0') continue;
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("\nqp ") != std::string::npos);
    // no Return-Path in front: dot-qmail(5)
    CHECK(home.read("q.message") == "Delivered-To: joe-" + std::string(row.ext) + "@www.at.example\n" + text);
    const std::string envelope = row.envelope;
    CHECK(home.read("q.newsender") == envelope.substr(1, envelope.find('|') - 1) + "\n");
  }
}

TEST_CASE("qmail-local: forwards through the gate, as the user") {
  RunningGate gate;
  const Home home;
  home.file(".qmail-list", "+list\n&a@b.example\nc@d.example\n");
  home.file(".qmail-list-owner", "#\n");
  std::string message = text;
  SECTION("short") {}
  SECTION("in several pieces") {
    message += std::string(1 << 20, 'm');
  }
  const Outcome outcome = home.deliver({.local = "joe-list", .dash = "-", .ext = "list", .message = message});
  CHECK(outcome.code == 0);
  const std::vector<Queued> queued = gate.queued();
  REQUIRE(queued.size() == 1);
  CHECK(outcome.out == "did 0+2+0\nqp " + std::to_string(queued[0].header.qp) + "\n");
  CHECK(queued[0].header.kind == Kind::forward);
  CHECK(queued[0].header.uid == uid);
  CHECK(queued[0].envelope.sender == "joe-list-owner@www.at.example");
  CHECK(queued[0].recipients() == std::vector<std::string>{"a@b.example", "c@d.example"});
  CHECK(queued[0].body == "Delivered-To: joe-list@www.at.example\n" + message);
}

TEST_CASE("qmail-local: a gate that is not there defers") {
  const ControlFile patience("timeoutgate", "1");
  const Home home;
  home.file(".qmail", "&a@b.example\n");
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 111);
  CHECK(outcome.err.starts_with("Unable to forward message: "));
}

TEST_CASE("qmail-local: a program cannot reach the queue's descriptor") {
  const Home home;
  home.file(".qmail",
            "|cat /proc/$PPID/fd/0 >stolen 2>/dev/null; cat /proc/$PPID/environ >environ 2>/dev/null\n");
  home.deliver();
  CHECK(home.read("stolen").empty());
  CHECK(home.read("environ").empty());
}

TEST_CASE("qmail-local: what a sender wants to hear of goes on with a forward (RFC 3461 5.2.7)") {
  RunningGate gate;
  const Home home;
  home.maildir();
  Call call;
  call.local = "joe-list", call.dash = "-", call.ext = "list";
  call.env = {{"QMAILMSGPARAMS", "BODY=8BITMIME RET=HDRS ENVID=x"},
              {"QMAILRCPTPARAMS", "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;joe@www.at.example"}};
  const std::string passed_on = "The request for a delivery report was passed on.\n";
  struct Row {
    const char *dotfile, *owner;
    bool passed;
    const char *message_params, *recipient_params;
  };
  for (const Row& row : {
           Row{"&a@far.example\n", "", true, "BODY=8BITMIME RET=HDRS ENVID=x",
               "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;joe@www.at.example"},
           // that it reached the list, or the mailbox, is told here
           Row{"&a@far.example\n&b@far.example\n", "", false, "BODY=8BITMIME RET=HDRS ENVID=x",
               "NOTIFY=DELAY ORCPT=rfc822;joe@www.at.example"},
           Row{"./Maildir/\n&a@far.example\n", "", false, "BODY=8BITMIME RET=HDRS ENVID=x",
               "NOTIFY=DELAY ORCPT=rfc822;joe@www.at.example"},
           Row{"&a@far.example\n", "owner", false, "BODY=8BITMIME",
               ""},  // a mailing list's sender is its own
       }) {
    CAPTURE(row.dotfile, row.owner);
    gate.empty();
    home.file(".qmail-list", row.dotfile);
    if (*row.owner != 0) home.file(".qmail-list-owner", "#\n");
    const Outcome outcome = home.deliver(call);
    CAPTURE(outcome.out, outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(outcome.out.ends_with(passed_on) == row.passed);
    const std::vector<Queued> queued = gate.queued();
    REQUIRE(queued.size() == 1);
    CHECK(queued[0].envelope.params == row.message_params);
    for (const Recipient& recipient : queued[0].envelope.recipients)
      CHECK(recipient.params == row.recipient_params);
  }
}

TEST_CASE("qmail-local: forwards that the queue does not take") {
  struct Row {
    const char* exit_code;
    int code;
  };
  for (const Row& row : {Row{"31", 100}, Row{"53", 111}, Row{"11", 100}, Row{"71", 111}, Row{"91", 111}}) {
    const Home home;
    home.file(".qmail", "&a@b.example\n");
    const Outcome outcome =
        home.deliver({.env = {{"QMAILQUEUE", fake_queue(home)}, {"QUEUE_EXIT", row.exit_code}}});
    INFO(row.exit_code);
    CHECK(outcome.code == row.code);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.starts_with("Unable to forward message: "));
  }
}

TEST_CASE("qmail-local: a full disk takes nothing half") {
  const Home home;
  home.maildir();
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const std::string big = "Subject: big\n\n" + std::string(200000, 'b');
  REQUIRE(home.deliver({.default_delivery = "./Mailbox"}).code == 0);
  const std::string mbox = home.read("Mailbox");
  // A limit on file sizes (EFBIG) in the place of ENOSPC, set from inside: qmail-local's exec keeps both.
  const auto deliver_small = [&](const char* to) {
    const Fd fd = home.message(big);
    const FdPair err = make_pipe();
    std::vector<std::string> args = {"/bin/bash", "-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "bash"};
    for (const std::string& arg : home.args({.default_delivery = to})) args.push_back(arg);
    Process process({args, {}, {{0, fd.get()}, {1, err.second.get()}, {2, err.second.get()}}, uid, gid});
    const int code = process.wait();
    char space[4096];
    const ssize_t n = ::read(err.first.get(), space, sizeof space);
    return std::to_string(code) + " " + std::string(space, static_cast<std::size_t>(n));
  };
  CHECK(deliver_small("./Maildir/")
            .starts_with("111 Temporary error on maildir delivery. (#4.3.0)\nwrite ./Maildir/tmp/"));
  CHECK(home.delivered().empty());
  CHECK(names_in(home.path + "/Maildir/tmp").empty());
  CHECK(deliver_small("./Mailbox") == "111 Unable to write ./Mailbox: File too large. (#4.3.0)\n");
  CHECK(home.read("Mailbox") == mbox);
}

namespace {

// One Maildir delivery, traced: counts its system calls, and with `kill_at` ends it there by SIGKILL.
struct Traced {
  int calls = 0, fsyncs = 0;
  bool killed = false;
  int code = -1;
};

Traced traced_delivery(const Home& home, const std::vector<std::string>& args, int kill_at) {
  const Fd message = home.message(text);
  const pid_t pid = fork_child("test", [&]() -> int {
    become(uid, gid);
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    dup2(message.get(), 0);
    const int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    exec_program(args);
  });
  int status = 0;
  Traced traced;
  REQUIRE(waitpid(pid, &status, 0) == pid);  // at exec
  ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  for (;;) {
    ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr);
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) break;
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
    __ptrace_syscall_info info{};
    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
    ++traced.calls;
    traced.fsyncs += info.entry.nr == SYS_fsync || info.entry.nr == SYS_fdatasync;
    if (traced.calls != kill_at) continue;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    traced.killed = true;
    return traced;
  }
  traced.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return traced;
}

}  // namespace

TEST_CASE("qmail-local: killed at each of its system calls, a Maildir delivery is whole or not at all") {
  int whole_but_killed = 0, nothing = 0;
  for (int at = 1;; ++at) {
    const Home home;
    home.maildir();
    const Traced traced = traced_delivery(home, home.args({}), at);
    const std::vector<std::string> delivered = home.delivered();
    INFO("killed before call " << at);
    REQUIRE(delivered.size() <= 1);
    if (!delivered.empty()) CHECK(delivered[0] == head + text);
    if (!traced.killed) {
      CHECK(traced.code == 0);
      CHECK(delivered.size() == 1);
      CHECK(traced.fsyncs == 2);
#ifndef __SANITIZE_ADDRESS__  // whose own calls count, too
      CHECK(traced.calls <= 45);  // 34 when this was written, 13 of them the C library's start
#endif
      break;
    }
    (delivered.empty() ? nothing : whole_but_killed)++;
    CHECK(home.deliver().code == 0);  // tried again: once at least, twice at most
    CHECK(home.delivered().size() == delivered.size() + 1);
  }
  CHECK(nothing > 10);
  CHECK(whole_but_killed >= 4);  // at unlink, fsync, close, write and exit: seen twice, never lost
}

namespace {

// control/dotdir, and what is in it for joe.
class PanelFiles {
 public:
  explicit PanelFiles(const Home& home) : path_(home.scratch.file("dots")), control_("dotdir", path_) {
    for (const std::string& each : {path_, path_ + "/joe"}) {
      REQUIRE(mkdir(each.c_str(), 0755) == 0);
      REQUIRE(chown(each.c_str(), panel, gid) == 0);
    }
    REQUIRE(chmod((path_ + "/joe").c_str(), 0750) == 0);
  }
  void file(const std::string& name, const std::string& content, uid_t owner = panel) const {
    const std::string full = path_ + "/joe/" + name;
    write_all(open_file(full, O_WRONLY | O_CREAT | O_TRUNC, 0644).get(), content, full);
    REQUIRE(chown(full.c_str(), owner, gid) == 0);
    REQUIRE(chmod(full.c_str(), 0640) == 0);
  }

 private:
  static constexpr uid_t panel = 64220;
  std::string path_;
  ControlFile control_;
};

std::string account_text(const Home& home, bool any, bool programs = false) {
  return "login=joe\n" + std::string(any ? "any=1\n" : "") + "uid=" + std::to_string(uid) +
         "\ngid=" + std::to_string(gid) + "\nhome=" + home.path + "\nmailbox=./Maildir/\n" +
         (programs ? "programs=1\n" : "");
}

}  // namespace

TEST_CASE("qmail-local: $QMAILACCOUNT says whether the mailbox takes any extension, and no program sees it") {
  const Home home;
  home.maildir();
  const Call plain{.dash = "-", .ext = "no.such/../rule"};
  CHECK(home.deliver(plain).code == 100);
  Call any = plain;
  any.env = {{"QMAILACCOUNT", account_text(home, true)}};
  CHECK(home.deliver(any).out == "did 1+0+0\n");
  CHECK(home.delivered().size() == 1);
  any.env = {{"QMAILACCOUNT", account_text(home, false)}};
  CHECK(home.deliver(any).err == "Sorry, no mailbox here by that name. (#5.1.1)\n");
  any.env = {{"QMAILACCOUNT", "rubbish"}};
  CHECK(home.deliver(any).code == 100);
  home.file(".qmail-env", "|echo \"[${QMAILACCOUNT-none}]\"");
  CHECK(home.deliver({.dash = "-", .ext = "env", .env = {{"QMAILACCOUNT", account_text(home, true)}}}).out ==
        "[none]\ndid 0+0+1\n");
}

TEST_CASE("qmail-local: control/dotdir: the home's .qmail files have no effect") {
  const Home home;
  const PanelFiles panel(home);
  home.maildir();
  home.maildir("Other");
  home.file(".qmail", "./Other/\n");
  home.file(".qmail-x", "|touch stolen\n");
  CHECK(home.deliver().out == "did 1+0+0\n");
  CHECK(home.delivered().size() == 1);
  CHECK(home.deliver({.dash = "-", .ext = "x"}).code == 100);
  panel.file(".qmail-x", "./Other/\n");
  CHECK(home.deliver({.dash = "-", .ext = "x"}).out == "did 1+0+0\n");
  CHECK(home.delivered("Other").size() == 1);
  CHECK_FALSE(home.has("stolen"));
}

TEST_CASE("qmail-local: control/dotdir: what a panel's file may not do") {
  const Home home;
  const PanelFiles panel(home);
  home.maildir();
  const std::string outside = home.scratch.file("outside");
  make_maildir(outside);
  for (const char* part : {"", "/tmp", "/new", "/cur"}) home.own(outside + part);
  struct Row {
    std::string text, said;
  };
  REQUIRE(symlink(outside.c_str(), (home.path + "/link").c_str()) == 0);
  home.own(home.path + "/link");
  for (const Row& row : {
           Row{"./Maildir/\n|touch stolen\n",
               "Uh-oh: line 2 of .qmail file runs a program, which is not allowed here. (#4.7.0)\n"},
           Row{"|bouncesaying x sh -c 'touch stolen'\n",
               "Uh-oh: line 1 of .qmail file runs a program, which is not allowed here. (#4.7.0)\n"},
           Row{outside + "/\n",
               "Uh-oh: line 1 of .qmail file names a file outside the home directory. (#4.7.0)\n"},
           Row{"./Maildir/\n./../outside/\n",
               "Uh-oh: line 2 of .qmail file names a file outside the home directory. (#4.7.0)\n"},
           Row{"./link/\n", "Uh-oh: ./link leads out of the home directory. (#4.7.0)\n"},
           Row{"./link/new/box\n", "Uh-oh: ./link/new/box leads out of the home directory. (#4.7.0)\n"},
       }) {
    panel.file(".qmail", row.text);
    const Outcome outcome = home.deliver();
    CAPTURE(row.text);
    CHECK(outcome.code == 111);
    CHECK(outcome.err == row.said);
  }
  CHECK(home.delivered().empty());
  CHECK(names_in(outside + "/new").empty());
  CHECK_FALSE(home.has("stolen"));
  panel.file(".qmail", "|touch allowed\n");
  CHECK(home.deliver({.env = {{"QMAILACCOUNT", account_text(home, false, true)}}}).out == "did 0+0+1\n");
  CHECK(home.has("allowed"));
  panel.file(".qmail", "|touch stolen\n", uid);  // his own file
  const Outcome own = home.deliver({.env = {{"QMAILACCOUNT", account_text(home, false, true)}}});
  CHECK(own.code == 111);
  CHECK(own.err == "Uh-oh: .qmail file does not belong to the panel. (#4.7.0)\n");
}

TEST_CASE("qmail-local: control/dotdir: our own programs, without a shell") {
  const Home home;
  const PanelFiles panel(home);
  home.maildir();
  panel.file(".qmail", "|bouncesaying 'It'\\''s closed. $(touch stolen) `touch stolen`; touch stolen'\n");
  const Outcome outcome = home.deliver();
  CHECK(outcome.code == 100);
  CHECK(outcome.err == "It's closed. $(touch stolen) `touch stolen`; touch stolen\n");
  CHECK_FALSE(home.has("stolen"));
  CHECK(home.delivered().empty());
  const Outcome described = home.deliver({.options = {"-n"}});
  CHECK(described.code == 0);
  CHECK(described.out.starts_with("program bouncesaying 'It"));
  CHECK(described.out.ends_with("did 0+0+1\n"));
}
