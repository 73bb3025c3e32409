// checkpassword(8): the real executable, real accounts.
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "tests/program/account.h"
#include "tests/program/child.h"
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using namespace hato;
using namespace hato::test;
using namespace std::string_literals;

namespace {

struct CheckOutcome {
  int exit_code;
  std::string output;
};

CheckOutcome check(const std::string& data, std::vector<std::string> program,
                   const StartOptions& options = {}) {
  FdPair credentials = make_pipe(), out = make_pipe();
  write_all(credentials.second.get(), data, "pipe");
  credentials.second.reset();
  program.insert(program.begin(), installed("checkpassword"));
  Child child(program, {{1, out.second.get()}, {3, credentials.first.get()}}, options);
  out.second.reset();
  std::string output = read_to_end(out.first.get());
  return {child.exit_code(), std::move(output)};
}

std::string credentials(const std::string& login, const std::string& password) {
  return login + '\0' + password + "\0<1.2@h>\0"s;
}

CheckOutcome log_in(const std::string& login, const std::string& password) {
  return check(credentials(login, password), {"/bin/echo", "in"});
}

}  // namespace

TEST_CASE("checkpassword becomes the user and runs the program", "[checkpassword]") {
  const Account account("correct horse");
  const CheckOutcome outcome = check(
      credentials(account.name(), "correct horse"),
      {"/bin/sh", "-c", "id -u; id -G; pwd; echo $USER $HOME $SHELL; test -e /proc/$$/fd/3 || echo closed"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.output == std::to_string(account.uid()) + "\n" + std::to_string(account.gid()) + "\n" +
                              account.home() + "\n" + account.name() + " " + account.home() +
                              " /usr/sbin/nologin\nclosed\n");
}

TEST_CASE("checkpassword refuses with 1", "[checkpassword]") {
  const Account account("correct horse");
  const std::string& name = account.name();
  CHECK(log_in(name, "correct horse").output == "in\n");
  CHECK(log_in(name, "correct hors").exit_code == 1);
  CHECK(log_in(name, "").exit_code == 1);
  CHECK(log_in("no-such-" + name, "correct horse").exit_code == 1);
  CHECK(log_in("", "").exit_code == 1);
  CHECK(log_in("root", "correct horse").exit_code == 1);
  CHECK(check(std::string(513, 'x'), {"/bin/true"}).exit_code == 1);

  run_command({"/usr/bin/chage", "-E", "2001-01-01", name});
  CHECK(log_in(name, "correct horse").exit_code == 1);  // the account has expired
  run_command({"/usr/bin/chage", "-E", "-1", name});
  CHECK(log_in(name, "correct horse").exit_code == 0);
  run_command({"/usr/bin/chage", "-d", "0", name});
  CHECK(log_in(name, "correct horse").exit_code == 1);  // the password must be changed
  run_command({"/usr/bin/chage", "-d", "2020-01-01", name});
  run_command({"/usr/sbin/usermod", "-L", name});
  CHECK(log_in(name, "correct horse").exit_code == 1);  // locked
  run_command({"/usr/bin/passwd", "-q", "-d", name});
  CHECK(log_in(name, "").exit_code == 1);  // no password at all
}

TEST_CASE("checkpassword: a refusal takes as long, whatever its reason", "[checkpassword]") {
  const Account account("correct horse");
  for (const std::string& login : {account.name(), "no-such-" + account.name(), "root"s}) {
    const auto start = std::chrono::steady_clock::now();
    CHECK(log_in(login, "wrong").exit_code == 1);
    CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(250));
  }
}

TEST_CASE("checkpassword misused ends with 2", "[checkpassword]") {
  CHECK(check(credentials("a", "b"), {}).exit_code == 2);
  CHECK(check("a\0b\0"s, {"/bin/true"}).exit_code == 2);
  CHECK(check("", {"/bin/true"}).exit_code == 2);
  CHECK(Child({installed("checkpassword"), "/bin/true"}, {}).exit_code() == 2);
}

TEST_CASE("checkpassword: what may be better later ends with 111", "[checkpassword]") {
  const Account account("correct horse");
  const std::string good = credentials(account.name(), "correct horse");
  CHECK(check(good, {"/no/such/program"}).exit_code == 111);
  TemporaryDirectory other;
  run_command({"/usr/sbin/usermod", "-d", other.path() + "/missing", account.name()});
  CHECK(check(good, {"/bin/true"}).exit_code == 111);
}

TEST_CASE("checkpassword runs only for root", "[checkpassword]") {
  TemporaryDirectory directory;
  StartOptions options;
  options.uid = options.gid = 65534;
  CHECK(check(credentials("a", "b"), {"/bin/true"}, options).exit_code ==
        122);  // mode 0700: it cannot be started
}
