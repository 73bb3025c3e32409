#include "lib/base/capability.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "lib/base/error.h"
#include "lib/base/process.h"

namespace hato {

namespace {

struct Sets {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
};

}  // namespace

bool keep_only_capability(const std::string& name, int capability) {
  if (geteuid() == 0) {
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) throw_errno("prctl PR_SET_KEEPCAPS");
    drop_root_to(name);
  }
  Sets sets;
  if (syscall(SYS_capget, &sets.header, sets.data) != 0) throw_errno("capget");
  const std::uint32_t bit = 1U << (capability % 32);
  bool has = false;
  for (int word = 0; word < _LINUX_CAPABILITY_U32S_3; ++word) {
    const std::uint32_t kept = word == capability / 32 ? sets.data[word].permitted & bit : 0;
    has |= kept != 0;
    sets.data[word] = {kept, kept, 0};  // effective, permitted, inheritable: with the last, ambient goes, too
  }
  if (syscall(SYS_capset, &sets.header, sets.data) != 0) throw_errno("capset");
  return has;
}

}  // namespace hato
