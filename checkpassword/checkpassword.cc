// checkpassword(8): is this the password of that system account? If so become the user and run the rest of
// the command line.
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "checkpassword/credentials.h"
#include "checkpassword/system_account.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/process.h"

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

void become_user(const User& user) {
  if (geteuid() != 0) throw TempError("must be started as root to become a user");
  become(user.uid, user.gid);
  if (chdir(user.home.c_str()) != 0) throw_errno("chdir " + user.home);
  set_env("USER", user.name);
  set_env("HOME", user.home);
  set_env("SHELL", user.shell);
}

int body(int argc, char** argv) {
  const Clock::time_point start = Clock::now();
  if (argc < 2) return exit_misused;
  std::optional<User> user;
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
    user = check_system_account(credentials->login.text(), credentials->password.text());
  }
  if (!user) return refuse(start);
  become_user(*user);
  exec_program(std::vector<std::string>(argv + 1, argv + argc));
}

}  // namespace
}  // namespace hato

int main(int argc, char** argv) {
  return hato::run_main("checkpassword", argc, argv, hato::body);
}
