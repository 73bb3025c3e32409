// A server that is started as root reads its control files with its user's rights, and keeps root only until
// it has a chroot.
#pragma once

#include <optional>
#include <string>

#include "lib/base/process.h"

namespace hato {

class Privilege {
 public:
  // From now on files are opened as `user`, when we are root; else nothing changes. Throws TempError when the
  // user does not exist, SystemError.
  explicit Privilege(const std::string& user);
  // Is there root to give up? Then give_up() will change the root directory.
  bool confines() const { return user_.has_value(); }
  // Becomes the user, for good, with `directory` for its root; false, and nothing changed, when root was not
  // there to give up.
  bool give_up(const std::string& directory);

 private:
  std::optional<User> user_;  // none: not root
};

}  // namespace hato
