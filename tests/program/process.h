// For program tests: starts an installed executable with chosen descriptors, user and environment, and knows
// it by pid.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/fd.h"

namespace hato::test {

// Path of an installed program of this run's prefix.
std::string installed(const std::string& name);

struct Start {
  std::vector<std::string> args;             // args[0]: path
  std::map<std::string, std::string> env{};  // the whole environment, besides PATH
  std::vector<std::pair<int, int>> fds{};    // {number in the child, our descriptor}; all others are closed
  uid_t uid = 0;
  gid_t gid = 0;
  std::string directory{};  // working directory; empty: ours
};

// A running process. The destructor kills (SIGKILL) and reaps what still runs.
class Process {
 public:
  explicit Process(const Start& start);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Waits; exit code, or 1000 + signal. Fails the test (-1) when it still runs after `seconds`.
  int wait(int seconds = 20);
  bool running();

 private:
  pid_t pid_;
  int status_ = -1;
  bool ended_ = false;
};

struct Outcome {
  int code = -1;  // exit code, or 1000 + signal; -1: it had to be killed
  std::string out, err;
};
// Runs to the end with `input` on fd 0 and fds 1 and 2 collected; more descriptors as in start.fds.
Outcome run(Start start, const std::string& input = "", int seconds = 20);

// A directory of this test's own below $TMPDIR, mode 0755, removed with all in it at the end.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file (mode 0644) below it and returns its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

std::string slurp(const std::string& path);  // "" when missing
// Names in a directory without . and .., sorted.
std::vector<std::string> names_in(const std::string& directory);
// Reads from fd until `text` has been seen or the time is over; returns all that came.
std::string read_until(int fd, const std::string& text, int seconds = 10);
// Polls until ready() or the time is over.
template <typename Ready>
bool eventually(Ready ready, int seconds = 10) {
  const Deadline deadline = Deadline::in_seconds(seconds);
  for (;;) {
    if (ready()) return true;
    if (deadline.passed()) return false;
    struct timespec pause {
      0, 20 * 1000 * 1000
    };
    nanosleep(&pause, nullptr);
  }
}

}  // namespace hato::test
