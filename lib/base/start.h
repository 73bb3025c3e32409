// Starting another program cheaply: vfork and execve, no copy of the caller's memory, and the caller learns
// at once whether the program runs.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

struct Identity {
  uid_t uid;
  gid_t gid;  // also the only supplementary group
};

struct Limit {
  int resource;  // RLIMIT_CPU, RLIMIT_AS, ...
  rlim_t value;  // soft and hard
};

// What to start. Descriptors must be above 2 or already be their own number; everything else the caller has
// open must be close-on-exec and is not seen by the program, whose signals are at their defaults, unblocked.
struct Program {
  std::string path;               // absolute, or relative to the caller's directory; no PATH search
  std::vector<std::string> args;  // with args[0]
  std::vector<std::string> env;   // NAME=VALUE, put in front of the caller's environment and replacing it
  int in = 0;
  int out = 1;
  int err = 2;
  std::optional<Identity> identity;  // set in the order groups, gid, uid; uid 0 is refused (TempError)
  std::vector<Limit> limits;
  unsigned alarm_seconds = 0;          // SIGALRM (death) after this long, by the clock; 0: never
  std::optional<rlim_t> open_files{};  // RLIMIT_NOFILE, soft only: what it was before the caller raised it
};

struct Started {
  pid_t pid = -1;  // > 0: runs; to be waited for by the caller
  int error = 0;   // else errno of the step that failed; nothing is left to wait for
  const char* step = "";
};

// Signal handlers of the caller may run in the child until execve: they may only set flags.
Started start_program(const Program& program);

}  // namespace hato
