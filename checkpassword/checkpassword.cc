// checkpassword(8): is this the password of that account? If so become its user and run the rest of the
// command line.
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "checkpassword/credentials.h"
#include "checkpassword/mail_login.h"
#include "checkpassword/system_account.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"
#include "lib/store/accounts.h"
#include "lib/store/control.h"
#include "lib/store/quota.h"

namespace hato {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int exit_refused = 1, exit_misused = 2;
constexpr int credentials_fd = 3;
// A refusal leaves at a multiple of this after the start, so that how long it took tells nothing about why.
constexpr std::chrono::milliseconds refusal_grid{250};

int refuse(Clock::time_point start) {
  const auto spent = Clock::now() - start;
  std::this_thread::sleep_until(start + (spent / refusal_grid + 1) * Clock::duration(refusal_grid));
  return exit_refused;
}

constexpr char no_shell[] = "/bin/false";

// Whose password it is, and the account when it is one of users/accounts.cdb.
struct Found {
  User user;
  std::optional<Account> account;
};

std::optional<Found> check(const Credentials& credentials) {
  const std::string& login = credentials.login.text();
  Accounts accounts;
  AccountSecrets secrets;
  const LoginProof proof{LoginProof::Method::password_or_apop, Secret(credentials.password.text()),
                         credentials.timestamp};
  const std::optional<LoginAnswer> answer = check_mail_login(accounts, secrets, login, proof);
  if (answer) {
    if (!answer->yes) return std::nullopt;
    const Account& account = answer->account;
    return Found{User{account.login, account.uid, account.gid, account.home, no_shell}, account};
  }
  if (Control().number("systemusers", 1) == 0) {
    waste_a_hashing(proof);
    return std::nullopt;
  }
  const std::optional<User> user = check_system_account(login, credentials.password.text());
  if (!user) return std::nullopt;
  return Found{*user, std::nullopt};
}

void become_user(const Found& found) {
  if (geteuid() != 0) throw TempError("must be started as root to become a user");
  const User& user = found.user;
  become(user.uid, user.gid);
  if (chdir(user.home.c_str()) != 0) throw_errno("chdir " + user.home);
  set_env("USER", user.name);
  set_env("HOME", user.home);
  set_env("SHELL", user.shell);
  if (!found.account) return unset_env(account_variable);
  set_env(account_variable, encode_account_variable(*found.account, false));
  const Quota quota = Quota::of(found.account->quota_bytes, found.account->quota_messages);
  quota.limited() ? set_env("MAILQUOTA", quota_text(quota)) : unset_env("MAILQUOTA");
}

int body(int argc, char** argv) {
  const Clock::time_point start = Clock::now();
  if (argc < 2) return exit_misused;
  std::optional<Found> found;
  {
    std::optional<std::string> data;
    try {
      data = read_all(credentials_fd, credentials_limit, "descriptor 3");
    } catch (const SystemError& e) {
      if (e.error() == EBADF) return exit_misused;
      throw;
    }
    close(credentials_fd);
    if (!data) return refuse(start);  // too long to be anybody's
    const std::optional<Credentials> credentials = parse_credentials(*data);
    wipe(*data);
    if (!credentials) return exit_misused;
    found = check(*credentials);
  }
  if (!found) return refuse(start);
  become_user(*found);
  exec_program(std::vector<std::string>(argv + 1, argv + argc));
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  return hato::run_main("checkpassword", argc, argv, hato::body);
}
