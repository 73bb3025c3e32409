// A daemon that is no root, but may do one thing that only root may (capabilities(7)).
#pragma once

#include <string>

namespace hato {

// Started as root: becomes the daemon user `name` (as drop_root_to) and keeps the one capability (a number of
// <linux/capability.h>). Started otherwise: stays who it is, and gives up every capability but that one,
// which it has if its starter gave it. Returns whether it has it now. Throws TempError when the user does not
// exist, SystemError.
bool keep_only_capability(const std::string& name, int capability);

}  // namespace hato
