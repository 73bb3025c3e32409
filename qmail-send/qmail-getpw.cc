// qmail-getpw LOCAL: prints who gets the mail of an address that users/cdb says nothing about. man
// qmail-getpw.
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/store/users.h"
#include "qmail-send/getpw.h"

using namespace hato;

namespace {

// A question to NSS that found nobody: errno of glibc when a source does not know the name or is not there.
bool means_nobody(int error) {
  return error == 0 || error == ENOENT || error == ESRCH;
}

std::optional<User> account(const std::string& name) {
  std::string space(16384, '\0');
  passwd entry{};
  for (;;) {
    passwd* found = nullptr;
    const int error = getpwnam_r(name.c_str(), &entry, space.data(), space.size(), &found);
    if (error == ERANGE && space.size() < getpw_entry_limit) {
      space.resize(space.size() * 4);
      continue;
    }
    if (error == EINTR) continue;
    if (found == nullptr && means_nobody(error)) return std::nullopt;
    if (found == nullptr) throw GetpwError(getpw_system, "look up " + name + ": " + errno_text(error));
    return User{entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell};
  }
}

std::optional<uid_t> owner(const std::string& directory) {
  struct stat status {};
  if (stat(directory.c_str(), &status) == 0) return status.st_uid;
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case ELOOP:
    case ENAMETOOLONG:
      return std::nullopt;
    default:
      throw GetpwError(getpw_home, "stat " + directory + ": " + errno_text(errno));
  }
}

int body(int argc, char** argv) {
  if (argc != 2) throw PermError("usage: qmail-getpw local");
  const std::string record = getpw_answer(argv[1], {account, owner});
  write_all(1, record, "standard output");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-getpw", argc, argv, body);
}
