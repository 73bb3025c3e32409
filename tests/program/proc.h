// What /proc says of a running process.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace hato::test {

std::vector<pid_t> children_of(pid_t pid);  // the oldest first
// A field of its status ("Uid", "Seccomp") as it stands behind "NAME:\t"; "" when there is none.
std::string status_field(pid_t pid, const std::string& name);
// What a link points to ("root", "cwd", "fd/3"); "" when it cannot be read.
std::string proc_link(pid_t pid, const std::string& name);
bool alive(pid_t pid);  // a zombie is

}  // namespace hato::test
