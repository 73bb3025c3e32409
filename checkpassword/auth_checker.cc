#include "checkpassword/auth_checker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "checkpassword/mail_login.h"
#include "checkpassword/system_account.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/store/account_secrets.h"
#include "lib/store/accounts.h"

namespace hato {

namespace {

constexpr int credentials_fd = 3;
constexpr int program_right = 0, program_wrong = 1;

AuthAnswer yes(const Account& account) {
  return {AuthAnswer::Result::yes, encode_account_variable(account, false)};
}

const AuthAnswer no{AuthAnswer::Result::no, ""};

Account account_of(const User& user) {
  Account account;
  account.login = user.name;
  account.uid = user.uid;
  account.gid = user.gid;
  account.home = user.home;
  return account;
}

// The checkpassword interface (checkpassword(8)): the program runs another one when the password is right.
// That one is true(1): its exit code is all that counts.
AuthAnswer ask_program(const std::string& program, const AuthQuestion& question) {
  FdPair pipe = make_pipe();
  const pid_t child = fork_child("qmail-authd", [&]() -> int {
    move_to(std::move(pipe.first), credentials_fd);
    close_from(credentials_fd + 1);
    default_signals();
    exec_program({program, "/bin/true"});
  });
  pipe.first.reset();
  std::string credentials = question.login + '\0' + question.password.text() + '\0' + "0" + '\0';
  try {
    write_all(pipe.second.get(), credentials, "credentials");
  } catch (const SystemError& e) {
    if (e.error() != EPIPE) throw;  // it may know without reading
  }
  wipe(credentials);
  pipe.second.reset();
  const int status = wait_for_child(child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == program_wrong) return no;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != program_right)
    throw TempError(program + " could not tell");
  if (const std::optional<Account> account = Accounts().find(question.login)) return yes(*account);
  return {AuthAnswer::Result::yes, "login=" + canonical_login(question.login) + "\n"};
}

// One check in a process of its own: a crash, and the time it takes, are nobody else's.
int answer_into(int out, const std::string& text, const AuthSources& sources) {
  alarm(auth_check_seconds);
  const std::optional<AuthQuestion> question = parse_auth_question(text);
  if (!question) throw TempError("a question that is none");
  AuthAnswer answer;
  try {
    answer = check_login(*question, sources);
  } catch (const Error& e) {
    log_line(2, "qmail-authd: " + e.text());
    answer = {AuthAnswer::Result::later, "trouble checking the password"};
  }
  write_all(out, encode_auth_answer(answer), "answer");
  return 0;
}

void reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace

AuthAnswer check_login(const AuthQuestion& question, const AuthSources& sources) {
  if (!sources.program.empty()) return ask_program(sources.program, question);
  const LoginProof proof{LoginProof::Method::password, Secret(question.password.text()), ""};
  Accounts accounts;
  AccountSecrets secrets;
  if (const std::optional<LoginAnswer> answer = check_mail_login(accounts, secrets, question.login, proof))
    return answer->yes ? yes(answer->account) : no;
  if (sources.system_users) {
    const std::optional<User> user = check_system_account(question.login, question.password.text());
    return user ? yes(account_of(*user)) : no;
  }
  waste_a_hashing(proof);
  return no;
}

void serve_auth_checks(int socket, const AuthSources& sources) {
  ignore_sigpipe();
  const pid_t self = getpid();
  for (;;) {
    std::optional<Message> message = receive_message(socket, auth_question_limit);
    reap();
    if (!message || message->data.empty()) return;
    if (message->fd_count != 1) throw TempError("a question without a pipe");
    const int out = message->fds[0].get();
    try {
      fork_child("qmail-authd", [&]() -> int {
        if (!die_with_parent(self)) return 0;
        close(socket);
        const int code = answer_into(out, message->data, sources);
        return code;
      });
    } catch (const SystemError& e) {
      log_line(2, "qmail-authd: " + e.text());  // the pipe is closed without an answer
    }
    wipe(message->data);
  }
}

}  // namespace hato
