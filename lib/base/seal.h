// Sealing: a program states once what it may still do, after its descriptors are open and before the first
// byte from outside is read. design.md section 7.
//
// Order inside: no_new_privs, not dumpable, Landlock (where the kernel has it), seccomp. A denied call fails
// with EPERM; it never succeeds and never kills, so that the program can answer the other side with a
// temporary failure.
#pragma once

#include <string>
#include <vector>

struct sock_filter;

namespace hato {

// A seccomp program made at build time by lib/base/sealgen.cc, where the rules of each profile stand.
struct SealFilter {
  const char* name;
  const sock_filter* code;
  unsigned short length;
};

namespace seal_profile {
// Every profile may: read and write what is open, wait, tell the time, allocate, handle signals, exit.
// None may: execve, ptrace, change users or namespaces, open other processes, mount, load modules.
extern const SealFilter plain;  // nothing more: no files, no sockets, no children
// plain + accept, fork, fd passing, and files that are there already, for reading (qmail-rcptd)
extern const SealFilter reader;
extern const SealFilter smtpd;  // plain + AF_UNIX sockets, connect on fds of 3 and up, fd passing
// as smtpd + accept, fork, and new files by O_TMPFILE or O_EXCL only (qmail-queued)
extern const SealFilter gate;
extern const SealFilter remote;  // plain + AF_INET/AF_INET6 sockets and connect (qmail-remote)
// as remote + fork, and seal() once more in the child (qmail-mtastsd's starter of fetches)
extern const SealFilter starter;
extern const SealFilter keeper;  // as pop3d + accept, fd passing (qmail-mtastsd's keeper of the cache)
extern const SealFilter
    pop3d;  // plain + files (open, stat, rename, link, unlink, directories): with Landlock paths
extern const SealFilter authd;  // plain + accept, fd passing (qmail-authd's half that talks to clients)
// plain + unlink, rename, new files and opening for fsync below its Landlock paths (qmail-clean)
extern const SealFilter cleaner;
}  // namespace seal_profile

struct SealPath {
  std::string path;  // must exist
  bool write;  // false: read files and directories below; true: also create, rename, link, unlink, write
};

// Throws SystemError when a step fails: a program that cannot be sealed does not run. An absent Landlock is
// no failure. With `paths` empty all file access is denied by Landlock too.
void seal(const SealFilter& filter, const std::vector<SealPath>& paths = {});

// chroot to `directory` and chdir to its root when root; false (nothing done) otherwise. Call before
// drop_root_to.
bool confine_to(const std::string& directory);

}  // namespace hato
