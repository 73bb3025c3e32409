#include "tests/program/account.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/process.h"

namespace hato::test {

namespace {

constexpr int tries = 20;  // somebody else's useradd may hold the lock of /etc/passwd

bool succeeds(const std::vector<std::string>& args, const std::string& input) {
  FdPair in = make_pipe();
  write_all(in.second.get(), input, "pipe");
  in.second.reset();
  StartOptions options;
  options.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  return Child(args, {{0, in.first.get()}}, options).exit_code() == 0;
}

}  // namespace

void run_command(const std::vector<std::string>& args, const std::string& input) {
  for (int i = 0; i < tries; ++i) {
    if (succeeds(args, input)) return;
    usleep(200000);
  }
  throw TempError(args[0] + " failed");
}

Account::Account(const std::string& password) {
  static int number = 0;
  name_ = "hatot" + std::to_string(getpid()) + "n" + std::to_string(++number);
  run_command(
      {"/usr/sbin/useradd", "-M", "-N", "-g", "nogroup", "-d", home(), "-s", "/usr/sbin/nologin", name_});
  run_command({"/usr/sbin/chpasswd", "-c", "SHA512"}, name_ + ":" + password + "\n");
  const std::optional<User> user = passwd_user(name_);
  if (!user) throw TempError(name_ + " is not in /etc/passwd");
  uid_ = user->uid;
  gid_ = user->gid;
  if (chown(home().c_str(), uid_, gid_) != 0) throw_errno("chown");
}

Account::~Account() {
  try {
    run_command({"/usr/sbin/userdel", name_});
  } catch (const Error&) {
  }
}

}  // namespace hato::test
