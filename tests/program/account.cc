#include "tests/program/account.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/base/process.h"

namespace hato::test {

namespace {

constexpr int tries = 20;  // somebody else's useradd may hold the lock of /etc/passwd

}  // namespace

void write_owned(const std::string& path, const std::string& text, uid_t uid, gid_t gid, mode_t mode) {
  const Fd file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  write_all(file.get(), text, path);
  if (fchown(file.get(), uid, gid) != 0) throw_errno("fchown " + path);
}

void run_command(const std::vector<std::string>& args, const std::string& input) {
  for (int i = 0; i < tries; ++i) {
    if (run({.args = args}, input).code == 0) return;
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
