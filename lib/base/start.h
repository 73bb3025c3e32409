// Starting another program: fork or vfork, identity, descriptors, limits, execve.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
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
  int three = -1;                    // becomes descriptor 3; -1: it gets none
  std::optional<Identity> identity;  // set in the order groups, gid, uid; uid 0 is refused (TempError)
  std::vector<Limit> limits;
  unsigned alarm_seconds = 0;          // SIGALRM (death) after this long, by the clock; 0: never
  std::optional<rlim_t> open_files{};  // RLIMIT_NOFILE, soft only: what it was before the caller raised it
};

// Where a child that could not become its program leaves word why: memory that it shares with its parent. To
// be kept until the child is dead, and read then.
class StartNotes;
class StartNote {
 public:
  StartNote() = default;
  StartNote(StartNote&& other) noexcept { *this = std::move(other); }
  StartNote& operator=(StartNote&& other) noexcept;
  StartNote(const StartNote&) = delete;
  StartNote& operator=(const StartNote&) = delete;
  ~StartNote();

  // errno of the step that failed; 0: the program ran.
  int error() const;
  const char* step() const;  // "exec", "setuid", ...

 private:
  friend class StartNotes;
  friend pid_t start_program(const Program&, StartNote&);
  StartNotes* owner_ = nullptr;
  std::size_t slot_ = 0;
};

// Notes for all children of one process; outlives them.
class StartNotes {
 public:
  StartNotes() = default;
  StartNotes(const StartNotes&) = delete;
  StartNotes& operator=(const StartNotes&) = delete;
  ~StartNotes();
  StartNote take();  // throws SystemError when there is no memory

 private:
  friend class StartNote;
  friend pid_t start_program(const Program&, StartNote&);
  struct Slot;
  Slot& at(std::size_t slot) const;

  std::vector<Slot*> pages_;
  std::vector<std::size_t> free_;
};

// The child's pid; -1 and errno when there can be none. A program that cannot be run is a child that dies
// (exit code 111) and leaves a note.
//
// Without an identity the child is vfork's: it borrows our memory until execve and nothing is copied. With
// one it is fork's, because from setuid to execve the user may stop it by a signal, and vfork would stop us,
// too. Signal handlers of the caller may run in the child until execve: they may only set flags.
pid_t start_program(const Program& program, StartNote& note);

}  // namespace hato
