// splogger as an executable, with a socket of this test in /dev/log's place.
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "tests/catch.h"
#include "tests/program/private_home.h"

using namespace hato;
using namespace hato::test;

namespace {

// What syslog was told, each message without its date: "<PRI>TAG: STAMP text", digits of the stamp as 0.
std::vector<std::string> logged(const std::vector<std::string>& args, const std::string& input,
                                int code = 0) {
  PrivateHome home{"splogger"};
  Scratch scratch;
  const std::string path = scratch.path() + "/log";
  Fd log(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(bind(log.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  std::vector<std::string> command = args;
  command.insert(command.begin(), home.path("bin/splogger"));
  const Result result = run_prepared(
      [&] {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/dev", "tmpfs", 0, nullptr) != 0 ||
            symlink(path.c_str(), "/dev/log") != 0)
          throw_errno("private /dev");
      },
      command, input);
  CHECK(result.code == code);
  std::vector<std::string> messages;
  char space[4096];
  for (ssize_t n; (n = recv(log.get(), space, sizeof space, 0)) > 0;) {
    std::string message(space, static_cast<std::size_t>(n));
    message.erase(message.find('>') + 1, 16);  // "Mon DD hh:mm:ss "
    const std::size_t stamp = message.find(": ") + 2;
    for (std::size_t i = stamp; i < message.size() && (isdigit(message[i]) || message[i] == '.'); ++i)
      if (message[i] != '.') message[i] = '0';
    messages.push_back(message);
  }
  return messages;
}

const char stamp[] = "0000000000.000000";

}  // namespace

TEST_CASE("splogger gives lines to syslog", "[splogger]") {
  // splogger(8): default tag and facility mail (2), priorities by the first word, no blank lines
  const std::string s = stamp;
  CHECK(logged({}, "starting\n\nwarning: a\nalert: b\nnot alert: c\n") ==
        std::vector<std::string>{"<22>splogger: " + s + " starting", "<20>splogger: " + s + " warning: a",
                                 "<17>splogger: " + s + " alert: b", "<22>splogger: " + s + " not alert: c"});
  CHECK(logged({"qmail", "3"}, "tab\there \xc3\xa9 %s\n") ==
        std::vector<std::string>{"<30>qmail: " + s + " tab?here ?? %s"});
  // the end of the input ends a line, too
  CHECK(logged({}, "half") == std::vector<std::string>{"<22>splogger: " + s + " half"});
}

TEST_CASE("splogger folds long lines", "[splogger]") {
  const std::string s = stamp, first(799, 'a'), second(799, 'b');
  CHECK(logged({}, "alert:" + first.substr(6) + second + "c\nnext\n") ==
        std::vector<std::string>{"<17>splogger: " + s + " alert:" + first.substr(6),
                                 "<17>splogger: " + s + "+" + second, "<17>splogger: " + s + "+c",
                                 "<22>splogger: " + s + " next"});
  CHECK(logged({}, first + "\nnext\n") ==
        std::vector<std::string>{"<22>splogger: " + s + " " + first, "<22>splogger: " + s + " next"});
}

TEST_CASE("splogger refuses a facility that is none", "[splogger]") {
  CHECK(logged({"qmail", "mail"}, "x\n", 100).empty());
  CHECK(logged({"qmail", "99"}, "x\n", 100).empty());
}
