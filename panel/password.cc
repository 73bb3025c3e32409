#include "panel/password.h"

#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/net/auth_client.h"

namespace hato::panel {

namespace {

constexpr char sudo[] = "/usr/bin/sudo";
constexpr unsigned change_seconds = 30;
constexpr std::size_t sentence_limit = 1000;

}  // namespace

PasswordVerdict check_password(const std::string& login, const Secret& password, const std::string& client) {
  AuthQuestion question{login, Secret(password.text()), "panel", client};
  const AuthAnswer answer = ask_auth(question);
  switch (answer.result) {
    case AuthAnswer::Result::yes:
      return PasswordVerdict::right;
    case AuthAnswer::Result::no:
      return PasswordVerdict::wrong;
    case AuthAnswer::Result::later:
      break;
  }
  log_line(2, "qmail-panel: login of " + log_safe(login) + ": " + answer.text);
  return PasswordVerdict::later;
}

PasswordChange change_password(const std::string& login, const Secret& old_password,
                               const Secret& new_password, const std::string& client) {
  // Asked first: guessing is slowed down there.
  const PasswordVerdict known = check_password(login, old_password, client);
  if (known != PasswordVerdict::right) return {known, ""};
  FdPair input = make_pipe(), output = make_pipe();
  const pid_t child = fork_child("qmail-panel", [&]() -> int {
    alarm(change_seconds);
    move_to(std::move(input.first), 0);
    const int out = output.second.get();
    if (dup2(out, 1) < 0 || dup2(out, 2) < 0) throw_errno("dup2");
    default_signals();
    if (clearenv() != 0) return 111;
    exec_program(
        {sudo, "-n", std::string(conf::home) + "/bin/qmail-account", "passwd", "--old", "--", login});
  });
  input.first.reset();
  output.second.reset();
  std::string passwords = old_password.text() + "\n" + new_password.text() + "\n";
  write_all(input.second.get(), passwords, "passwords");
  wipe(passwords);
  input.second.reset();
  const std::optional<std::string> said = read_all(output.first.get(), sentence_limit, "qmail-account");
  const int status = wait_for_child(child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {PasswordVerdict::right, ""};
  std::string sentence = said ? *said : "";
  while (!sentence.empty() && sentence.back() == '\n') sentence.pop_back();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 100) {
    constexpr std::string_view name = "qmail-account: ";
    if (sentence.starts_with(name)) sentence.erase(0, name.size());
    return {PasswordVerdict::wrong, sentence};
  }
  throw TempError("qmail-account passwd: " + log_safe(sentence));
}

}  // namespace hato::panel
