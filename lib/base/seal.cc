#include "lib/base/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/fd.h"

#ifdef HATO_SEAL_PROBE
#include "lib/base/seal_probe.h"
#endif

namespace hato {

namespace {

constexpr __u64 landlock_read = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr __u64 landlock_write = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                 LANDLOCK_ACCESS_FS_REMOVE_DIR;
constexpr __u64 landlock_all_abi1 = (1ULL << 13) - 1;
constexpr __u64 landlock_refer = 1ULL << 13;     // ABI 2: link and rename across directories
constexpr __u64 landlock_truncate = 1ULL << 14;  // ABI 3

void landlock(const std::vector<SealPath>& paths) {
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U);
  if (abi < 1) return;  // this kernel has none
  // ABI 1 forbids every link and rename from one directory to another: useless to those that move files.
  if (abi < 2 && std::any_of(paths.begin(), paths.end(), [](const SealPath& p) { return p.write; })) return;
  __u64 handled = landlock_all_abi1;
  __u64 write = landlock_read | landlock_write;
  if (abi >= 2) handled |= landlock_refer, write |= landlock_refer;
  if (abi >= 3) handled |= landlock_truncate, write |= landlock_truncate;

  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = handled;
  Fd rules(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0U)));
  if (!rules) throw_errno("landlock_create_ruleset");
  for (const SealPath& path : paths) {
    Fd parent = open_file(path.path, O_PATH);
    landlock_path_beneath_attr beneath{};
    beneath.allowed_access = path.write ? write : landlock_read;
    beneath.parent_fd = parent.get();
    if (syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0U) != 0)
      throw_errno("landlock_add_rule " + path.path);
  }
  if (syscall(SYS_landlock_restrict_self, rules.get(), 0U) != 0) throw_errno("landlock_restrict_self");
}

}  // namespace

void seal(const SealFilter& filter, const std::vector<SealPath>& paths) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("prctl PR_SET_NO_NEW_PRIVS");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) throw_errno("prctl PR_SET_DUMPABLE");
  landlock(paths);
  sock_fprog program{filter.length, const_cast<sock_filter*>(filter.code)};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) throw_errno("seccomp");
#ifdef HATO_SEAL_PROBE
  probe_seal(filter.name);
#endif
}

bool confine_to(const std::string& directory) {
  if (geteuid() != 0) return false;
  if (chroot(directory.c_str()) != 0) throw_errno("chroot " + directory);
  if (chdir("/") != 0) throw_errno("chdir / in " + directory);
  return true;
}

}  // namespace hato
