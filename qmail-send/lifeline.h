// How the processes that qmail-start leaves behind wait: for their lifeline (a pipe's read end whose other
// end only qmail-send holds), for a child, or for some time.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <optional>
#include <string>

namespace hato {

class Lifeline {
 public:
  // Signals that are meant for qmail-send's group do not end this process, and SIGCHLD comes only while it
  // waits. fd stays the caller's.
  explicit Lifeline(int fd);
  // True when the lifeline has ended; false when `ms` (-1: never) are over or a child has ended.
  bool ended(int ms) const;
  int fd() const { return fd_; }

 private:
  int fd_;
  sigset_t waiting_;
};

// The wait status of a child that has ended; never waits.
std::optional<int> wait_status(pid_t pid);
std::string wait_status_text(int status);  // "exit code 111", "signal 9"

}  // namespace hato
