// checkpassword(8): the real executable, real accounts.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "tests/catch.h"
#include "tests/program/account.h"

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

Outcome check(const std::string& data, std::vector<std::string> program, uid_t uid = 0) {
  FdPair credentials = make_pipe();
  write_all(credentials.second.get(), data, "pipe");
  credentials.second.reset();
  Start start{
      .args = {installed("checkpassword")}, .fds = {{3, credentials.first.get()}}, .uid = uid, .gid = uid};
  start.args.insert(start.args.end(), program.begin(), program.end());
  return run(start);
}

std::string credentials(const std::string& login, const std::string& password) {
  return login + '\0' + password + "\0<1.2@h>\0"s;
}

Outcome log_in(const std::string& login, const std::string& password) {
  return check(credentials(login, password), {"/bin/echo", "in"});
}

}  // namespace

TEST_CASE("checkpassword becomes the user and runs the program", "[checkpassword]") {
  const Account account("correct horse");
  const Outcome outcome = check(
      credentials(account.name(), "correct horse"),
      {"/bin/sh", "-c", "id -u; id -G; pwd; echo $USER $HOME $SHELL; test -e /proc/$$/fd/3 || echo closed"});
  CHECK(outcome.code == 0);
  CHECK(outcome.out == std::to_string(account.uid()) + "\n" + std::to_string(account.gid()) + "\n" +
                           account.home() + "\n" + account.name() + " " + account.home() +
                           " /usr/sbin/nologin\nclosed\n");
}

TEST_CASE("checkpassword refuses with 1", "[checkpassword]") {
  const Account account("correct horse");
  const std::string& name = account.name();
  CHECK(log_in(name, "correct horse").out == "in\n");
  CHECK(log_in(name, "correct hors").code == 1);
  CHECK(log_in(name, "").code == 1);
  CHECK(log_in("no-such-" + name, "correct horse").code == 1);
  CHECK(log_in("", "").code == 1);
  CHECK(log_in("root", "correct horse").code == 1);
  CHECK(check(std::string(513, 'x'), {"/bin/true"}).code == 1);

  run_command({"/usr/bin/chage", "-E", "2001-01-01", name});
  CHECK(log_in(name, "correct horse").code == 1);  // the account has expired
  run_command({"/usr/bin/chage", "-E", "-1", name});
  CHECK(log_in(name, "correct horse").code == 0);
  run_command({"/usr/bin/chage", "-d", "0", name});
  CHECK(log_in(name, "correct horse").code == 1);  // the password must be changed
  run_command({"/usr/bin/chage", "-d", "2020-01-01", name});
  run_command({"/usr/sbin/usermod", "-L", name});
  CHECK(log_in(name, "correct horse").code == 1);  // locked
  run_command({"/usr/bin/passwd", "-q", "-d", name});
  CHECK(log_in(name, "").code == 1);  // no password at all
}

TEST_CASE("checkpassword: a refusal takes as long, whatever its reason", "[checkpassword]") {
  const Account account("correct horse");
  for (const std::string& login : {account.name(), "no-such-" + account.name(), "root"s}) {
    const auto start = std::chrono::steady_clock::now();
    CHECK(log_in(login, "wrong").code == 1);
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(250));
  }
}

TEST_CASE("checkpassword misused ends with 2", "[checkpassword]") {
  CHECK(check(credentials("a", "b"), {}).code == 2);
  CHECK(check("a\0b\0"s, {"/bin/true"}).code == 2);
  CHECK(check("", {"/bin/true"}).code == 2);
  CHECK(run({.args = {installed("checkpassword"), "/bin/true"}}).code == 2);
}

TEST_CASE("checkpassword: what may be better later ends with 111", "[checkpassword]") {
  const Account account("correct horse");
  const std::string good = credentials(account.name(), "correct horse");
  CHECK(check(good, {"/no/such/program"}).code == 111);
  run_command({"/usr/sbin/usermod", "-d", account.home() + "/missing", account.name()});
  CHECK(check(good, {"/bin/true"}).code == 111);
#ifndef __SANITIZE_ADDRESS__  // which reserves terabytes of address space
  run_command({"/usr/sbin/chpasswd", "-c", "YESCRYPT"}, account.name() + ":correct horse\n");
  FdPair pipe = make_pipe();
  write_all(pipe.second.get(), good, "pipe");
  pipe.second.reset();
  const std::string limited = "ulimit -v 16000 && exec " + installed("checkpassword") + " /bin/true";
  const Outcome outcome = run({.args = {"/bin/sh", "-c", limited}, .fds = {{3, pipe.first.get()}}});
  CHECK(outcome.code == 111);
  CHECK(outcome.err == "checkpassword: cannot hash a password: out of memory, or the hash is damaged\n");
#endif
}

TEST_CASE("checkpassword runs only for root", "[checkpassword]") {
  CHECK(check(credentials("a", "b"), {"/bin/true"}, 65534).code == 127);  // mode 0700: it cannot be started
}
