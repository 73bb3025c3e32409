#include "qmail-send/lifeline.h"

#include <poll.h>
#include <sys/wait.h>

namespace hato {

namespace {
void nothing(int) {}  // SIGCHLD only has to wake ppoll
}  // namespace

Lifeline::Lifeline(int fd) : fd_(fd) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGPIPE}) signal(number, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = nothing;
  sigaction(SIGCHLD, &action, nullptr);
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGCHLD);
  sigprocmask(SIG_BLOCK, &held, &waiting_);
  sigdelset(&waiting_, SIGCHLD);
}

bool Lifeline::ended(int ms) const {
  pollfd p{fd_, POLLIN, 0};
  const timespec time{ms / 1000, ms % 1000 * 1000000L};
  return ppoll(&p, 1, ms < 0 ? nullptr : &time, &waiting_) > 0;
}

std::optional<int> wait_status(pid_t pid) {
  int status;
  if (waitpid(pid, &status, WNOHANG) == pid) return status;
  return std::nullopt;
}

std::string wait_status_text(int status) {
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                             : "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace hato
