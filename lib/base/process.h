// Starting processes and becoming users.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hato {

struct User {
  std::string name;
  uid_t uid;
  gid_t gid;
  std::string home;
  std::string shell;
};

// Looks a daemon's user up in /etc/passwd itself (no NSS, so static programs may). nullopt: no
// such user; throws SystemError when the file cannot be read. For customers use NSS in a program that links
// it (LINK nss).
std::optional<User> passwd_user(const std::string& name);
std::optional<User> passwd_user(uid_t uid);
std::vector<User> passwd_users();  // all of them, in the file's order
// gid of a group in /etc/group; nullopt when there is none.
std::optional<gid_t> group_id(const std::string& name);

// A process started as root becomes the daemon user `name` with his own gid and no supplementary groups, in
// the order setgroups, setresgid, setresuid, and proves that it cannot go back. Not root: nothing is changed,
// returns false. Throws TempError when the user does not exist.
bool drop_root_to(const std::string& name);
// The same for known numbers; throws SystemError. uid 0 is refused.
void become(uid_t uid, gid_t gid);

// fork(2); the child runs body and leaves by _exit with what it returns (111 when it throws, after printing
// the error as PROGRAM). Throws SystemError when there can be no child.
pid_t fork_child(const char* program, const std::function<int()>& body);

// waitpid for one child, over EINTR. Returns the wait status.
int wait_for_child(pid_t pid);

// execve of an absolute or relative path, or a PATH search for a bare name (execvp). Returns only by throwing
// SystemError("exec NAME").
[[noreturn]] void exec_program(const std::vector<std::string>& args);

// Closes every descriptor from `first` up (close_range, which needs no /proc).
void close_from(int first);
// fds 0, 1 and 2 are open afterwards, on /dev/null where they were not, so that no file can land on them.
void ensure_standard_fds();
// SIGPIPE ignored in this process. Children that run others' programs must restore it: default_signals().
void ignore_sigpipe();
void default_signals();  // every handler to SIG_DFL and an empty mask: before exec of what is not ours
// Dies (SIGKILL) when its parent does; false when the parent is gone already. Call first thing after fork.
bool die_with_parent(pid_t parent);

}  // namespace hato
