#include "lib/base/privilege.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/seal.h"

namespace hato {

Privilege::Privilege(const std::string& user) {
  if (geteuid() != 0) return;
  user_ = passwd_user(user);
  if (!user_) throw TempError("user " + user + " does not exist; make install creates it");
  if (setgroups(1, &user_->gid) != 0) throw_errno("setgroups");
  setfsgid(user_->gid);
  setfsuid(user_->uid);
}

bool Privilege::give_up(const std::string& directory) {
  if (!user_) return false;
  confine_to(directory);
  become(user_->uid, user_->gid);
  return true;
}

}  // namespace hato
