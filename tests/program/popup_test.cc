// qmail-popup(8): the real executable, with a shell script in checkpassword's place.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "lib/base/conf.h"
#include "lib/base/process.h"
#include "tests/catch.h"
#include "tests/program/account.h"
#include "tests/program/proc.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

// qmail-popup with a client on a socket.
struct Popup {
  FdPair client;
  FdPair log;
  Process child;

  explicit Popup(const std::string& script, uid_t uid = 0)
      : Popup(std::vector<std::string>{"/bin/sh", "-c", script}, uid) {}
  Popup(const std::vector<std::string>& subprogram, uid_t uid)
      : client(make_socketpair(SOCK_STREAM)),
        log(make_pipe()),
        child({.args = with_subprogram(subprogram),
               .fds = {{0, client.second.get()}, {1, client.second.get()}, {2, log.second.get()}},
               .uid = uid,
               .gid = uid}) {
    client.second.reset();
    log.second.reset();
  }
  static std::vector<std::string> with_subprogram(const std::vector<std::string>& subprogram) {
    std::vector<std::string> args = {installed("qmail-popup"), "pop.test"};
    args.insert(args.end(), subprogram.begin(), subprogram.end());
    return args;
  }
  std::string line() { return read_until(client.first.get(), "\n"); }
  void say(const std::string& text) { write_all(client.first.get(), text, "client"); }
  std::string rest() { return read_to_end(client.first.get()); }
};

// Descriptor 3 as printable text: NUL becomes |.
constexpr char show_credentials[] = "printf '%s\\r\\n' \"$(tr '\\0' '|' <&3)\"";

pid_t only_child_of(pid_t pid) {
  const std::vector<pid_t> children = children_of(pid);
  return children.size() == 1 ? children[0] : 0;
}

}  // namespace

TEST_CASE("qmail-popup hands login, password and timestamp over as checkpassword's interface wants",
          "[popup]") {
  Popup popup(show_credentials);
  const std::string greeting = popup.line();
  REQUIRE(greeting.substr(0, 5) == "+OK <");
  const std::string stamp = greeting.substr(4, greeting.find('>') - 3);
  CHECK(stamp.substr(stamp.size() - 10) == "@pop.test>");
  popup.say("USER joe\r\n");
  CHECK(popup.line() == "+OK \r\n");
  popup.say("PASS  sec ret\r\n");
  CHECK(popup.line() == "joe| sec ret|" + stamp + "|\r\n");
  CHECK(popup.rest().empty());
  CHECK(popup.child.wait() == 1);  // qmail's, always
}

TEST_CASE("qmail-popup: APOP", "[popup]") {
  Popup popup(show_credentials);
  popup.line();
  popup.say("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n");
  CHECK(popup.line().substr(0, 39) == "mrose|c4c9334bac560ecc979e58001b3e22fb|");
}

TEST_CASE("qmail-popup leaves what follows the login to the subprogram", "[popup]") {
  Popup popup("exec cat");
  popup.say("USER joe\r\nPASS x\r\nSTAT\r\nQUIT\r\n");
  shutdown(popup.client.first.get(), SHUT_WR);
  const std::string all = popup.rest();
  CHECK(all.substr(all.find("\r\n") + 2) == "+OK \r\nSTAT\r\nQUIT\r\n");
}

TEST_CASE("qmail-popup leaves what follows the login, on a pipe", "[popup]") {
  FdPair in = make_pipe(), out = make_pipe();
  Process child({.args = {installed("qmail-popup"), "h", "/bin/cat"},
                 .fds = {{0, in.first.get()}, {1, out.second.get()}}});
  out.second.reset();
  write_all(in.second.get(), "USER joe\nPASS x\nSTAT\nQUIT\n", "client");
  in.second.reset();
  const std::string all = read_to_end(out.first.get());
  CHECK(all.substr(all.find("\r\n") + 2) == "+OK \r\nSTAT\nQUIT\n");
  CHECK(child.wait() == 1);
}

TEST_CASE("qmail-popup tells the client what the subprogram's end means", "[popup]") {
  struct Row {
    const char* script;
    const char* reply;
  };
  const Row rows[] = {{"exit 1", "-ERR authorization failed\r\n"},
                      {"exit 2", "-ERR [SYS/PERM] "},
                      {"exit 111", "-ERR [SYS/TEMP] "},
                      {"exit 3", "-ERR authorization failed\r\n"},
                      {"kill -9 $$", "-ERR aack, child crashed\r\n"},
                      {"exit 0", ""}};
  for (const Row& row : rows) {
    CAPTURE(row.script);
    Popup popup(row.script);
    popup.line();
    popup.say("USER joe\r\n");
    popup.line();
    popup.say("PASS x\r\n");
    const std::string reply = popup.rest();
    CHECK(reply.compare(0, std::string(row.reply).size(), row.reply) == 0);
    CHECK(reply.empty() == (row.reply == ""s));
  }
}

TEST_CASE("qmail-popup: a subprogram that is missing is a temporary problem", "[popup]") {
  Popup popup(std::vector<std::string>{"/no/such/checkpassword"}, 0);
  popup.line();
  popup.say("USER joe\r\nPASS x\r\n");
  CHECK(popup.line() + popup.rest() ==
        "+OK \r\n-ERR [SYS/TEMP] temporary problem on this server; try again later\r\n");
  CHECK(read_to_end(popup.log.first.get()).find("/no/such/checkpassword") != std::string::npos);
}

TEST_CASE("qmail-popup: under inetd descriptor 2 is the client, who reads replies and nothing else",
          "[popup]") {
  for (const std::string program : {"/no/such/checkpassword", "complains"}) {
    CAPTURE(program);
    FdPair client = make_socketpair(SOCK_STREAM);
    const int other = client.second.get();
    const std::vector<std::string> complains = {"/bin/sh", "-c", "echo checkpassword: trouble >&2; exit 111"};
    Process child({.args = Popup::with_subprogram(program == "complains" ? complains : std::vector{program}),
                   .fds = {{0, other}, {1, other}, {2, other}}});
    client.second.reset();
    read_until(client.first.get(), "\n");
    write_all(client.first.get(), "USER joe\r\nPASS x\r\n", "client");
    const std::string said = read_to_end(client.first.get());
    CHECK(said.starts_with("+OK \r\n-ERR [SYS/TEMP] "));
    CHECK(said.find('\n', 6) == said.size() - 1);
  }
}

TEST_CASE("qmail-popup without arguments", "[popup]") {
  FdPair out = make_pipe();
  Process child({.args = {installed("qmail-popup"), "host"}, .fds = {{1, out.second.get()}}});
  out.second.reset();
  CHECK(read_to_end(out.first.get()) == "-ERR usage: popup hostname subprogram\r\n");
  CHECK(child.wait() == 1);
}

TEST_CASE("qmail-popup: limits and QUIT", "[popup]") {
  struct Row {
    std::string input;
    std::string last;
  };
  const Row rows[] = {
      {"QUIT\r\n", "+OK \r\n"},
      {"USER " + std::string(600, 'x') + "\r\n", "-ERR command line longer than 512 bytes\r\n"},
      {"PASS x\r\n", "-ERR USER first\r\n"},
      {"STAT\r\n", "-ERR authorization first\r\n"}};
  for (const Row& row : rows) {
    CAPTURE(row.input);
    Popup popup("echo started");
    popup.line();
    popup.say(row.input);
    shutdown(popup.client.first.get(), SHUT_WR);
    CHECK(popup.rest() == row.last);
    CHECK(popup.child.wait() == 1);
  }
}

TEST_CASE("qmail-popup's child is locked in and sealed before it reads", "[popup]") {
  Popup popup("exit 0");
  popup.line();  // the greeting comes from the sealed child
  const pid_t talker = only_child_of(popup.child.pid());
  REQUIRE(talker > 0);
  const std::optional<User> user = passwd_user(conf::user_qmaild);
  REQUIRE(user);
  const std::string uid = std::to_string(user->uid);
  CHECK(status_field(talker, "Uid") == uid + "\t" + uid + "\t" + uid + "\t" + uid);
  CHECK(status_field(talker, "Seccomp") == "2");
  CHECK(status_field(talker, "NoNewPrivs") == "1");
  CHECK(status_field(talker, "CapEff") == "0000000000000000");
  CHECK(proc_link(talker, "root") == std::string(conf::home) + "/empty");
  popup.client.first.reset();
  CHECK(popup.child.wait() == 1);  // a client that goes ends both
}

TEST_CASE("qmail-popup started as anyone else stays that user and seals itself all the same", "[popup]") {
  Popup popup("id -u", 65534);
  popup.line();
  const pid_t talker = only_child_of(popup.child.pid());
  REQUIRE(talker > 0);
  CHECK(status_field(talker, "Seccomp") == "2");
  popup.say("USER a\r\nPASS b\r\n");
  CHECK(popup.line() + popup.rest() == "+OK \r\n65534\n");
}

TEST_CASE("qmail-popup: a killed child does not leave the client waiting", "[popup]") {
  Popup popup("exit 0");
  popup.line();
  kill(only_child_of(popup.child.pid()), SIGKILL);
  CHECK(popup.rest().substr(0, 16) == "-ERR [SYS/TEMP] ");
  CHECK(popup.child.wait() == 1);
}
