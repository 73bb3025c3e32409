// For program tests: starts an installed executable with chosen descriptors, user and environment, and knows
// it by pid.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "tests/scratch_directory.h"

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

std::string slurp(const std::string& path);  // "" when missing
bool has(std::string_view text, std::string_view part);
std::size_t count_in(std::string_view text, std::string_view part);  // how often; occurrences do not overlap
// Names in a directory without . and .., sorted.
std::vector<std::string> names_in(const std::string& directory);
// Reads from fd until `text` has been seen or the time is over; returns all that came.
std::string read_until(int fd, const std::string& text, int seconds = 10);
// All that comes until the other side closes; "[no more in time]" at the end when it did not.
std::string read_to_end(int fd, int seconds = 20);
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
